"""The binder among 50,000 bound claims and their volumes, with an API server that answers at once.

What a look at all of them asks of the server, and what a new claim costs, from its being shown until the first write
goes out: the indexes, the choice among the free volumes, the decision. No network, no server; the client is the real
one, and what carries its requests counts them.

`LADING_BENCH_QUIET` says how many are bound (default 50,000).
"""

import asyncio
import os
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import orjson
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bench.measure import Result
from controllers.service import Controllers, cached
from kube.caches import Caches
from kube.client import Client
from kube.events import EventRecorder
from kube.metrics import Metrics
from kube.transport import Request
from model import names
from model.meta import JSON
from model.volumes import PersistentVolume, PersistentVolumeClaim
from plugins.registry import Registry

BOUND: Final = int(os.environ.get("LADING_BENCH_QUIET", "50000"))
FREE: Final = 1000
"""Volumes that nobody has, of several sizes, for the new claims to choose among."""
NEW: Final = 300
WRITES: Final = 4
"""Of one binding."""
BINDER: Final = ("persistentvolume-binder-controller",)


class Answering:
    """Carries requests to objects that it keeps as they were written; has the methods of `kube.transport.Transport`."""

    def __init__(self) -> None:
        self.objects: dict[str, JSON] = {}
        """By the last part of their path."""
        self.began: list[float] = []
        """When each request came, in CPU seconds of this process."""
        self._came = asyncio.Event()
        self._version = 10**9

    async def send(self, request: Request) -> bytes:
        """The object after the patch."""
        self.began.append(time.process_time())
        self._came.set()
        assert request.method == "PATCH", request
        name = request.path.removesuffix("/status").rpartition("/")[2]
        obj = _merged(self.objects[name], orjson.loads(request.body or b"{}"))
        obj["metadata"]["resourceVersion"] = self.next_version()
        self.objects[name] = obj
        return orjson.dumps(obj)

    def next_version(self) -> str:
        """Later than all before."""
        self._version += 1
        return str(self._version)

    async def asked(self, count: int) -> None:
        """Return once so many requests have come."""
        while len(self.began) < count:
            self._came.clear()
            await self._came.wait()


async def run(_: Path) -> list[Result]:
    """What a look at all writes and costs, and what one new claim costs."""
    with capture_logs():
        return await _measured()


async def _measured() -> list[Result]:
    transport = Answering()
    registry = CollectorRegistry()
    client = Client(transport, Metrics(registry), "bench")  # type: ignore[arg-type]  # all of it that is used here
    caches = Caches(client, cached(BINDER))
    recorder = EventRecorder(client, "bench")
    binder = Controllers(client, caches, lambda _: recorder, registry, BINDER, Registry())
    free = {f"free-{number}": _volume(f"free-{number}", number) for number in range(FREE)}
    transport.objects.update(free)
    _fill(caches, free.values())
    began = time.process_time()
    task = asyncio.create_task(binder.run())
    await _passed(registry, 2 * BOUND + FREE)
    look = (time.process_time() - began) / BOUND * 1e6
    asked = len(transport.began)
    costs = [await _new_claim(caches, transport, number) for number in range(NEW)]
    task.cancel()
    await asyncio.wait([task])
    middle, worst = statistics.median(costs) * 1e6, sorted(costs)[NEW * 99 // 100] * 1e6
    among = f"a new claim among {BOUND:,} bound ones and {FREE:,} free volumes, CPU until its first write"
    every = f"a look at {BOUND:,} bound claims and their volumes"
    return [
        Result(f"{every}, requests (aim 0)", "requests", asked, BOUND, "one a claim", *[asked / BOUND] * 3),
        Result(f"{every}, CPU", "µs a claim", look, 1000, "a millisecond", *[look / 1000] * 3),
        Result(f"{among}, p50 (aim below 1)", "µs", middle, 1000, "a millisecond", *[middle / 1000] * 3),
        Result(f"{among}, p99", "µs", worst, 1000, "a millisecond", *[worst / 1000] * 3),
    ]


def _fill(caches: Caches, free: Iterable[JSON]) -> None:
    numbers = range(BOUND)
    volumes = [*map(_bound_volume, numbers), *free]
    caches.claims.replace([*map(_bound_claim, numbers)], version="1")
    caches.volumes.replace([msgspec.convert(each, PersistentVolume) for each in volumes], version="1")
    caches.classes.replace([], version="1")
    caches.pods.replace([], version="1")


async def _passed(registry: CollectorRegistry, count: int) -> None:
    """Return once so many passes have ended."""
    while True:
        families = [each for each in registry.collect() if each.name == "lading_controller_passes"]
        if sum(each.value for family in families for each in family.samples if each.name.endswith("_total")) >= count:
            return
        await asyncio.sleep(0.05)


async def _new_claim(caches: Caches, transport: Answering, number: int) -> float:
    """CPU seconds from when the claim is shown until the first write for it."""
    claim = _claim(f"new-{number}", number)
    claim["metadata"]["resourceVersion"] = transport.next_version()
    transport.objects[f"new-{number}"] = claim
    shown = msgspec.convert(claim, PersistentVolumeClaim)
    asked = len(transport.began)
    began = time.process_time()
    caches.claims.show(shown)
    await transport.asked(asked + WRITES)
    # As the watch does, so that own writes do not pile up.
    written = msgspec.convert(transport.objects[f"new-{number}"], PersistentVolumeClaim)
    caches.claims.show(written)
    caches.volumes.show(msgspec.convert(transport.objects[written.spec.volume_name], PersistentVolume))
    return transport.began[asked] - began


def _claim(name: str, number: int) -> JSON:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {**_like(number, "resources")}, "status": {"phase": "Pending"}}


def _volume(name: str, number: int) -> JSON:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    spec = {**_like(number, ""), "hostPath": {"path": f"/somewhere/{name}"}, "persistentVolumeReclaimPolicy": "Retain"}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Available"}}


def _bound_claim(number: int) -> PersistentVolumeClaim:
    claim = _claim(f"claim-{number}", number)
    claim["metadata"]["annotations"] = {names.BIND_COMPLETED: "yes"}
    claim["spec"]["volumeName"] = f"volume-{number}"
    size = claim["spec"]["resources"]["requests"]
    claim["status"] = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": size}
    return msgspec.convert(claim, PersistentVolumeClaim)


def _bound_volume(number: int) -> JSON:
    volume = _volume(f"volume-{number}", number)
    reference = {"namespace": "default", "name": f"claim-{number}", "uid": f"uid-claim-{number}"}
    volume["spec"]["claimRef"] = reference
    volume["status"]["phase"] = "Bound"
    return volume


def _like(number: int, what: str) -> JSON:
    """What claims and volumes agree in; sizes of 1 to 7 Gi."""
    size = {"storage": f"{number % 7 + 1}Gi"}
    sized = {"resources": {"requests": size}} if what else {"capacity": size}
    return {"accessModes": ["ReadWriteOnce"], "storageClassName": "", **sized}


def _merged(obj: JSON, change: JSON) -> JSON:
    merged = dict(obj)
    for key, value in change.items():
        if isinstance(value, dict):
            merged[key] = _merged(merged.get(key) or {}, value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged
