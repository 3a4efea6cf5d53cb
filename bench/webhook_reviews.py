"""Reviews of the webhooks: how many a second, and how long one takes, against a server that echoes the same bodies.

One process over TLS, with a cluster of 1,000 nodes and 4,000 volumes in its caches. The bodies are those of writes that
happen all the time: claims, provisioned volumes, updates by the binder, a class; half are normalized.
"""

import asyncio
import gc
import itertools
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from prometheus_client import CollectorRegistry

from bench import cluster
from bench.measure import Result, Stopwatch, compare, compare_times
from bench.servers import Target, floor, process
from certs.folder import FolderStore
from certs.issue import Server
from certs.issuing import ensure
from kube.caches import Caches
from kube.client import Client
from kube.metrics import Metrics
from lading import log
from model.meta import JSON
from serving.http import make_app
from serving.site import serve
from serving.tls import TLSFiles
from webhooks.facts import CACHED
from webhooks.service import DEADLINE_SECONDS, webhooks
from webhooks.wire import MAX_BODY_BYTES

NODES: Final = 1000
REVIEWS: Final = 3000
IN_FLIGHT: Final = 16
CALLS: Final = 1500
_ECHO: Final = "an aiohttp echo server"


async def run(folder: Path) -> list[Result]:
    """Many at a time, and one after another."""
    bodies = _bodies()
    async with _webhooks(folder) as ours, floor("echo", folder) as echo:
        question = f"admission reviews, {NODES:,} nodes"
        rate = await compare(
            f"{question}, {IN_FLIGHT} in flight",
            "reviews/s",
            lambda: _load(ours, bodies),
            lambda: _load(echo, bodies),
            _ECHO,
        )
        mine, theirs = await _times(ours, echo, bodies)
    return [rate, *compare_times(f"{question}, one at a time", mine, theirs, _ECHO)]


async def _load(target: Target, bodies: list[tuple[str, bytes]]) -> float:
    left = itertools.islice(itertools.cycle(bodies), REVIEWS)

    async def worker() -> None:
        for path, body in left:
            await _post(target, path, body)

    clock = Stopwatch()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return clock.rate(REVIEWS)


async def _times(ours: Target, echo: Target, bodies: list[tuple[str, bytes]]) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = [], []
    for path, body in itertools.islice(itertools.cycle(bodies), CALLS):
        for target, taken in zip((ours, echo), times, strict=True):
            began = time.perf_counter()
            await _post(target, path, body)
            taken.append(time.perf_counter() - began)
    return times


async def _post(target: Target, path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with target.session.post(target.url + path, data=body, headers=headers) as response:
        answer = await response.read()
        if response.status not in (200, 201):
            raise RuntimeError(f"{response.status}: {answer[:200].decode(errors='replace')}")


def _bodies() -> list[tuple[str, bytes]]:
    """Each of the writes, as both webhooks are asked about it."""
    size = cluster.Size(NODES)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **cluster.claim(1)}
    claim["metadata"]["name"] = "new"
    del claim["spec"]["volumeName"]
    messy = orjson.loads(orjson.dumps(claim))
    messy["spec"] |= {"accessModes": ["ReadWriteOnce", "ReadWriteOnce"]}
    messy["spec"]["resources"] = {"requests": {"storage": "1.1Gi"}}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", **cluster.volume(1, size)}
    volume["metadata"]["name"] = "new"
    volume["spec"]["csi"]["volumeHandle"] = " new "
    bound = {"apiVersion": "v1", "kind": "PersistentVolume", **cluster.volume(2, size)}
    freed = {**bound, "metadata": {**bound["metadata"], "annotations": {"a": "b"}}}
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "new"},
        "provisioner": cluster.DRIVER,
        "parameters": {"csi.storage.k8s.io/fsType": "xfs", "type": "ssd"},
    }
    writes: list[tuple[str, JSON, JSON | None]] = [
        ("CREATE", claim, None),
        ("CREATE", messy, None),
        ("CREATE", volume, None),
        ("UPDATE", freed, bound),
        ("CREATE", storage_class, None),
    ]
    return [(path, _review(*write)) for write in writes for path in ("/mutate", "/validate")]


def _review(operation: str, new: JSON, old: JSON | None) -> bytes:
    group, _, version = new["apiVersion"].rpartition("/")
    return orjson.dumps(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": group, "version": version, "kind": new["kind"]},
                "resource": {"group": group, "version": version, "resource": new["kind"].lower() + "s"},
                "name": new["metadata"]["name"],
                "namespace": new["metadata"].get("namespace", ""),
                "operation": operation,
                "userInfo": {"username": "bench", "groups": ["system:authenticated"]},
                "object": new,
                "oldObject": old,
                "dryRun": False,
                "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
            },
        }
    )


@asynccontextmanager
async def _webhooks(folder: Path) -> AsyncIterator[Target]:
    """The webhooks in a process of their own, and a session that trusts them."""
    await ensure(FolderStore(folder / "certs"), {"webhooks": Server(("127.0.0.1",))}, datetime.now(UTC))
    trusted = ssl.create_default_context(cafile=str(folder / "certs" / "ca.crt"))
    async with process("-m", "bench.webhook_reviews", str(folder), until="listening ", within_seconds=120) as line:
        connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Target(line.removeprefix("listening "), session)


async def main(folder: Path) -> None:
    """Serve until the process is ended: what a watch would fill is filled."""
    log.configure(level=log.LogLevel.WARNING)
    client: Any = Client(None, Metrics(), "bench")  # type: ignore[arg-type]  # nothing is sent
    caches = Caches(client, CACHED)
    service = webhooks(client, caches, CollectorRegistry())
    filled = cluster.objects(cluster.Size(NODES))
    for resource in CACHED:
        caches.of(resource).replace(filled[_CACHE_OF.get(resource.plural, resource.plural)])
        caches.of(resource).heard()
    gc.collect()
    gc.freeze()
    tls = TLSFiles(folder / "certs" / "webhooks.crt", folder / "certs" / "webhooks.key").server_context()
    app = make_app(service.routes(), max_body_bytes=MAX_BODY_BYTES, deadline_seconds=DEADLINE_SECONDS)
    async with serve(app, tls=tls) as url:
        print(f"listening {url}", flush=True)
        await asyncio.Event().wait()


_CACHE_OF: Final = {
    "persistentvolumeclaims": "claims",
    "persistentvolumes": "volumes",
    "storageclasses": "classes",
    "csinodes": "csi_nodes",
    "csidrivers": "csi_drivers",
    "csistoragecapacities": "capacities",
}

if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
