"""Loops: what a pass answers and raises, and what comes of it."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from controllers.gate import Gate, GateShut
from controllers.runtime import RESULTS, Loop, Retry, Runtime, TerminalError
from kube.errors import Conflict, NotFound, Unreachable
from kube.workqueue import WorkQueue
from tests.controllers.tables import table
from tests.waiting import eventually


class Script:
    """A reconcile that does as it is told, pass by pass."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.passes = []

    async def __call__(self, key):
        self.passes.append(key)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@asynccontextmanager
async def running(reconcile, gate=None, **parts):
    queue, registry = WorkQueue("q", base_seconds=0.001), CollectorRegistry()
    loop = Loop("l", queue, reconcile, **parts)
    task = asyncio.create_task(Runtime(registry, gate or Gate()).run_loops([loop]))

    def counted(result):
        return registry.get_sample_value("lading_controller_passes_total", {"loop": "l", "result": result}) or 0

    try:
        yield queue, counted
    finally:
        task.cancel()
        await asyncio.wait([task])


OUTCOMES = [
    ("nothing more", None, "success", 1),
    ("look again", 0.001, "requeue_after", 2),
    ("a lost race", Conflict(409), "conflict", 2),
    ("gone meanwhile", NotFound(404), "conflict", 2),
    ("no server", Unreachable("refused"), "retry", 2),
    ("not yet", Retry("later"), "retry", 2),
    ("never", TerminalError("no"), "terminal", 1),
    ("not understood", ValueError("?"), "fault", 2),
]


@table("outcome result passes", OUTCOMES)
async def test_what_a_pass_comes_to(outcome, result, passes):
    script = Script(outcome)
    async with running(script) as (queue, counted):
        queue.add("k")
        await eventually(lambda: counted(result) >= 1 and (passes == 1 or counted("success") == 1))
        assert script.passes == ["k"] * passes
        assert queue.failures("k") == 0


async def test_what_fails_is_known_until_it_succeeds():
    queue = WorkQueue("q")
    for key in "ab":
        queue.retry(key)
    assert queue.failing() == ["a", "b"]
    queue.forget("a")
    assert queue.failing() == ["b"]


async def test_all_results_are_counted_from_the_start():
    registry = CollectorRegistry()
    task = asyncio.create_task(Runtime(registry, Gate()).run_loops([Loop("l", WorkQueue("q"), Script())]))
    name = "lading_controller_passes_total"
    for result in RESULTS:
        await eventually(lambda labels={"loop": "l", "result": result}: registry.get_sample_value(name, labels) == 0.0)
    task.cancel()
    await asyncio.wait([task])


async def test_a_key_has_one_worker_and_different_ones_have_several():
    at_work, most, seen = set(), [], asyncio.Event()

    async def reconcile(key):
        assert key not in at_work
        at_work.add(key)
        most.append(len(at_work))
        if len(at_work) == 2:
            seen.set()
        await seen.wait()
        at_work.discard(key)

    async with running(reconcile, workers=3) as (queue, counted):
        for key in ("a", "a", "b"):
            queue.add(key)
        await seen.wait()
        queue.add("a")
        await eventually(lambda: counted("success") >= 2)
    assert max(most) == 2


async def test_resync_queues_what_it_is_told():
    script = Script()
    async with running(script, resync=lambda: ["x", "y"], resync_seconds=0.01):
        await eventually(lambda: {"x", "y"} <= set(script.passes))


async def test_a_shut_gate_stops_all_passes():
    gate, script = Gate(), Script()
    gate.shut("somebody else")
    gate.shut("another reason")
    async with running(script, gate) as (queue, _):
        queue.add("k")
        await eventually(lambda: len(queue) == 0)
        await asyncio.sleep(0)
        assert script.passes == []
    assert gate.complaint == "somebody else"
    with pytest.raises(GateShut, match="somebody else"):
        gate.check()


async def test_a_gate_that_shuts_during_a_pass_ends_it_quietly():
    async with running(Script(GateShut("no"))) as (queue, counted):
        queue.add("k")
        await eventually(lambda: counted("terminal") == 1)
