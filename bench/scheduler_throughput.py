"""Pods a second of a real kube-scheduler on a real API server: its own volume plugins, *instead* of them, *beside*.

1,000 nodes, 1,000 pods with one bound CSI volume each, all there before the scheduler starts; the three in turn, and
the claims and volumes the same for all. Counted from the first pod that is placed to the last, so that no start-up is
among it; pods that are not placed within a minute count as not placed.

`LADING_BENCH_PODS` says how many pods (default 1,000), `LADING_BENCH_ROUNDS` how often (default 3).
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from bench import cluster
from bench.claims import all_of
from bench.measure import Result
from deploy.rbac import Mode
from kube.cache import Cache
from kube.client import Client, connect
from kube.config import load
from model.meta import JSON
from model.resources import CLAIMS, CLASSES, CSI_NODES, NAMESPACES, NODES, PODS, VOLUMES
from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import ControlPlane, control_plane
from tests.scheduling_live.components import Installed, installed

log = structlog.get_logger()

NODES_COUNT: Final = 1000
PODS_COUNT: Final = int(os.environ.get("LADING_BENCH_PODS", "1000"))
ROUNDS: Final = int(os.environ.get("LADING_BENCH_ROUNDS", "3"))
NAMESPACE: Final = "throughput"
PLACED_SECONDS: Final = 60.0
"""Patience with one round."""
MADE_SECONDS: Final = 120.0
"""Patience with making or removing objects."""
CLIENT: Final = {"qps": 5000, "burst": 5000}
"""For the scheduler: its defaults, 50 a second, would be what is measured."""
NO_FINALIZERS: Final = (
    "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,StorageObjectInUseProtection",
)
"""Nobody is there to take them off."""


@dataclass(frozen=True)
class Round:
    """What one way to schedule did."""

    placed: int
    rate: float
    """Pods a second."""
    scheduler_cpu: float
    """Milliseconds of the scheduler's process, a pod."""
    extender_cpu: float
    """The same of the extender's, where there is one."""
    server_cpu: float
    """The same of the API server and etcd."""


async def run(folder: Path) -> list[Result]:
    """Rates of the three in every round, as ratios to the first."""
    binaries = Binaries(say=log.info)
    kubectl = (await asyncio.to_thread(binaries.get, "kubectl")).path
    async with (
        control_plane(folder / "plane", binaries, more=NO_FINALIZERS) as plane,
        connect(await load(plane.kubeconfig), user_agent="bench", field_manager="bench") as client,
        AsyncExitStack() as stack,
    ):
        lading = dict[str, Installed]()
        for mode in (Mode.BESIDE, Mode.INSTEAD):  # the same names: the roles that may more come last
            (place := folder / mode).mkdir()
            lading[mode] = await stack.enter_async_context(installed(plane, kubectl, place, mode))
        await _within(MADE_SECONDS, "nodes", _nodes(client))
        await _within(MADE_SECONDS, "claims and volumes", _volumes(client))
        rounds: dict[str, list[Round]] = {how: [] for how in ("in-tree", "instead", "beside")}
        for number in range(ROUNDS):
            for how, done in rounds.items():
                done.append(await _round(plane, client, lading.get(how), how))
                log.info("round", number=number + 1, of=ROUNDS, how=how, **_rounded(done[-1]))
    return [_compared(rounds, how, aim) for how, aim in (("instead", 1.0), ("beside", 0.9))]


def _rounded(done: Round) -> dict[str, float]:
    return {name: round(value, 2) for name, value in vars(done).items()}


def _compared(rounds: dict[str, list[Round]], how: str, aim: float) -> Result:
    ours, floor = ([each.rate for each in rounds[name]] for name in (how, "in-tree"))
    ratios = [mine / theirs for mine, theirs in zip(ours, floor, strict=True)]
    return Result(
        question=f"kube-scheduler, {NODES_COUNT:,} nodes, {PODS_COUNT:,} pods with a bound volume, {how} (aim {aim})",
        unit="pods/s",
        ours=statistics.median(ours),
        floor=statistics.median(floor),
        floor_is="its own volume plugins",
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
    )


async def _round(plane: ControlPlane, client: Client, lading: Installed | None, how: str) -> Round:
    await _within(MADE_SECONDS, "pods", _pods(client))
    try:
        async with _placed(client) as times, _scheduled(plane, lading, how) as (scheduler, extender):
            await times.count(1)
            cpu = _cpu((scheduler,)), _cpu(extender), _cpu(server.pid for server in plane.servers)
            await times.count(PODS_COUNT)
            after = _cpu((scheduler,)), _cpu(extender), _cpu(server.pid for server in plane.servers)
            spent = [1000 * (now - then) / len(times.seen) for now, then in zip(after, cpu, strict=True)]
            seconds = max(times.seen[-1] - times.seen[0], 1e-3)
            return Round(len(times.seen), (len(times.seen) - 1) / seconds, *spent)
    finally:
        await _within(MADE_SECONDS, "removal of pods", _gone(client))


class Placed:
    """When pods were placed, on the clock of `time.perf_counter`, in order."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self._changed = asyncio.Event()
        self._ends = time.perf_counter() + PLACED_SECONDS

    def on_pod(self, old: Any, new: Any) -> None:
        """A cache's handler."""
        if new is not None and new.spec.node_name and not (old and old.spec.node_name):
            self.seen.append(time.perf_counter())
            self._changed.set()

    async def count(self, wanted: int) -> None:
        """Return when so many are placed, or the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._ends - time.perf_counter()):
                while len(self.seen) < wanted:
                    self._changed.clear()
                    await self._changed.wait()
        if not self.seen:
            raise RuntimeError(f"no pod was placed within {PLACED_SECONDS:g} s")


@asynccontextmanager
async def _placed(client: Client) -> AsyncIterator[Placed]:
    placed, pods = Placed(), Cache(client, PODS, namespace=NAMESPACE)
    pods.subscribe(placed.on_pod)
    task = asyncio.create_task(pods.run())
    try:
        await pods.wait_synced()
        yield placed
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def _scheduled(plane: ControlPlane, lading: Installed | None, how: str) -> AsyncIterator[tuple[int, list[int]]]:
    """The pids of the scheduler, and of the extender where it has one."""
    if lading is None:
        async with plane.scheduler({"clientConnection": CLIENT, "percentageOfNodesToScore": 100}) as scheduler:
            yield scheduler.pid, []
    else:
        async with (
            lading.running("extender", "--mode", how, "--log-level", "warning") as extender,
            plane.scheduler({**lading.scheduler_config(extender.url), "clientConnection": CLIENT}) as scheduler,
        ):
            yield scheduler.pid, [extender.pid]


def _cpu(pids: Iterable[int]) -> float:
    """Seconds that processes have computed."""
    fields = (Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split() for pid in pids)
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


async def _within(seconds: float, what: str, work: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            began = time.perf_counter()
            await work
    except TimeoutError:
        raise RuntimeError(f"{what}: not done within {seconds:g} s") from None
    log.info("done", what=what, seconds=round(time.perf_counter() - began, 1))


async def _nodes(client: Client) -> None:
    """The nodes, with the CSI driver on each, a class, and a namespace."""
    waits: JSON = {"provisioner": cluster.DRIVER, "volumeBindingMode": "WaitForFirstConsumer"}
    await client.create(CLASSES, {"metadata": {"name": "zonal"}, **waits})
    await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    await all_of(_node(client, number) for number in range(NODES_COUNT))


async def _node(client: Client, number: int) -> None:
    name, labels = cluster.node_name(number), cluster.node(number)["metadata"]["labels"]
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "250"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
    await client.create(NODES, {"metadata": {"name": name, "labels": labels}, "status": status})
    driver = {"name": cluster.DRIVER, "nodeID": name, "allocatable": {"count": cluster.LIMIT}}
    await client.create(CSI_NODES, {"metadata": {"name": name}, "spec": {"drivers": [driver]}})


async def _volumes(client: Client) -> None:
    """Claims that are bound, as far as any filter looks: no phase is among it."""
    await all_of(_volume(client, number) for number in range(PODS_COUNT))


async def _volume(client: Client, number: int) -> None:
    claim, volume = cluster.claim(number), cluster.volume(number, cluster.Size(NODES_COUNT))
    name, wanted = claim["metadata"]["name"], {**claim["spec"], "volumeName": volume["metadata"]["name"]}
    annotations = claim["metadata"]["annotations"]
    made = await client.create(
        CLAIMS, {"metadata": {"name": name, "annotations": annotations}, "spec": wanted}, NAMESPACE
    )
    volume["spec"]["claimRef"] = {"namespace": NAMESPACE, "name": name, "uid": made.uid}
    await client.create(VOLUMES, {"metadata": {"name": volume["metadata"]["name"]}, "spec": volume["spec"]})


async def _pods(client: Client) -> None:
    await all_of(_pod(client, number) for number in range(PODS_COUNT))


async def _pod(client: Client, number: int) -> None:
    requests = {"requests": {"cpu": "10m", "memory": "10Mi"}}
    mounts = [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-{number}"}}]
    spec = {"containers": [{"name": "app", "image": "app:1", "resources": requests}], "volumes": mounts}
    await client.create(PODS, {"metadata": {"name": f"pod-{number}"}, "spec": spec}, NAMESPACE)


async def _gone(client: Client) -> None:
    await all_of(client.delete(PODS, f"pod-{number}", NAMESPACE, grace_seconds=0) for number in range(PODS_COUNT))
