"""Whatever users, replicas, the network and watches do: no limit passed, nothing given twice, nothing held for ever."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extender.histories import History
from tests.extender.replicated import MOODS
from tests.kube.virtual import run

KINDS = ("bound", "static", "made", "two", "exclusive", "sharing")
create = st.tuples(st.just("create"), st.sampled_from(KINDS), st.integers(1, 4), st.integers(1, 4))
wait = st.tuples(st.just("wait"), st.sampled_from([0.01, 0.3, 1.0, 3.0, 10.0, 60.0]))
steps = st.one_of(
    create,
    create,
    wait,
    wait,
    st.tuples(st.just("delete"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("mood"), st.sampled_from(MOODS), st.integers(1, 4)),
    st.tuples(
        st.just("lag"), st.sampled_from(["pods", "claims", "volumes", "capacities"]), st.integers(1, 40), st.booleans()
    ),
    st.tuples(st.sampled_from(["hand over", "crash", "restart", "hand over in the dark"])),
)


@given(st.integers(0, 2**32), st.lists(steps, min_size=10, max_size=40))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens(seed, history):
    run(_run(seed, history))


async def _run(seed, steps):
    history = History(seed)
    await history.begin()
    for what, *parts in steps:
        match what:
            case "create":
                for _ in range(parts[2]):
                    history.create(*parts[:2])
            case "delete":
                history.delete(parts[0], with_claims=parts[1])
            case "mood":
                history.moods.extend([parts[0]] * parts[1])
            case "lag":
                history.lag(parts[0], float(parts[1]), leader=parts[2])
            case "wait":
                await asyncio.sleep(parts[0])
            case "hand over":
                await history.hand_over()
            case "hand over in the dark":
                history.lag("pods", 20.0, leader=False)
                history.lag("claims", 10.0, leader=False)
                await asyncio.sleep(history.random.uniform(0.0, 5.0))
                await history.hand_over()
            case "crash":
                await history.crash()
            case "restart":
                await history.restart()
    history.moods.clear()
    assert history.wrongs == []
    await _comes_to_rest(history)


async def _comes_to_rest(history):
    """Every pod that can run does so, and nothing is held for anybody."""
    left = ["not asked yet"]
    for _ in range(60):
        await asyncio.sleep(20.0)
        assert history.wrongs == []
        if not (left := [*(f"{name} could run" for name in history.could_run()), *held(history.leader)]):
            break
    assert left == []
    await history.end()


def held(leader):
    """What the extender holds for anybody."""
    books = leader.reservations
    yield from (f"{key} is held" for each in (books.pods, books.claims, books.volumes) for key in each.held)
    yield from (f"slots are promised to {uid}" for uid in leader.snapshot.slots._promised)
    for report in leader.follower.caches.capacities.values():
        leader.snapshot.ledger.spoken_for(report)  # it forgets when it is asked
    if count := leader.snapshot.ledger.unreported:
        yield f"{count} claims are taken for unreported"
    if leader.binder.under_way:
        yield f"{leader.binder.under_way} attempts are under way"
