"""Pods a second of a real kube-scheduler on a real API server: its own volume plugins, *instead* of them, *beside*.

1,000 nodes, 1,000 pods with one bound CSI volume each, all there before the scheduler starts; the three in turn.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from bench import cluster
from bench.measure import Result, Stopwatch
from deploy.rbac import Mode
from kube.cache import Cache
from kube.client import Client, connect
from kube.config import load
from model.meta import JSON
from model.resources import CLAIMS, CLASSES, CSI_NODES, NAMESPACES, NODES, PODS, VOLUMES, Resource
from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import ControlPlane, control_plane
from tests.scheduling_live.components import installed

log = structlog.get_logger()

NODES_COUNT: Final = 1000
PODS_COUNT: Final = 1000
ROUNDS: Final = 3
AT_ONCE: Final = 32
CLIENT: Final = {"qps": 5000, "burst": 5000}
"""For the scheduler: its defaults, 50 a second, would be what is measured."""


async def run(folder: Path) -> list[Result]:
    """Rates of the three in every round, as ratios to the first."""
    rates: dict[str, list[float]] = {"in-tree": [], "instead": [], "beside": []}
    binaries = Binaries(say=log.info)
    kubectl = (await asyncio.to_thread(binaries.get, "kubectl")).path
    async with control_plane(folder / "plane", binaries) as plane, _admin(plane) as client:
        await _cluster(client)
        for number in range(ROUNDS):
            for how, done in rates.items():
                place = folder / f"{how}-{number}"
                place.mkdir()
                done.append(await _round(plane, kubectl, client, place, how))
    return [_compared(rates, how, aim) for how, aim in (("instead", 1.0), ("beside", 0.9))]


def _compared(rates: dict[str, list[float]], how: str, aim: float) -> Result:
    ratios = [ours / floor for ours, floor in zip(rates[how], rates["in-tree"], strict=True)]
    return Result(
        question=f"kube-scheduler, {NODES_COUNT:,} nodes, {PODS_COUNT:,} pods with a bound volume, {how} (aim {aim})",
        unit="pods/s",
        ours=statistics.median(rates[how]),
        floor=statistics.median(rates["in-tree"]),
        floor_is="its own volume plugins",
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
    )


async def _round(plane: ControlPlane, kubectl: Path, client: Client, folder: Path, how: str) -> float:
    namespace = f"{how}-{folder.name.rpartition('-')[2]}"
    await _work(client, namespace)
    async with _watched(client, namespace) as pods:
        if how == "in-tree":
            async with plane.scheduler({"clientConnection": CLIENT, "percentageOfNodesToScore": 100}):
                rate = await _rate(pods)
        else:
            mode = Mode(how)
            async with (
                installed(plane, kubectl, folder, mode) as lading,
                lading.running("extender", "--mode", how, "--log-level", "warning") as extender,
                plane.scheduler({**lading.scheduler_config(extender.url), "clientConnection": CLIENT}),
            ):
                rate = await _rate(pods)
    await _remove(client, namespace)
    return rate


async def _rate(pods: Cache[Any]) -> float:
    """Pods a second from the first that is placed to the last."""
    first, all_placed, count = asyncio.Event(), asyncio.Event(), 0

    def placed(old: Any, new: Any) -> None:
        nonlocal count
        if new is not None and new.spec.node_name and not (old and old.spec.node_name):
            count += 1
            first.set()
            if count == PODS_COUNT:
                all_placed.set()

    pods.subscribe(placed)
    async with asyncio.timeout(300):
        await first.wait()
        clock = Stopwatch()
        await all_placed.wait()
    return clock.rate(PODS_COUNT - 1)


@asynccontextmanager
async def _admin(plane: ControlPlane) -> AsyncIterator[Client]:
    async with connect(await load(plane.kubeconfig), user_agent="bench", field_manager="bench") as client:
        yield client


@asynccontextmanager
async def _watched(client: Client, namespace: str) -> AsyncIterator[Cache[Any]]:
    pods = Cache(client, PODS, namespace=namespace)
    task = asyncio.create_task(pods.run())
    try:
        await pods.wait_synced()
        yield pods
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _cluster(client: Client) -> None:
    """The nodes, with the CSI driver on each, and a class."""
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "250"}
    made = list[tuple[Resource[Any], JSON]]()
    for number in range(NODES_COUNT):
        labels = cluster.node(number)["metadata"]["labels"]
        name = cluster.node_name(number)
        made.append((NODES, {"metadata": {"name": name, "labels": labels}, "status": _status(amounts)}))
        driver = {"name": cluster.DRIVER, "nodeID": name, "allocatable": {"count": cluster.LIMIT}}
        made.append((CSI_NODES, {"metadata": {"name": name}, "spec": {"drivers": [driver]}}))
    waits: JSON = {"provisioner": cluster.DRIVER, "volumeBindingMode": "WaitForFirstConsumer"}
    made.append((CLASSES, {"metadata": {"name": "zonal"}, **waits}))
    await _all(client.create(resource, body) for resource, body in made)


def _status(amounts: JSON) -> JSON:
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}


async def _work(client: Client, namespace: str) -> None:
    """Pods whose claims are bound, as the binder would leave them."""
    await client.create(NAMESPACES, {"metadata": {"name": namespace}})
    await _all(_one(client, namespace, number) for number in range(PODS_COUNT))


async def _one(client: Client, namespace: str, number: int) -> None:
    name = f"{namespace}-{number}"
    volume = cluster.volume(number, cluster.Size(NODES_COUNT))["spec"]
    volume |= {"csi": {"driver": cluster.DRIVER, "volumeHandle": name}}
    claim = cluster.claim(number)
    claim["metadata"] = {"name": name, "annotations": claim["metadata"]["annotations"]}
    claim["spec"]["volumeName"] = name
    made = await client.create(CLAIMS, {"metadata": claim["metadata"], "spec": claim["spec"]}, namespace)
    await client.patch(CLAIMS, name, {"status": {"phase": "Bound"}}, namespace, subresource="status")
    volume["claimRef"] = {"namespace": namespace, "name": name, "uid": made.uid}
    await client.create(VOLUMES, {"metadata": {"name": name}, "spec": volume})
    await client.patch(VOLUMES, name, {"status": {"phase": "Bound"}}, subresource="status")
    requests = {"requests": {"cpu": "10m", "memory": "10Mi"}}
    mounts = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    spec = {"containers": [{"name": "app", "image": "app:1", "resources": requests}], "volumes": mounts}
    await client.create(PODS, {"metadata": {"name": name}, "spec": spec}, namespace)


async def _remove(client: Client, namespace: str) -> None:
    async def one(number: int) -> None:
        name = f"{namespace}-{number}"
        await client.delete(PODS, name, namespace, grace_seconds=0)
        bound: tuple[tuple[Resource[Any], str], ...] = (CLAIMS, namespace), (VOLUMES, "")
        for resource, where in bound:
            await client.patch(resource, name, {"metadata": {"finalizers": None}}, where)
            await client.delete(resource, name, where)

    await _all(one(number) for number in range(PODS_COUNT))


async def _all(work: Iterable[Any]) -> None:
    few = asyncio.Semaphore(AT_ONCE)

    async def bounded(each: Any) -> None:
        async with few:
            await each

    await asyncio.gather(*(bounded(each) for each in work))
