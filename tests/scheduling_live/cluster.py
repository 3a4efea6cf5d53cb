"""What is in the cluster, followed by watches; and what must hold of it whatever happened."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from kube.caches import Caches
from kube.client import connect
from kube.config import load
from model.meta import JSON
from model.resources import CLAIMS, NODES, PODS, VOLUMES
from storage.topology import reachable
from tests.controlplane.plane import ControlPlane
from tests.scheduling_live.api import Api


@asynccontextmanager
async def followed(plane: ControlPlane) -> AsyncIterator[Caches]:
    """Pods, claims, volumes and nodes, while the block runs."""
    async with connect(await load(plane.kubeconfig)) as client:
        caches = Caches(client, (PODS, CLAIMS, VOLUMES, NODES))
        task = asyncio.create_task(caches.run())
        try:
            await caches.wait_synced()
            yield caches
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def placed(caches: Caches) -> int:
    """How many pods have a node."""
    return sum(bool(pod.spec.node_name) for pod in caches.pods.values())


async def refusals(api: Api, namespace: str) -> dict[str, str]:
    """The pods without a node, and why, in the scheduler's words."""
    return {
        pod["metadata"]["name"]: _refusal(pod)
        for pod in await api.all("Pod", namespace)
        if not pod["spec"].get("nodeName")
    }


def faults(caches: Caches, limits: dict[str, int]) -> list[str]:
    """What must not be: a volume of two claims, a pod before its volumes or away from them, a node above its limits."""
    return [*_shared(caches), *_out_of_reach(caches), *_overfull(caches, limits)]


def _shared(caches: Caches) -> list[str]:
    named = Counter(claim.spec.volume_name for claim in caches.claims.values() if claim.spec.volume_name)
    found = [f"{count} claims have volume {name}" for name, count in named.items() if count > 1]
    for volume in caches.volumes.values():
        reference = volume.spec.claim_ref
        claim = caches.claims.get(f"{reference.namespace}/{reference.name}") if reference and reference.uid else None
        if claim is not None and claim.spec.volume_name not in ("", volume.name):
            found.append(f"volume {volume.name} is reserved for claim {claim.key}, which has {claim.spec.volume_name}")
    return found


def _out_of_reach(caches: Caches) -> list[str]:
    found = []
    for pod in caches.pods.values():
        node = caches.nodes.get(pod.spec.node_name) if pod.spec.node_name else None
        for pod_volume in pod.volumes if node else ():
            claim = caches.claims.get(f"{pod.namespace}/{pod.claim_name(pod_volume)}")
            volume = caches.volumes.get(claim.spec.volume_name) if claim and claim.fully_bound else None
            if volume is None:
                found.append(f"pod {pod.key} is on {pod.spec.node_name} before its volume {pod_volume.name}")
            elif node and not reachable(volume, node.labels):
                found.append(f"pod {pod.key} is on {node.name}, which does not reach {volume.name}")
    return found


def _overfull(caches: Caches, limits: dict[str, int]) -> list[str]:
    held = defaultdict[tuple[str, str], set[str]](set)
    for pod in caches.pods.values():
        for pod_volume in pod.volumes if pod.spec.node_name else ():
            claim = caches.claims.get(f"{pod.namespace}/{pod.claim_name(pod_volume)}")
            volume = caches.volumes.get(claim.spec.volume_name) if claim else None
            if volume and volume.spec.csi:
                held[pod.spec.node_name, volume.spec.csi.driver].add(volume.spec.csi.volume_handle)
    return [
        f"node {node} has {len(handles)} volumes of {driver}"
        for (node, driver), handles in held.items()
        if len(handles) > limits[driver]
    ]


def _refusal(pod: JSON) -> str:
    conditions: list[dict[str, Any]] = pod["status"].get("conditions") or []
    told = (each for each in conditions if each["type"] == "PodScheduled" and each["status"] == "False")
    return next((str(each.get("message", "")) for each in told if each.get("reason") == "Unschedulable"), "")
