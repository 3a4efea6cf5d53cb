"""The extender over a cluster in memory: `python -m bench.extender_server NODES`. What a watch would fill is filled.

Prints `listening URL` and then answers; GET /events tells the time that watch events take into the indexes, GET
/memory the resident memory in MiB before and after the cluster was taken in, GET /cpu the seconds that it has computed.
"""

import asyncio
import gc
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from bench import cluster
from extender.service import Extender
from extender.writes import ApiWriter
from kube.caches import Caches
from kube.client import Client
from kube.metrics import Metrics
from lading import log
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Pod
from serving.http import make_app
from serving.site import serve


async def main(nodes: int) -> None:
    """Serve until the process is ended."""
    log.configure(level=log.LogLevel.WARNING)
    before = _resident_mib()
    client: Any = Client(None, Metrics(), "bench")  # type: ignore[arg-type]  # nothing is sent
    caches = Caches(client)
    extender = Extender(caches, ApiWriter(client), CollectorRegistry())
    size = cluster.Size(nodes)
    more = cluster.bound_elsewhere()
    for name, items in cluster.objects(size).items():
        getattr(caches, name).replace([*items, *more.get(name, ())])
        getattr(caches, name).heard()
    gc.collect()
    gc.freeze()
    app = make_app(extender.routes(), max_body_bytes=256 << 20, deadline_seconds=60.0)
    app.add_routes(
        [
            web.get("/events", lambda _: _answer(_event_micros(caches, extender, size))),
            web.get("/cpu", lambda _: _answer({"seconds": time.process_time()})),
            web.get("/memory", lambda _: _answer({"before": before, "after": _resident_mib()})),
        ]
    )
    running = asyncio.create_task(extender.run())
    async with serve(app) as url:
        await asyncio.sleep(0)  # lets the extender start, and count what it has
        extender.count()
        print(f"listening {url}", flush=True)
        await running


async def _answer(value: object) -> web.Response:
    return web.json_response(value)


def _event_micros(caches: Caches, extender: Extender, size: cluster.Size) -> dict[str, float]:
    """The median time of a pod's arrival on a node, and of an attachment's, with the node counted anew."""
    pods, attachments = list[float](), list[float]()
    for number in range(1000):
        name = f"late-{number}"
        claim, volume = _late(name, number)
        caches.claims.show(claim)
        caches.volumes.show(volume)
        bound = cluster.new_pod("none", number)
        bound["metadata"] |= {"name": name, "resourceVersion": str(10**9 + number)}
        bound["spec"] |= {"nodeName": cluster.node_name(number % size.nodes)}
        bound["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]
        pod = msgspec.convert(bound, Pod)
        pods.append(_timed(lambda pod=pod: caches.pods.show(pod), extender))
        old = next(iter(caches.attachments.by("node", cluster.node_name(number % size.nodes))))
        attachments.append(_timed(lambda old=old: caches.attachments.remove(old), extender))
    return {"pod bound": statistics.median(pods) * 1e6, "attachment": statistics.median(attachments) * 1e6}


def _late(name: str, number: int) -> tuple[PersistentVolumeClaim, PersistentVolume]:
    claim, volume = cluster.claim(number), cluster.volume(number, cluster.Size(3))
    claim["metadata"] |= {"name": name, "uid": f"uid-{name}"}
    claim["spec"]["volumeName"] = name
    volume["metadata"] |= {"name": name, "uid": f"uid-{name}"}
    volume["spec"]["csi"]["volumeHandle"] = name
    return msgspec.convert(claim, PersistentVolumeClaim), msgspec.convert(volume, PersistentVolume)


def _timed(change: Any, extender: Extender) -> float:
    began = time.process_time()
    change()
    extender.count()
    return time.process_time() - began


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
