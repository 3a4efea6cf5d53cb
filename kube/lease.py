"""Leader election on a Lease: at most one candidate works at any time, whatever server, network and clocks do.

The holder counts from before it sent its last successful renewal, the others from when they saw it: so the holder's
time is always up first. It stops its work when it could not renew for `renew` seconds and awaits its end; if the work
has not ended shortly before `duration` is over, a watchdog thread ends the process.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

import structlog

from kube import election
from kube.client import Client
from kube.election import Sight, Terms
from kube.errors import AlreadyExists, Conflict, KubeError, LeaseLost, NotFound
from kube.watchdog import Watchdog, watchdog
from model.csi import Lease
from model.meta import JSON
from model.resources import LEASES

log = structlog.get_logger()

EXIT_CODE: Final = 70


@dataclass(frozen=True)
class Clock:
    """`monotonic` measures, in seconds; `utc` is only written down, for people."""

    monotonic: Callable[[], float] = time.monotonic
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)


def end_process() -> None:
    """End the process at once: somebody else may be about to do its work."""
    log.critical("the work did not end in time after the lease was lost; this process ends")
    os._exit(EXIT_CODE)


async def lead(
    client: Client,
    namespace: str,
    name: str,
    identity: str,
    work: Callable[[], Awaitable[None]],
    *,
    duration: float = 15.0,
    renew: float = 10.0,
    retry: float = 2.0,
    clock: Clock = Clock(),
    random: Random | None = None,
    on_overrun: Callable[[], None] = end_process,
) -> None:
    """Wait for the lease, do the work while holding it, release it. Returns when the work returns.

    `identity` must be this process's alone, as with the host's name and something random. `duration`, `renew` and
    `retry` are seconds: how long others wait after the last renewal, after how long without one the work is cancelled,
    how often we try; `random` spreads the attempts. `on_overrun` is called from another thread if the work has not
    ended when others are about to take over; it must end the process.

    Nothing helps against somebody who deletes a Lease that is held: a candidate that never saw it takes it at once.

    Raises:
        LeaseLost: it could not be renewed, or another holds it; the work was cancelled and has ended. Who is cancelled
            meanwhile raises CancelledError in place of it.
        Exception: what the work raises.
    """
    candidate = _Candidate(
        client, namespace, name, identity, terms=Terms(duration, renew, retry), clock=clock, random=random
    )
    await candidate.acquire()
    try:
        await candidate.hold(work, on_overrun)
    finally:
        await candidate.release()


class _Cancellation:
    """Whether the current task was asked to end since: a group whose task fails in that moment tells only the fault."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._asked = self._task.cancelling() if self._task else 0

    def check(self) -> None:
        """Raises CancelledError if it was."""
        if self._task and self._task.cancelling() > self._asked:
            raise asyncio.CancelledError


class _Candidate:
    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        *,
        terms: Terms,
        clock: Clock,
        random: Random | None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._random = random or Random()  # noqa: S311 - it spreads attempts, it guards nothing
        self._sight = Sight()
        self._sure = False
        """Whether `_sight` is what the server has, as far as we know; if so a renewal needs no look first."""
        self._renewed = float("-inf")
        metrics = client.metrics.leases
        self._leading = metrics.leading.labels(name)
        self._renewals = {result: metrics.renewals.labels(name, result) for result in ("success", "failure")}
        self._log = log.bind(lease=f"{namespace}/{name}", identity=identity)

    async def acquire(self) -> None:
        """Return once the lease is ours."""
        while True:
            try:
                async with asyncio.timeout(self._terms.renew):
                    if await self._attempt():
                        break
            except (KubeError, TimeoutError) as error:
                self._log.warning("lease not reached", error=str(error) or "no answer in time")
            await asyncio.sleep(self._drawn(1.0, 2.2))
        self._log.info("lease acquired")

    async def hold(self, work: Callable[[], Awaitable[None]], on_overrun: Callable[[], None]) -> None:
        """Do the work and renew meanwhile; the work has ended when this does."""
        self._leading.set(1)
        cancelled = _Cancellation()
        try:
            with watchdog(self._left(self._terms.last_resort), on_overrun) as dog:
                await self._work(work, dog)
        except BaseExceptionGroup as group:
            lost, others = group.split(LeaseLost)
            if lost is not None:
                self._log.error("lease lost, the work has ended", error=str(lost.exceptions[0]))
                cancelled.check()
                raise LeaseLost(str(lost.exceptions[0])) from others
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None
            raise
        finally:
            self._leading.set(0)

    async def _work(self, work: Callable[[], Awaitable[None]], dog: Watchdog) -> None:
        async with asyncio.TaskGroup() as group:
            # If the lease is lost, the group cancels the work and waits for it. If we are cancelled, the work is, and
            # the lease is renewed until it has ended.
            renewing = group.create_task(self._keep(dog), name="lease renewal")
            try:
                await work()
            finally:
                renewing.cancel()

    async def release(self) -> None:
        """Give the lease up, if it is ours and can be reached soon."""
        lease = self._sight.lease
        if lease is None or self._sight.holder != self._identity:
            return
        try:
            async with asyncio.timeout(self._terms.retry):
                await self._patch(lease, election.release(self._clock.utc()))
        except (KubeError, TimeoutError) as error:
            self._log.warning("lease not released, others wait for it", error=str(error) or "no answer in time")
        else:
            self._log.info("lease released")

    async def _keep(self, dog: Watchdog) -> None:
        while True:
            # Counted from the last renewal's start: a slow server gets the next at once.
            await asyncio.sleep(max(0.0, self._left(self._drawn(0.8, 1.2))))
            await self._renew()
            dog.put_off(self._left(self._terms.last_resort))

    async def _renew(self) -> None:
        """Return once renewed. Raises LeaseLost when the time for it is up, or another holds the lease."""
        fault = ""
        while (left := self._left(self._terms.renew)) > 0:
            try:
                async with asyncio.timeout(left):
                    if await self._attempt():
                        self._renewals["success"].inc()
                        return
            except (KubeError, TimeoutError) as error:
                fault = str(error) or "no answer in time"
                self._renewals["failure"].inc()
                self._log.warning("lease not renewed", error=fault)
                await asyncio.sleep(min(self._terms.retry / 2, max(self._left(self._terms.renew), 0.0)))
            if self._sight.holder not in ("", self._identity):
                raise LeaseLost(f"lease {self._name}: held by {self._sight.holder}")
        raise LeaseLost(f"lease {self._name}: not renewed for {self._terms.renew:g} s: {fault}")

    async def _attempt(self) -> bool:
        """Take or renew the lease once, if it is free to us; whether it is ours now."""
        began = self._clock.monotonic()
        if not self._sure:
            self._see(await self._look())
        if self._clock.monotonic() < self._sight.free_at:
            return False
        self._sure = False
        try:
            lease = await self._write(election.claim(self._sight.lease, self._identity, self._terms, self._clock.utc()))
        except (AlreadyExists, Conflict, NotFound):
            return False  # somebody was faster: look again
        self._see(lease)
        self._sure, self._renewed = True, began
        return self._left(self._terms.renew) > 0

    async def _look(self) -> Lease | None:
        try:
            async with self._patience():
                return await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return None

    def _see(self, lease: Lease | None) -> None:
        self._sight = self._sight.after(lease, self._clock.monotonic(), self._identity, self._terms)

    async def _write(self, spec: JSON) -> Lease:
        async with self._patience():
            if self._sight.lease is not None:
                return await self._patch(self._sight.lease, spec)
            body = {"metadata": {"name": self._name, "namespace": self._namespace}, "spec": spec}
            return await self._client.create(LEASES, body, self._namespace)

    async def _patch(self, lease: Lease, spec: JSON) -> Lease:
        body = {"metadata": election.unchanged(lease), "spec": spec}
        return await self._client.patch(LEASES, self._name, body, self._namespace)

    def _patience(self) -> asyncio.Timeout:
        """For one request: one that hangs must leave time for another."""
        return asyncio.timeout(self._terms.renew / 2)

    def _left(self, seconds: float) -> float:
        """How much is left of so many seconds since the last renewal."""
        return self._renewed + seconds - self._clock.monotonic()

    def _drawn(self, least: float, most: float) -> float:
        """The seconds between attempts, different each time so that candidates do not move in step."""
        return self._terms.retry * self._random.uniform(least, most)
