"""Replicas of the extender in virtual time over one server: a network of moods between, caches that lag each by itself.

One replica binds; when it stops or dies the next takes over, with caches that have followed all the while.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from extender.bind import Binder, BindLimits
from extender.cached import snapshot_over
from extender.changes import Changes
from extender.lessons import Lessons
from extender.obtaining import Obtaining
from extender.reservations import Reservations
from extender.snapshot import SERVED_RULES
from extender.takeover import age_seconds, caught_up
from kube.caches import Caches
from kube.client import Client
from kube.errors import KubeError, ServerError, ServerTimeout, Unreachable
from kube.metrics import Metrics
from model.meta import Object
from model.resources import Resource
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Node, Pod
from tests.extender.tables import RESOURCES
from tests.extender.world import World

T = TypeVar("T")
MOODS = ("slow", "refused", "fails", "failed late", "late", "lost", "conflicts")
"""Of the way to the server: slow; nobody listens; an error, and nothing done; an error or no word, and done later or
at once; somebody else was faster."""
LEASE_SECONDS = 15.0
"""Until another takes over from one that died."""
LATEST_SECONDS = 10.0
"""Until a write is carried out of which its sender has given up hope."""


class Server(World):
    """What is true. Its own caches show it at once; those of followers when they will."""

    def __init__(self, judge: Callable[["Server"], None]) -> None:
        super().__init__()
        self.followers: list[Follower] = []
        self._judge = judge
        self._later: set[asyncio.Task[Any]] = set()

    @property
    def version(self) -> str:
        """Of the last write."""
        return str(self._version)

    def all(self, kind: str) -> list[Any]:
        """All objects of a kind, as they are now."""
        return list(getattr(self.caches, kind).values())

    async def list(self, resource: Resource[Any]) -> list[Object]:
        """For a client that lists."""
        return self.all(next(name for name, each in RESOURCES.items() if each is resource))

    def later(self, work: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> "asyncio.Task[T]":
        """Carry a request out after a while, whatever has become of its sender."""

        async def wait() -> T:
            await asyncio.sleep(seconds)
            return await work()

        task = asyncio.create_task(wait())
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        task.add_done_callback(lambda done: done.exception())
        return task

    def _tell(self, kind: str, show: Callable[[Caches], None]) -> None:
        super()._tell(kind, show)
        self._judge(self)
        for each in self.followers:
            each.tell(kind, show)


class Follower:
    """Caches of one process, which may lag behind the server, those of each kind by themselves."""

    def __init__(self, server: Server) -> None:
        self.caches = Caches(Client(None, Metrics(CollectorRegistry()), "test"))
        self._lagging: dict[str, int] = {}
        self._unseen: dict[str, list[Callable[[Caches], None]]] = {kind: [] for kind in RESOURCES}
        clock = asyncio.get_running_loop().time
        for kind in RESOURCES:
            cache = getattr(self.caches, kind)
            cache._clock = cache._store._clock = clock
            cache.replace(server.all(kind), version=server.version)
            cache.heard()
        server.followers.append(self)

    def tell(self, kind: str, show: Callable[[Caches], None]) -> None:
        """Something happened."""
        if self._lagging.get(kind):
            self._unseen[kind].append(show)
        else:
            show(self.caches)

    async def lag(self, kind: str, seconds: float) -> None:
        """Show nothing of the kind for so long."""
        self._lagging[kind] = self._lagging.get(kind, 0) + 1
        await asyncio.sleep(seconds)
        self._lagging[kind] -= 1
        if not self._lagging[kind]:
            unseen, self._unseen[kind] = self._unseen[kind], []
            for show in unseen:
                show(self.caches)


class Line:
    """One replica's writes on their way to the server."""

    def __init__(self, server: Server, moods: deque[str], random: Random) -> None:
        self._server, self._moods, self._random = server, moods, random
        self.cut = False

    async def pod(self, namespace: str, name: str) -> Pod:
        self._check()
        await asyncio.sleep(0.01)
        return await self._server.pod(namespace, name)

    async def node(self, name: str) -> Node:
        self._check()
        return await self._server.node(name)

    async def reserve(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
        return await self._send("volumes", volume.key, partial(self._server.reserve, volume, claim))

    async def select_node(self, claim: PersistentVolumeClaim, node: str | None) -> PersistentVolumeClaim:
        return await self._send("claims", claim.key, partial(self._server.select_node, claim, node))

    async def bind(self, pod: Pod, node: str) -> None:
        await self._send("pods", pod.key, partial(self._server.bind, pod, node))

    def _check(self) -> None:
        if self.cut:
            raise Unreachable("the process is dead")

    async def _send(self, kind: str, key: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._check()
        seconds = self._random.uniform(0.5, LATEST_SECONDS)
        match self._moods.popleft() if self._moods else "well":
            case "slow":
                answer = await asyncio.shield(self._server.later(call, seconds))
                await asyncio.sleep(seconds)
                return answer
            case "refused":
                raise Unreachable("nobody listens", sent=False)
            case "fails":
                raise ServerError(500)
            case "failed late":
                self._server.later(call, seconds)
                raise ServerTimeout(504)
            case "late":
                self._server.later(call, seconds)
                await asyncio.sleep(self._random.uniform(0, 2.0))
                raise Unreachable("no word")
            case "lost":
                with suppress(KubeError):
                    await call()
                raise Unreachable("no word")
            case "conflicts" if (kind, key) in self._server.objects:
                self._server.change(kind, key, lambda obj: obj["metadata"].setdefault("labels", {}).update(by="other"))
        return await asyncio.shield(self._server.later(call, self._random.uniform(0.0, 0.05)))


class Replica:
    """An extender's books and binder, without its HTTP side."""

    def __init__(self, server: Server, moods: deque[str], random: Random) -> None:
        self.follower = Follower(server)
        caches, clock = self.follower.caches, asyncio.get_running_loop().time
        self.reservations = Reservations(caches.pods, caches.claims, caches.volumes)
        self.snapshot = snapshot_over(caches, self.reservations, SERVED_RULES, clock)
        self.lessons = Lessons(clock)
        self._changes, self._server = Changes(), server
        for kind in ("pods", "nodes", "claims", "volumes"):
            getattr(caches, kind).subscribe(self._changes.handler(kind))
        self._line = Line(server, moods, random)
        self.binder: Binder | None = None
        """Once it leads."""
        self._task: asyncio.Task[None] | None = None

    async def lead(self, now: Callable[[], Any]) -> None:
        """Begin to bind, once the caches have caught up. `now` tells the date."""
        await caught_up(self._server, self.follower.caches)
        self.snapshot.ledger.recall(partial(age_seconds, now()))
        begun = asyncio.Event()
        self._task = asyncio.create_task(self._run(begun))
        await begun.wait()

    async def stop(self) -> None:
        """End as asked: what is under way ends first."""
        assert self._task is not None
        self.binder = None
        self._task.cancel()
        await asyncio.wait([self._task])
        self._server.followers.remove(self.follower)

    def kill(self) -> None:
        """End at once: what was sent is on its way, and nothing else will be sent."""
        assert self._task is not None
        self.binder, self._line.cut = None, True
        self._task.cancel()
        self._server.followers.remove(self.follower)

    async def _run(self, begun: asyncio.Event) -> None:
        caches = self.follower.caches
        obtaining = Obtaining(
            self.snapshot,
            self.reservations,
            self._changes,
            self._line,
            claims=caches.claims,
            volumes=caches.volumes,
            lessons=self.lessons,
        )
        async with asyncio.TaskGroup() as group:
            self.binder = Binder(
                self.snapshot,
                obtaining,
                self._changes,
                self._line,
                pods=caches.pods,
                spawn=group.create_task,
                limits=BindLimits(),
            )
            begun.set()
            await asyncio.Event().wait()
