"""The sandbox without HTTP, a client of it that may crash, lag or lose answers, and the controllers at work on both.

The client is the real one; only what carries its requests is another, so what is tested is what runs.
"""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
from prometheus_client import CollectorRegistry

from controllers.service import Controllers, cached
from controllers.settings import ControllerSettings
from controllers.table import ROWS
from kube.caches import Caches
from kube.client import Client
from kube.errors import KubeError, Status, from_status
from kube.events import EventRecorder
from kube.metrics import Metrics
from kube.transport import Request
from model import resources
from model.meta import JSON
from plugins.registry import Registry
from sandbox.api import Api
from sandbox.attributes import Call
from sandbox.deletion import DeleteOptions
from sandbox.errors import ApiError
from sandbox.http.target import Target, parse_target
from sandbox.listing import ListRequest
from sandbox.selection import read_selection
from sandbox.watching import WatchEvent, WatchRequest
from tests.controllers.api import KINDS, identity
from tests.controllers.at_work import AtWork
from tests.sandbox.world import api_server

SETTINGS = ControllerSettings(resync_seconds=1e6, batch_seconds=0.02, guarded=False, plugin_backoff_seconds=(0.01, 0.1))
MERGE = "application/merge-patch+json"


class CrashedError(KubeError):
    """The process is no more."""


class Direct:
    """Carries a client's requests into the server's verbs. It has the methods of `kube.transport.Transport`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.writes: list[str] = []
        """Method and path of every write that was done, events aside."""
        self.before: Callable[[Request], None] = lambda _: None
        """Called before each write: raise to let it fail."""
        self.after: Callable[[Request], None] = lambda _: None
        """Called after each write: raise to lose its answer."""
        self.lagging: set[str] = set()
        """Plural names of what the watches tell nothing of; `catch_up` ends it."""
        self._told = asyncio.Event()

    async def send(self, request: Request) -> bytes:
        try:
            target = parse_target(request.path, self._api.kinds)
        except ApiError as error:
            raise from_status(msgspec.convert(error.status(), Status)) from None
        is_write = request.method != "GET" and target.kind.kind not in ("Event", "Lease")
        if is_write:
            self.before(request)
        try:
            answer = await self._answer(request, target)
        except ApiError as error:
            raise from_status(msgspec.convert(error.status(), Status)) from None
        if is_write:
            self.writes.append(f"{request.method} {request.path.rsplit('/v1/')[1]}")
            self.after(request)
        return orjson.dumps(answer)

    def catch_up(self) -> None:
        """Let the watches tell all again."""
        self.lagging.clear()
        self._told.set()

    async def _up_to_date(self, plural: str) -> None:
        while plural in self.lagging:
            self._told.clear()
            await self._told.wait()

    async def _answer(self, request: Request, target: Target) -> JSON:
        key = (target.namespace, target.name)
        call = Call(manager=request.query.get("fieldManager", "test"))
        body = request.body or b"{}"
        match request.method:
            case "GET" if target.name:
                return self._api.get(target.kind, *key)
            case "GET":
                selection = _selection(request, target)
                listing = self._api.list(target.kind, ListRequest(selection))
                return {"metadata": listing.metadata, "items": [record.value for record in listing.records]}
            case "POST":
                return await self._api.create(target.kind, target.namespace, orjson.loads(body), call)
            case "PATCH":
                changed, _ = await self._api.patch(
                    target.kind, key, request.content_type, body, call, target.subresource
                )
                return changed
            case "DELETE":
                last, _ = await self._api.delete(target.kind, key, DeleteOptions.read(orjson.loads(body)), call)
                return last
        raise AssertionError(request)

    @asynccontextmanager
    async def stream(self, request: Request, silence_seconds: float) -> AsyncIterator[Any]:
        target = parse_target(request.path, self._api.kinds)
        streamed = request.query.get("sendInitialEvents") == "true"
        events = self._api.watch(
            target.kind,
            WatchRequest(
                _selection(request, target),
                version=request.query.get("resourceVersion", ""),
                match="NotOlderThan" if streamed else "",
                bookmarks=True,
                initial_events=True if streamed else None,
            ),
            time.monotonic,
        )
        try:
            yield Lines(events, functools.partial(self._up_to_date, target.kind.plural))
        finally:
            await events.aclose()


class Lines:
    """A watch as a stream of lines."""

    def __init__(self, events: AsyncGenerator[Any, None], up_to_date: Callable[[], Awaitable[None]]) -> None:
        self._events = events
        self._up_to_date = up_to_date
        self._batch: list[WatchEvent] = []

    async def readline(self) -> bytes:
        while not self._batch:
            try:
                self._batch = list(await anext(self._events))
            except StopAsyncIteration:
                return b""
        await self._up_to_date()
        return self._batch.pop(0).line


def _selection(request: Request, target: Target) -> Any:
    query = request.query
    return read_selection(target.kind, target.namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))


class World:
    """A server and what a test does to it as a user does."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.crashed = False

    async def create(self, *objects: JSON) -> None:
        """Create objects, their status too."""
        for obj in objects:
            kind, namespace, name = identity(obj)
            await self.api.create(self._kind(kind), namespace, {key: obj[key] for key in obj if key != "status"})
            if "status" in obj:
                await self.merge(kind, namespace, name, {"status": obj["status"]}, "status")

    async def merge(self, kind: str, namespace: str, name: str, change: JSON, subresource: str = "") -> None:
        """Merge a change in, as kubectl does."""
        call = Call(manager="kubectl")
        body = orjson.dumps(change)
        await self.api.patch(self._kind(kind), (namespace, name), MERGE, body, call, subresource)

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete as a user does."""
        await self.api.delete(self._kind(kind), (namespace, name), DeleteOptions())

    def get(self, kind: str, name: str, namespace: str = "") -> JSON:
        """An object as it is now; {} where there is none."""
        record = self.api.store.get(self._kind(kind).stored_resource, (namespace, name))
        return record.value if record else {}

    def claim(self, name: str, namespace: str = "default") -> JSON:
        """A claim as it is now."""
        return self.get("PersistentVolumeClaim", name, namespace)

    def volume(self, name: str) -> JSON:
        """A volume as it is now."""
        return self.get("PersistentVolume", name)

    def objects(self, kind: str) -> list[JSON]:
        """All objects of a kind."""
        return [record.value for record in self.api.store.records(self._kind(kind).stored_resource)]

    async def all(self, kind: str) -> list[JSON]:
        """The same for `AtWork`."""
        return self.objects(kind)

    def pairs(self) -> dict[str, str]:
        """Which claim names which volume, by key."""
        claims = self.objects("PersistentVolumeClaim")
        return {_key(each): each["spec"]["volumeName"] for each in claims if each["spec"].get("volumeName")}

    def reasons(self, name: str) -> set[str]:
        """The reasons of all events about objects of this name."""
        return {each["reason"] for each in self.objects("Event") if each["involvedObject"]["name"] == name}

    def state(self) -> dict[str, Any]:
        """All claims and volumes without what differs from run to run."""
        kinds = ("PersistentVolumeClaim", "PersistentVolume")
        return {f"{kind} {_key(each)}": _bare(each) for kind in kinds for each in self.objects(kind)}

    @asynccontextmanager
    async def standby(
        self,
        *names: str,
        settings: ControllerSettings = SETTINGS,
        plugins: Any = None,
        prepare: Callable[[Direct], None] = lambda _: None,
    ) -> AsyncIterator["Standby"]:
        """These controllers while the block runs, not at work yet; `prepare` may make their client fail."""
        transport = Direct(self.api)
        prepare(transport)
        registry = CollectorRegistry()
        client = Client(transport, Metrics(registry), "lading")  # type: ignore[arg-type]
        names = names or tuple(ROWS)
        tasks: list[asyncio.Task[Any]] = []

        @functools.cache
        def recorder(component: str) -> EventRecorder:
            made = EventRecorder(client, component)
            tasks.append(asyncio.create_task(made.run()))
            return made

        caches = Caches(client, cached(names))
        controllers = Controllers(client, caches, recorder, registry, names, plugins or Registry(), settings)
        tasks.append(asyncio.create_task(caches.run()))
        await caches.wait_synced()
        try:
            yield Standby(controllers, caches, transport, registry)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    @asynccontextmanager
    async def controllers(self, *names: str, **parts: Any) -> AsyncIterator["Running"]:
        """These controllers at work while the block runs."""
        async with self.standby(*names, **parts) as standby:
            controllers = standby.controllers
            loops = [loop for make in controllers._makers for loop in make().loops]
            work = AtWork(self, standby.caches, loops)  # type: ignore[arg-type]
            running = asyncio.create_task(controllers._runtime.run_loops([work.counted(loop) for loop in loops]))
            try:
                yield Running(controllers, work, standby.transport, standby.registry)
            finally:
                running.cancel()
                await asyncio.wait([running])

    def _kind(self, kind: str) -> Any:
        if kind == "Event":
            return self.api.kind("v1", "Event")
        return self.api.kind(KINDS[kind].api_version, kind)


@dataclass(frozen=True)
class Standby:
    """Controllers that are not at work."""

    controllers: Controllers
    caches: Caches
    transport: Direct
    registry: CollectorRegistry


class Running:
    """Controllers at work."""

    def __init__(self, controllers: Controllers, work: AtWork, transport: Direct, registry: CollectorRegistry) -> None:
        self.controllers = controllers
        self.work = work
        self.transport = transport
        self.registry = registry

    async def settle(self) -> None:
        """Return when nothing is left to do, even for a resync."""
        await self.work.settle()

    async def rest(self) -> None:
        """Return when nothing is left to do without one."""
        await self.work._rest()


@asynccontextmanager
async def world(*objects: JSON) -> AsyncIterator[World]:
    """A server with these objects."""
    async with api_server() as api:
        made = World(api)
        await made.create(*objects)
        yield made


async def settled(*objects: JSON, names: Iterable[str] = ()) -> World:
    """A server with these objects, after the controllers had nothing left to do."""
    async with world(*objects) as made:
        async with made.controllers(*names) as running:
            await running.settle()
        return made


def _key(obj: JSON) -> str:
    metadata = obj["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


_PASSING = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "deletionTimestamp", "generation")


def _bare(obj: JSON) -> JSON:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _PASSING}
    spec = dict(obj["spec"])
    if "claimRef" in spec:
        reference = spec["claimRef"]
        spec["claimRef"] = {"name": reference["name"], "has_uid": bool(reference.get("uid"))}
    status = {key: value for key, value in obj.get("status", {}).items() if key != "lastPhaseTransitionTime"}
    return {"metadata": metadata, "spec": spec, "status": status}


def namespace(name: str) -> JSON:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def storage_class(name: str, provisioner: str = "kubernetes.io/no-provisioner", **parts: Any) -> JSON:
    """A class of the binding mode Immediate, unless another is given."""
    kind = resources.CLASSES
    metadata = {"name": name, **parts.pop("metadata", {})}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata,
        "provisioner": provisioner,
        **parts,
    }
