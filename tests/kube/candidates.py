"""Candidates for one lease in virtual time: a lease on a server, a network of moods between, clocks that disagree."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec

from kube.errors import AlreadyExists, Conflict, LeaseLost, NotFound, ServerError, Unreachable
from kube.lease import Clock, lead
from kube.metrics import Metrics
from model.csi import Lease
from model.meta import JSON


@dataclass
class LeaseServer:
    """One lease and its versions."""

    lease: JSON | None = None
    version: int = 0
    history: list[JSON] = field(default_factory=list)

    def get(self) -> Lease:
        if self.lease is None:
            raise NotFound(404)
        return msgspec.convert(self.lease, Lease)

    def create(self, body: JSON) -> Lease:
        if self.lease is not None:
            raise AlreadyExists(409)
        return self._store({"metadata": {**body["metadata"], "uid": f"uid-{self.version}"}, "spec": body["spec"]})

    def patch(self, body: JSON) -> Lease:
        if self.lease is None:
            raise NotFound(404)
        have, asked = self.lease["metadata"], body["metadata"]
        if (have["uid"], have["resourceVersion"]) != (asked["uid"], asked["resourceVersion"]):
            raise Conflict(409)
        return self._store({"metadata": dict(have), "spec": {**self.lease["spec"], **body["spec"]}})

    def _store(self, lease: JSON) -> Lease:
        self.version += 1
        lease["metadata"]["resourceVersion"] = str(self.version)
        self.lease = lease
        self.history.append(lease["spec"])
        return msgspec.convert(lease, Lease)


@dataclass
class Network:
    """One candidate's way to the server. Moods: `well`, `slow`, `down`, `refuses`, `hangs`, `swallows` (the request is
    carried out, the answer never comes), `late` (the request is carried out long after its sender gave up)."""

    server: LeaseServer
    mood: str = "well"
    seconds: float = 0.01
    late: set[asyncio.Task[None]] = field(default_factory=set)
    metrics: Metrics = field(default_factory=Metrics)

    async def get(self, resource: object, name: str, namespace: str) -> Lease:
        return await self._through(self.server.get, reads=True)

    async def create(self, resource: object, body: JSON, namespace: str) -> Lease:
        return await self._through(lambda: self.server.create(body))

    async def patch(self, resource: object, name: str, body: JSON, namespace: str) -> Lease:
        return await self._through(lambda: self.server.patch(body))

    async def _through(self, call: Callable[[], Lease], *, reads: bool = False) -> Lease:
        await asyncio.sleep(2.5 if self.mood == "slow" else self.seconds)
        match self.mood:
            case "down":
                raise Unreachable("down")
            case "refuses":
                raise ServerError(500)
            case "hangs":
                await asyncio.Event().wait()
            case "swallows" if not reads:
                with suppress(AlreadyExists, Conflict, NotFound):
                    call()
                await asyncio.Event().wait()
            case "late" if not reads:
                self.late.add(asyncio.create_task(_later(call)))
                await asyncio.Event().wait()
        answer = call()
        await asyncio.sleep(2.0 if self.mood == "slow" else self.seconds)
        return answer


async def _later(call: Callable[[], Lease]) -> None:
    await asyncio.sleep(12.0)
    with suppress(AlreadyExists, Conflict, NotFound):
        call()


@dataclass
class Floor:
    """Who works; never two."""

    working: set[str] = field(default_factory=set)
    story: list[str] = field(default_factory=list)
    most: int = 0

    def enter(self, name: str) -> None:
        self.working.add(name)
        self.most = max(self.most, len(self.working))
        self.story.append(f"{name} works")

    def leave(self, name: str) -> None:
        self.working.discard(name)
        self.story.append(f"{name} stopped")


@dataclass
class Candidate:
    """A process that wants the lease for ever. Its clocks have a start of their own, and the wrong date."""

    name: str
    server: LeaseServer
    floor: Floor
    offset: float = 0.0
    winding_down: float = 0.0
    """How long the work takes to end when cancelled."""
    network: Network = field(init=False)

    def __post_init__(self) -> None:
        self.network = Network(self.server)

    async def run(self) -> None:
        while True:
            with suppress(LeaseLost):
                await self.once()

    async def once(self, work: Callable[[], Awaitable[None]] | None = None) -> None:
        now = asyncio.get_running_loop().time
        clock = Clock(
            monotonic=lambda: now() + self.offset,
            utc=lambda: datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=now() + 1000 * self.offset),
        )
        await lead(
            self.network,
            "ns",
            "lease",
            self.name,
            work or self.work,
            clock=clock,
            random=Random(self.name),
            on_overrun=self.overrun,
        )

    async def work(self) -> None:
        self.floor.enter(self.name)
        try:
            await asyncio.Event().wait()
        finally:
            try:  # the loss of the lease and the end of the process may both cancel it
                await asyncio.sleep(self.winding_down)
            finally:
                self.floor.leave(self.name)

    def overrun(self) -> None:
        raise AssertionError("real time does not pass here")
