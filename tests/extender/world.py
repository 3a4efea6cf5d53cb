"""An API server in miniature for tests of binding: versions, preconditions, faults on demand, watches that may lag."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import aiohttp
import msgspec
from prometheus_client import CollectorRegistry

from extender.bind import BindLimits
from extender.service import Extender, ExtenderSettings
from extender.writes import claim_reference
from kube.caches import Caches
from kube.client import Client
from kube.errors import Conflict, NotFound
from kube.events import EventRecorder
from kube.metrics import Metrics
from model import names
from model.meta import JSON, Object
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Node, Pod
from serving.http import make_app
from serving.site import serve
from storage.binding import reserved_for
from tests.extender.tables import RESOURCES
from tests.waiting import eventually

T = TypeVar("T", bound=Object)


class World:
    """Objects as JSON, shown to the caches at once or, while `lagging`, when told."""

    def __init__(self, *, synced: bool = True) -> None:
        self.caches = Caches(Client(None, Metrics(CollectorRegistry()), "test"))  # type: ignore[arg-type] - no network
        self.objects: dict[tuple[str, str], JSON] = {}
        self.writes: list[str] = []
        """What was written, in order."""
        self.before: Callable[[str], None] = lambda _write: None
        """Called before each write: raise to let it fail."""
        self.after: Callable[[str], None] = lambda _write: None
        """Called after each write: raise to lose its answer."""
        self.lagging = False
        self._unseen: list[Callable[[], None]] = []
        self._version = 1000
        for name in RESOURCES if synced else ():
            getattr(self.caches, name).replace([])
            getattr(self.caches, name).heard()

    # --- what a test does ---

    def put(self, obj: JSON) -> JSON:
        """Create or replace an object."""
        kind = next(name for name, resource in RESOURCES.items() if resource.kind == obj["kind"])
        obj = copy.deepcopy(obj)
        self._version += 1
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(self._version)
        metadata.setdefault("uid", f"uid-{metadata['name']}")
        key = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]
        self.objects[kind, key] = obj
        view = msgspec.convert(obj, RESOURCES[kind].view, strict=False)
        self._tell(kind, lambda caches: getattr(caches, kind).show(view))
        return obj

    def change(self, kind: str, key: str, change: Callable[[JSON], None]) -> None:
        """Change an object as another writer would."""
        obj = copy.deepcopy(self.objects[kind, key])
        change(obj)
        self.put(obj)

    def remove(self, kind: str, key: str) -> None:
        """Delete an object."""
        obj = self.objects.pop((kind, key))
        self._version += 1
        gone = copy.deepcopy(obj)
        gone["metadata"]["resourceVersion"] = str(self._version)
        view = msgspec.convert(gone, RESOURCES[kind].view, strict=False)
        self._tell(kind, lambda caches: getattr(caches, kind).remove(view))

    def catch_up(self) -> None:
        """Let the watches show all that has happened."""
        self.lagging = False
        unseen, self._unseen = self._unseen, []
        for show in unseen:
            show()

    def bind_claim(self, claim: str, volume: str) -> None:
        """Do what the binder does once a volume is reserved or made for the claim."""

        def bound(obj: JSON) -> None:
            obj["spec"]["volumeName"] = volume
            obj["metadata"].setdefault("annotations", {})[names.BIND_COMPLETED] = "yes"
            obj["status"] = {"phase": "Bound"}

        self.change("claims", claim, bound)

    def view(self, kind: str, key: str) -> Any:
        """An object as its view."""
        return msgspec.convert(self.objects[kind, key], RESOURCES[kind].view, strict=False)

    # --- extender.writes.Writer ---

    async def pod(self, namespace: str, name: str) -> Pod:
        return self._get("pods", f"{namespace}/{name}", Pod)

    async def node(self, name: str) -> Node:
        return self._get("nodes", name, Node)

    async def reserve(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
        def reserved(obj: JSON) -> None:
            if not reserved_for(volume, claim):
                obj["metadata"].setdefault("annotations", {})[names.BOUND_BY_CONTROLLER] = "yes"
            obj["spec"]["claimRef"] = msgspec.to_builtins(claim_reference(claim))

        return self._write(f"reserve {volume.name}", "volumes", volume, reserved)

    async def select_node(self, claim: PersistentVolumeClaim, node: str | None) -> PersistentVolumeClaim:
        def selected(obj: JSON) -> None:
            annotations = obj["metadata"].setdefault("annotations", {})
            annotations.pop(names.SELECTED_NODE, None)
            if node is not None:
                annotations[names.SELECTED_NODE] = node

        return self._write(f"select {claim.name}", "claims", claim, selected)

    async def bind(self, pod: Pod, node: str) -> None:
        def bound(obj: JSON) -> None:
            if obj["metadata"]["uid"] != pod.uid or obj["spec"].get("nodeName"):
                raise Conflict(409, "Conflict", "the pod is assigned or another one")
            obj["spec"]["nodeName"] = node

        shown = self._get("pods", pod.key, Pod)
        self._write(f"bind {pod.name}", "pods", shown, bound)

    def _get(self, kind: str, key: str, view: type[T]) -> T:
        if (kind, key) not in self.objects:
            raise NotFound(404, "NotFound", f'{kind} "{key}" not found')
        return msgspec.convert(self.objects[kind, key], view, strict=False)

    def _write(self, write: str, kind: str, seen: T, change: Callable[[JSON], None]) -> T:
        self.before(write)
        if self._get(kind, seen.key, type(seen)).metadata.resource_version != seen.metadata.resource_version:
            raise Conflict(409, "Conflict", f"{kind} {seen.key}: the object has been modified")
        self.change(kind, seen.key, change)
        self.writes.append(write)
        self.after(write)
        return self._get(kind, seen.key, type(seen))

    def _tell(self, kind: str, show: Callable[[Caches], None]) -> None:
        if self.lagging:
            self._unseen.append(partial(show, self.caches))
        else:
            show(self.caches)


class Caller:
    """Calls an extender as kube-scheduler does."""

    def __init__(self, session: aiohttp.ClientSession, url: str, registry: CollectorRegistry) -> None:
        self._session = session
        self._registry = registry
        self.url = url

    def metric(self, name: str, **labels: str) -> float | None:
        """A metric of the extender."""
        return self._registry.get_sample_value(name, labels)

    async def post(self, verb: str, body: object) -> tuple[int, Any]:
        """Status and JSON of a call."""
        async with self._session.post(f"{self.url}/{verb}", json=body) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        async with self._session.get(f"{self.url}/{path}") as response:
            return response.status, await response.json()

    async def send(self, verb: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON of a call with any body."""
        async with self._session.post(f"{self.url}/{verb}", data=body) as response:
            return response.status, await response.json()

    async def filter(self, pod: JSON, nodes: list[str]) -> JSON:
        """Filter by names."""
        return await self._filter({"Pod": pod, "Nodes": None, "NodeNames": nodes})

    async def filter_whole(self, pod: JSON, nodes: list[JSON]) -> JSON:
        """Filter by whole nodes, as a scheduler sends them to an extender that keeps no nodes."""
        return await self._filter({"Pod": pod, "Nodes": {"metadata": {}, "items": nodes}, "NodeNames": None})

    async def prioritize(self, pod: JSON, nodes: list[str]) -> dict[str, int]:
        """Scores by node."""
        status, answer = await self.post("prioritize", {"Pod": pod, "Nodes": None, "NodeNames": nodes})
        assert status == 200, answer
        assert isinstance(answer, list)
        return {each["Host"]: each["Score"] for each in answer}

    async def _filter(self, body: JSON) -> JSON:
        status, answer = await self.post("filter", body)
        assert status == 200, answer
        assert isinstance(answer, dict)
        return answer

    async def bind(self, pod: JSON, node: str, *, uid: str = "") -> str:
        """Bind; the error, "" for none."""
        metadata = pod["metadata"]
        body = {
            "PodName": metadata["name"],
            "PodNamespace": metadata["namespace"],
            "PodUID": uid or metadata["uid"],
            "Node": node,
        }
        status, answer = await self.post("bind", body)
        assert status == 200, answer
        error = answer["Error"]
        assert isinstance(error, str)
        return error


@asynccontextmanager
async def running(
    world: World,
    *,
    heals: bool = True,
    adopts: bool = False,
    recorder: EventRecorder | None = None,
    ready: bool = True,
    **limits: float,
) -> AsyncIterator[Caller]:
    """An extender over the world, on a free port; from when it answers, unless it need not be `ready`."""
    registry = CollectorRegistry()
    settings = ExtenderSettings(bind=BindLimits(**limits), heals=heals, adopts=adopts)
    service = Extender(world.caches, world, registry, recorder=recorder, settings=settings)
    app = make_app(service.routes(), max_body_bytes=64 << 20, deadline_seconds=60.0)
    task = asyncio.create_task(service.run())
    try:
        async with serve(app, drain_seconds=0.1) as url, aiohttp.ClientSession() as session:
            await eventually(lambda: service.complaint() is None or not ready)
            yield Caller(session, url, registry)
    finally:
        task.cancel()
        await asyncio.wait([task])
