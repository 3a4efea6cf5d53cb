"""The order and the waiting of pods without a node."""

from hypothesis import given
from hypothesis import strategies as st

from sandbox.scheduler.queue import LONGEST_WAIT, SchedulingQueue
from sandbox.scheduler.views import read_pod


def pod(name, priority=0, created="2026-01-01T00:00:00Z", **spec):
    metadata = {"name": name, "uid": name, "creationTimestamp": created}
    return read_pod({"metadata": metadata, "spec": {"priority": priority, **spec}})


def popped(queue, now):
    found = queue.pop(now)
    return found and found.name


def test_priority_goes_before_age_and_age_before_arrival():
    queue = SchedulingQueue()
    for each in (pod("late"), pod("low", -1), pod("old", created="2025-01-01T00:00:00Z"), pod("high", 9), pod("last")):
        queue.offer(each, 0)
    assert [popped(queue, 0) for _ in range(6)] == ["high", "old", "late", "last", "low", None]


def test_a_pod_that_fits_nowhere_waits_for_a_change():
    queue = SchedulingQueue()
    queue.offer(pod("a"), 0)
    assert popped(queue, 0) == "a"
    queue.failed("a", 0, retry=False)
    queue.offer(pod("a"), 1)
    assert popped(queue, 100) is None
    assert queue.seconds_to_next(100) is None
    queue.move(100)
    assert popped(queue, 100) == "a"


def test_back_off_doubles_to_ten_seconds():
    queue, now, waits = SchedulingQueue(), 0.0, []
    queue.offer(pod("a"), now)
    for _ in range(6):
        assert popped(queue, now) == "a"
        queue.failed("a", now, retry=True)
        waits.append(queue.seconds_to_next(now))
        assert popped(queue, now + waits[-1] - 0.01) is None
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 10, 10]


def test_a_change_during_the_attempt_counts_for_it():
    queue = SchedulingQueue()
    queue.offer(pod("a"), 0)
    queue.pop(0)
    queue.move(0)
    queue.failed("a", 0, retry=False)
    assert queue.seconds_to_next(0) == 1


def test_a_change_of_the_pod_itself_is_reason_to_try_again():
    queue = SchedulingQueue()
    queue.offer(pod("a"), 0)
    queue.pop(0)
    queue.failed("a", 0, retry=False)
    queue.offer(pod("a", nodeSelector={"zone": "a"}), 50)
    assert queue.pop(50).spec.node_selector == {"zone": "a"}


def test_nobody_waits_for_ever():
    queue = SchedulingQueue()
    queue.offer(pod("a"), 0)
    queue.pop(0)
    queue.failed("a", 0, retry=False)
    queue.flush(LONGEST_WAIT - 1)
    assert popped(queue, LONGEST_WAIT - 1) is None
    queue.flush(LONGEST_WAIT)
    assert popped(queue, LONGEST_WAIT) == "a"


def test_a_pod_in_its_attempt_is_not_handed_out_twice():
    queue = SchedulingQueue()
    queue.offer(pod("a"), 0)
    queue.pop(0)
    queue.offer(pod("a", nodeSelector={"zone": "a"}), 0)
    queue.move(0)
    queue.flush(1000)
    assert queue.pop(1000) is None


def test_what_is_forgotten_does_not_come_back_and_may_come_anew():
    queue = SchedulingQueue()
    queue.offer(pod("a"), 0)
    queue.forget("a")
    queue.forget("never seen")
    queue.failed("a", 0, retry=True)
    assert queue.pop(0) is None
    queue.offer(pod("a"), 0)
    assert popped(queue, 0) == "a"


STEPS = st.lists(st.tuples(st.sampled_from(["offer", "pop", "fail", "retry", "move", "forget"]), st.integers(0, 3)))


@given(STEPS)
def test_no_pod_is_lost_and_none_is_in_two_attempts(steps):
    """Whatever happens: once all attempts have ended and changes come, exactly those that were not forgotten pop."""
    queue, known, attempts, now = SchedulingQueue(), set(), set(), 0.0
    for step, number in steps:
        name = f"p{number}"
        now += 0.5
        match step:
            case "offer":
                queue.offer(pod(name), now)
                known.add(name)
            case "pop":
                if (found := popped(queue, now)) is not None:
                    assert found not in attempts
                    attempts.add(found)
            case "fail" | "retry" if name in attempts:
                attempts.discard(name)
                queue.failed(name, now, retry=step == "retry")
            case "move":
                queue.move(now)
            case "forget":
                queue.forget(name)
                known.discard(name)
                attempts.discard(name)
            case _:
                pass
    for name in attempts:
        queue.failed(name, now, retry=False)
    queue.move(now)
    assert {popped(queue, now + 100) for _ in range(len(known))} == known
    assert queue.pop(now + 100) is None
