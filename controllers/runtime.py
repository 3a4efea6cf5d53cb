"""What every controller shares: keys from a queue, passes by workers, back-off after a failure, resync.

How a controller plugs in
-------------------------
A folder has `decide.py` (pure: from what is there to an action), `execute.py` where the writes of an action are more
than one, and `controller.py` with a class made from a `Context`:

    class Protection:
        def __init__(self, context: Context) -> None:
            self._caches, self._writer = context.caches, context.writer
            self._queue = context.queue("pvprotection")
            self._caches.volumes.subscribe(self._on_volume)          # handlers only add keys
            self.loops = (Loop(self._queue, self._reconcile),)

        async def _reconcile(self, key: str) -> float | None: ...    # one pass; see Loop

and a row in `controllers.table.ROWS` with its name and the caches it needs. It is made when the caches are whole and
the lease is held: its handlers are told at once of all that is there, and of nothing any more when its time is over. So
a replica that only waits holds no keys. A pass reads the caches, decides, and writes through `context.writer`, which
guards each write by what was read and shows its result in the cache at once. It may be stopped between any two writes,
and repeated: it looks at what is there, never at what happened.

What a pass raises: `Conflict` and `NotFound` mean that somebody was faster: again, soon and silently. Any other
`KubeError`, and `Retry`, mean again, after a back-off, and a line in the log. `TerminalError` means not again before
something changes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn, Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter

from controllers.gate import Gate, GateShut
from controllers.settings import ControllerSettings
from controllers.writes import Writer
from kube.caches import Caches
from kube.client import Client
from kube.errors import Conflict, KubeError, NotFound
from kube.events import EventRecorder
from kube.workqueue import WorkQueue
from model.volumes import PersistentVolume
from plugins.protocol import Deleter, Provisioner, Recycler

log = structlog.get_logger()

RETRIES_A_SECOND: Final = 100.0
RETRY_BURST: Final = 1000
"""Of all keys of a queue together: a failing API server is spared, lost races of a busy hour are not held up."""


class TerminalError(Exception):
    """The pass can not succeed before something changes: logged, not retried."""


class Retry(Exception):  # noqa: N818 - an answer, not a fault
    """The pass did not get to its end, for a reason that is no error of the API: retried with back-off."""


class Plugins(Protocol):
    """Who makes, deletes and empties storage; `plugins.registry.Registry` is one."""

    def provisioner(self, name: str) -> Provisioner | None:
        """Who makes volumes for classes with this provisioner."""

    def deleter(self, volume: PersistentVolume) -> Deleter | None:
        """Who destroys the storage of this volume."""

    def recycler(self, volume: PersistentVolume) -> Recycler | None:
        """Who knows how this volume is emptied."""


@dataclass(frozen=True)
class Context:
    """What a controller is made from."""

    client: Client
    """For reads that must be live; writes go through `writer`."""
    caches: Caches
    writer: Writer
    recorder: Callable[[str], EventRecorder]
    """The recorder of events by the name of the component that reports."""
    registry: CollectorRegistry
    plugins: Plugins
    gate: Gate
    settings: ControllerSettings

    def queue(
        self,
        name: str,
        *,
        base_seconds: float = 0.005,
        max_seconds: float = 1000.0,
        lane: Callable[[str], str] | None = None,
    ) -> WorkQueue:
        """A queue of keys; `name`, unique in the process, is the label of its metrics. The rest as WorkQueue has it."""
        return WorkQueue(
            name,
            base_seconds=base_seconds,
            max_seconds=max_seconds,
            rate=RETRIES_A_SECOND,
            burst=RETRY_BURST,
            lane=lane,
            metrics=self.client.metrics,
        )


@dataclass(frozen=True)
class Loop:
    """A queue and what is done with its keys: each by one worker at a time, different ones by several at once."""

    name: str
    """The label of its metrics and logs; the queue's name."""
    queue: WorkQueue
    reconcile: Callable[[str], Awaitable[float | None]]
    """One pass over what a key names. The answer is when to look again, in seconds; None: when something changes."""
    workers: int = 1
    resync: Callable[[], Iterable[str]] = field(default=tuple[str, ...])
    """The keys that are queued every so often although nothing changed."""
    resync_seconds: float = 15.0


class Controller(Protocol):
    """A row of the table, at work."""

    @property
    def loops(self) -> Sequence[Loop]:
        """What it does; always the same."""


class Runtime:
    """Runs controllers."""

    def __init__(self, registry: CollectorRegistry, gate: Gate) -> None:
        self._gate = gate
        self._passes = Counter(
            "lading_controller_passes", "Passes over keys, by result.", ("loop", "result"), registry=registry
        )

    async def run(self, caches: Caches, makers: Sequence[Callable[[], Controller]]) -> NoReturn:
        """Make controllers once the caches are whole, and let them work until cancelled.

        What they subscribe to ends with them. Made earlier they would gather keys that nobody takes.
        """
        await caches.wait_synced()
        with caches.subscriptions():
            await self.run_loops([loop for make in makers for loop in make().loops])

    async def run_loops(self, loops: Sequence[Loop]) -> NoReturn:
        """Run loops for ever."""
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                passes = {result: self._passes.labels(loop.name, result) for result in RESULTS}
                for number in range(loop.workers):
                    group.create_task(self._work(loop, passes), name=f"{loop.name} {number}")
                group.create_task(_resync(loop), name=f"{loop.name} resync")
            await asyncio.Event().wait()
        raise AssertionError("loops run for ever")

    async def _work(self, loop: Loop, passes: Mapping[str, Counter]) -> NoReturn:
        while True:
            key = await loop.queue.get()
            try:
                await self._gate.passed()
                result = await _pass(loop, key)
                passes[result].inc()
            finally:
                loop.queue.done(key)


RESULTS: Final = ("success", "requeue_after", "conflict", "retry", "terminal", "fault")
"""How a pass ends."""


async def _pass(loop: Loop, key: str) -> str:
    """One pass and what follows from it; which of RESULTS it was."""
    try:
        after = await loop.reconcile(key)
    except (Conflict, NotFound) as error:
        log.debug("pass lost a race", loop=loop.name, key=key, error=str(error))
        loop.queue.retry(key)
        return "conflict"
    except GateShut:
        return "terminal"
    except TerminalError as error:
        told = log.bind(loop=loop.name, key=key)
        told.error("pass can not succeed", error=str(error))
        loop.queue.forget(key)
        return "terminal"
    except (KubeError, Retry) as error:
        again = loop.queue.retry(key)
        log.warning("pass failed", loop=loop.name, key=key, error=str(error), again_in_seconds=again)
        return "retry"
    except Exception:  # a guard: one object that is not understood must not stop the work on all others
        log.exception("pass broke", loop=loop.name, key=key, again_in_seconds=loop.queue.retry(key))
        return "fault"
    loop.queue.forget(key)
    if after is None:
        return "success"
    loop.queue.add_after(key, after)
    return "requeue_after"


async def _resync(loop: Loop) -> NoReturn:
    while True:
        await asyncio.sleep(loop.resync_seconds)
        for key in loop.resync():
            loop.queue.add(key)
