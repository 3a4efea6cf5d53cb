"""One leader at a time: with a slow, hanging, dying or lying server, and clocks that disagree. Time is virtual."""

import asyncio
import re

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.election import Terms
from kube.errors import LeaseLost
from tests.kube.candidates import Candidate, Floor, LeaseServer
from tests.kube.virtual import run
from tests.waiting import eventually


class Election:
    """Some candidates, running."""

    def __init__(self, *candidates, server, floor):
        self.candidates = {each.name: each for each in candidates}
        self.server = server
        self.floor = floor
        self.tasks = {}

    async def start(self, group, name):
        self.tasks[name] = group.create_task(self.candidates[name].run())

    async def until(self, line, seconds=60.0):
        await eventually(lambda: line in self.floor.story, within_seconds=seconds)


def election(body, **options):
    """Run a story with the candidates a and b."""

    async def main():
        server, floor = LeaseServer(), Floor()
        a = Candidate("a", server, floor, offset=1000.0, **options)
        b = Candidate("b", server, floor, offset=-500.0, **options)
        story = Election(a, b, server=server, floor=floor)
        async with asyncio.TaskGroup() as group:
            await story.start(group, "a")
            await story.until("a works")
            await story.start(group, "b")
            await body(story, a, b)
            for task in story.tasks.values():
                task.cancel()
        assert floor.most == 1
        return story

    with structlog.testing.capture_logs():
        return run(main())


def test_the_first_leads_as_long_as_it_renews():
    async def body(story, a, b):
        await asyncio.sleep(3600)
        assert story.floor.story == ["a works"]

    election(body)


def test_a_clean_exit_hands_over_at_once():
    async def body(story, a, b):
        story.tasks["a"].cancel()
        await story.until("b works", seconds=6.0)

    assert election(body).floor.story[:3] == ["a works", "a stopped", "b works"]


@pytest.mark.parametrize("mood", ["down", "hangs", "refuses"])
def test_a_leader_that_can_not_renew_stops_before_another_starts(mood):
    async def body(story, a, b):
        a.network.mood = mood
        await story.until("b works")
        assert story.floor.story == ["a works", "a stopped", "b works"]

    election(body, winding_down=3.5)


def test_a_leader_whose_renewals_get_no_answer_stops_though_the_server_has_them():
    async def body(story, a, b):
        a.network.mood = "swallows"
        await story.until("a stopped")
        assert story.server.lease["spec"]["holderIdentity"] == "a"

    election(body)


def test_requests_that_arrive_late_wake_no_dead_leader():
    async def body(story, a, b):
        a.network.mood = "late"
        await story.until("a stopped")
        story.tasks["a"].cancel()
        await story.until("b works")
        await asyncio.sleep(60)
        assert story.floor.story == ["a works", "a stopped", "b works"]
        assert story.server.lease["spec"]["holderIdentity"] == "b"

    election(body)


def test_a_slow_server_is_borne():
    async def body(story, a, b):
        a.network.mood = b.network.mood = "slow"
        await asyncio.sleep(600)
        assert story.floor.story == ["a works"]

    election(body)


def test_a_short_outage_is_borne():
    async def body(story, a, b):
        for _ in range(20):
            a.network.mood = b.network.mood = "down"
            await asyncio.sleep(6)
            a.network.mood = b.network.mood = "well"
            await asyncio.sleep(6)
        assert story.floor.story == ["a works"]

    election(body)


def test_a_server_that_is_away_for_all_stops_all_and_comes_back():
    async def body(story, a, b):
        a.network.mood = b.network.mood = "down"
        await story.until("a stopped")
        await asyncio.sleep(600)
        assert story.floor.working == set()
        a.network.mood = b.network.mood = "well"
        await asyncio.sleep(30)
        assert len(story.floor.working) == 1

    election(body)


def test_a_renewal_whose_answer_was_lost_is_no_loss():
    async def body(story, a, b):
        for _ in range(10):
            a.network.mood = "swallows"
            await asyncio.sleep(4)
            a.network.mood = "well"
            await asyncio.sleep(10)
        assert story.floor.story == ["a works"]

    election(body)


def test_a_lease_that_somebody_deletes_is_made_again_by_its_holder():
    async def body(story, a, b):
        await asyncio.sleep(10)
        for _ in range(20):
            story.server.lease = None
            await asyncio.sleep(7)
        assert story.floor.story == ["a works"]

    election(body)


def test_a_lease_taken_away_stops_the_leader_soon():
    async def body(story, a, b):
        story.server.lease["spec"]["holderIdentity"] = "somebody"
        story.server.version += 1
        story.server.lease["metadata"]["resourceVersion"] = str(story.server.version)
        await story.until("a stopped", seconds=4.0)

    election(body)


def test_the_record_says_who_since_when_and_how_often_it_changed_hands():
    async def body(story, a, b):
        await asyncio.sleep(30)
        story.tasks["a"].cancel()
        await story.until("b works")

    history = election(body).server.history
    first, renewed, taken = history[0], history[3], history[-1]
    if taken["holderIdentity"] == "":
        taken = history[-2]
    micro = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
    assert all(micro.fullmatch(each["renewTime"]) for each in history)
    assert (first["leaseDurationSeconds"], first["leaseTransitions"]) == (15, 0)
    assert (renewed["acquireTime"], renewed["leaseTransitions"]) == (first["acquireTime"], 0)
    assert renewed["renewTime"] > first["renewTime"]
    assert (taken["holderIdentity"], taken["leaseTransitions"]) == ("b", 1)


def test_of_two_that_create_it_one_wins():
    async def main():
        server, floor = LeaseServer(), Floor()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(Candidate(name, server, floor).run()) for name in "abc"]
            await asyncio.sleep(100)
            assert (floor.most, len(floor.story)) == (1, 1)
            for task in tasks:
                task.cancel()

    with structlog.testing.capture_logs():
        run(main())


def test_work_that_returns_releases_the_lease():
    async def main():
        server = LeaseServer()
        await Candidate("a", server, Floor()).once(lambda: asyncio.sleep(5))
        assert server.lease["spec"]["holderIdentity"] == ""

    run(main())


def test_what_the_work_raises_comes_out_and_the_lease_is_released():
    async def fail():
        raise ZeroDivisionError

    async def main():
        server = LeaseServer()
        with pytest.raises(ZeroDivisionError):
            await Candidate("a", server, Floor()).once(fail)
        assert server.lease["spec"]["holderIdentity"] == ""

    run(main())


def test_the_lease_is_renewed_while_cancelled_work_winds_down():
    async def body(story, a, b):
        a.winding_down = 120.0
        story.tasks["a"].cancel()
        await story.until("a stopped", seconds=200)
        await story.until("b works", seconds=10)

    assert election(body).floor.story[:3] == ["a works", "a stopped", "b works"]


def test_work_that_returns_when_the_lease_is_lost_does_not_hide_the_loss():
    async def shrug():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def main():
        candidate = Candidate("a", LeaseServer(), Floor())
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_expect_loss(candidate.once(shrug)))
            await asyncio.sleep(1)
            candidate.network.mood = "down"
            assert "not renewed for 10 s" in await task

    with structlog.testing.capture_logs():
        run(main())


@pytest.mark.parametrize("seconds", [0.0, 9.0, 10.0, 11.0])
def test_whoever_is_cancelled_while_the_lease_is_lost_sees_the_cancellation(seconds):
    async def main():
        candidate = Candidate("a", LeaseServer(), Floor(), winding_down=3.0)
        task = asyncio.create_task(candidate.once())
        await eventually(lambda: candidate.floor.working)
        candidate.network.mood = "down"
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    with structlog.testing.capture_logs():
        run(main())


async def _expect_loss(leading):
    with pytest.raises(LeaseLost) as caught:
        await leading
    return str(caught.value)


@pytest.mark.parametrize(("duration", "renew", "retry"), [(15, 15, 2), (15, 10, 6), (15, 10, 0), (10, 12, 2)])
def test_terms_that_leave_no_time_to_stop_are_refused(duration, renew, retry):
    with pytest.raises(ValueError, match="2 \\* retry <= renew < duration"):
        Terms(duration, renew, retry)


moods = st.sampled_from(["well", "well", "slow", "down", "refuses", "hangs", "swallows", "late"])
moments = st.tuples(st.integers(0, 2), moods, st.sampled_from([0.5, 3.0, 7.0, 11.0, 16.0, 30.0]))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(moments, st.tuples(st.just("kill"), st.integers(0, 2))), max_size=25),
    st.lists(st.floats(0.0, 3.5), min_size=3, max_size=3),
)
def test_never_two_work_whatever_the_network_does(story, winding_down):
    async def main():
        server, floor = LeaseServer(), Floor()
        candidates = [
            Candidate(str(at), server, floor, offset=at * 12345.6, winding_down=seconds)
            for at, seconds in enumerate(winding_down)
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.run()) for each in candidates]
            for first, second, *seconds in story:
                if first == "kill":
                    tasks[second].cancel()
                    await asyncio.sleep(10)
                    tasks[second] = group.create_task(candidates[second].run())
                else:
                    candidates[first].network.mood = second
                    await asyncio.sleep(seconds[0])
                assert floor.most <= 1, floor.story
            for each in candidates:
                each.network.mood = "well"
            await asyncio.sleep(60)
            assert len(floor.working) == 1
            for task in tasks:
                task.cancel()
        assert floor.most == 1

    with structlog.testing.capture_logs():
        run(main())
