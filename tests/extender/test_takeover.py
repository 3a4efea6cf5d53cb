"""A replica that takes over answers once its caches show what the one before it wrote."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from extender.settled import is_in_doubt, unbroken
from extender.takeover import caught_up
from kube.errors import BadAnswer, Conflict, KubeError, NotFound, ServerError, ServerTimeout, Unavailable, Unreachable
from model.resources import PODS, Resource
from tests.extender.objects import pod
from tests.extender.tables import RESOURCES
from tests.extender.world import World
from tests.waiting import eventually


class Listing:
    """A client that lists what the world has now, and perhaps fails first."""

    def __init__(self, world: World, faults: int = 0, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._world, self._faults, self._meanwhile = world, faults, meanwhile
        self.asked = 0

    async def list(self, resource: Resource[Any]) -> list[Any]:
        self.asked += 1
        if self.asked <= self._faults:
            raise Unreachable("nobody listens", sent=False)
        kind = next(name for name, each in RESOURCES.items() if each is resource)
        found = [self._world.view(kind, key) for each, key in self._world.objects if each == kind]
        if resource is PODS:
            self._meanwhile()
        return found


@pytest.fixture
def world() -> World:
    world = World()
    for name in ("old", "moving"):
        world.put(pod(name))
    return world


async def test_caches_that_show_all_there_is_may_be_relied_on(world: World):
    async with asyncio.timeout(5.0):
        await caught_up(Listing(world), world.caches)


async def test_what_was_written_and_is_not_shown_yet_is_waited_for(world: World):
    world.lagging = True
    world.change("pods", "ns/moving", lambda obj: obj["spec"].update(nodeName="n1"))
    world.put(pod("new"))
    client = Listing(world)
    waiting = asyncio.create_task(caught_up(client, world.caches))
    await eventually(lambda: client.asked == 3)
    assert not waiting.done()
    world.catch_up()
    async with asyncio.timeout(5.0):
        await waiting
    assert world.caches.pods.get("ns/moving").spec.node_name == "n1"


async def test_what_goes_meanwhile_is_not_waited_for(world: World):
    async with asyncio.timeout(5.0):
        await caught_up(Listing(world, meanwhile=lambda: world.remove("pods", "ns/old")), world.caches)


async def test_what_goes_before_it_was_ever_shown_is_not_waited_for_any_more(world: World):
    world.lagging = True
    world.put(pod("short"))
    client = Listing(world, meanwhile=lambda: world.remove("pods", "ns/short"))
    waiting = asyncio.create_task(caught_up(client, world.caches))
    await eventually(lambda: client.asked == 3)
    world.catch_up()
    async with asyncio.timeout(5.0):
        await waiting


async def test_one_of_the_same_name_is_another(world: World):
    world.lagging = True
    world.remove("pods", "ns/old")
    world.put({**pod("old"), "metadata": {"name": "old", "namespace": "ns", "uid": "of-the-new-one"}})
    client = Listing(world)
    waiting = asyncio.create_task(caught_up(client, world.caches))
    await eventually(lambda: client.asked == 3)
    assert not waiting.done()
    world.catch_up()
    async with asyncio.timeout(5.0):
        await waiting
    assert world.caches.pods.get("ns/old").uid == "of-the-new-one"


async def test_a_server_that_can_not_be_asked_is_asked_again(world: World, monkeypatch):
    monkeypatch.setattr("extender.takeover.AGAIN_SECONDS", 0.01)
    client = Listing(world, faults=4)
    async with asyncio.timeout(5.0):
        await caught_up(client, world.caches)
    assert client.asked == 7


# --- writes that are under way ---


async def test_a_write_that_is_under_way_is_over_when_its_sender_is_cancelled():
    begun, goes_on, done = asyncio.Event(), asyncio.Event(), []

    async def write() -> None:
        begun.set()
        await goes_on.wait()
        done.append("written")

    sender = asyncio.create_task(unbroken(write()))
    await begun.wait()
    sender.cancel()
    await asyncio.sleep(0)
    assert not sender.done()
    goes_on.set()
    await asyncio.wait([sender])
    assert sender.cancelled()
    assert done == ["written"]


async def test_one_that_is_never_over_is_given_up(monkeypatch):
    monkeypatch.setattr("extender.settled.SETTLE_SECONDS", 0.01)
    sender = asyncio.create_task(unbroken(asyncio.Event().wait()))
    await asyncio.sleep(0)
    sender.cancel()
    async with asyncio.timeout(5.0):
        await asyncio.wait([sender])
    assert sender.cancelled()


@pytest.mark.parametrize(
    ("fault", "doubtful"),
    [
        (Unreachable("cut"), True),
        (Unreachable("refused", sent=False), False),
        (BadAnswer("a page"), True),
        (ServerError(500), True),
        (ServerTimeout(504), True),
        (Unavailable(503), True),
        (Conflict(409), False),
        (NotFound(404), False),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, KubeError) else "",
)
def test_what_leaves_in_doubt_whether_it_was_carried_out(fault: KubeError, doubtful: bool):
    assert is_in_doubt(fault) is doubtful
