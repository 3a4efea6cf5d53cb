"""Before "no node suits" is answered: a moment for news that the scheduler has already. In virtual time."""

import asyncio

import pytest

from extender.changes import Changes
from extender.second_look import BURST, PAUSES_SECONDS, RATE, SecondLook
from tests.extender.objects import volume
from tests.extender.world import World
from tests.kube import virtual

MOMENT = sum(PAUSES_SECONDS)


class Looking:
    """Something to look at that changes while one looks."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.changes = Changes()
        self.second_look = SecondLook(self.changes, self.loop.time)
        self.suiting = 0
        self.looks = 0

    def look(self):
        self.looks += 1
        return self.suiting

    async def taken(self):
        """What was found at last, and after how many seconds."""
        begun = self.loop.time()
        found = await self.second_look.taken(self.look(), self.look, bool)
        return found, self.loop.time() - begun

    def change(self, suiting):
        self.suiting = suiting
        world = World()
        world.put(volume("v1"))
        self.changes.handler("volumes")(None, world.view("volumes", "v1"))


def looked(scene):
    async def main():
        return await scene(Looking())

    return virtual.run(main())


def test_what_suits_is_answered_at_once():
    async def scene(looking):
        looking.suiting = 1
        return await looking.taken(), looking.looks

    assert looked(scene) == ((1, 0.0), 1)


def test_without_news_the_answer_stands_after_a_moment_and_nothing_is_judged_again():
    async def scene(looking):
        return await looking.taken(), looking.looks

    assert looked(scene) == ((0, pytest.approx(MOMENT)), 1)


def test_news_are_looked_at_and_what_suits_then_is_answered():
    async def scene(looking):
        looking.loop.call_later(0.015, looking.change, 2)
        return await looking.taken(), looking.looks

    assert looked(scene) == ((2, pytest.approx(sum(PAUSES_SECONDS[:2]))), 2)


def test_news_that_do_not_help_leave_the_answer_as_it_was():
    async def scene(looking):
        looking.loop.call_later(0.015, looking.change, 0)
        return await looking.taken(), looking.looks

    assert looked(scene) == ((0, pytest.approx(MOMENT)), 2)


def test_a_crowd_of_hopeless_pods_is_answered_at_once_after_the_first():
    async def scene(looking):
        waits = [(await looking.taken())[1] for _ in range(BURST + 10)]
        await asyncio.sleep(1.0 / RATE)
        return [bool(each) for each in waits[:BURST]], waits[-1], (await looking.taken())[1]

    first, last, after_a_rest = looked(scene)
    assert all(first)
    assert last == 0.0
    assert after_a_rest == pytest.approx(MOMENT)
