"""kube-scheduler with its own volume plugins, and the extender beside them: it filters, scores, and writes nothing."""

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.rbac import Mode
from model import names
from model.meta import JSON
from tests.controlplane.plane import ControlPlane
from tests.scheduling_live import workload
from tests.scheduling_live.api import Api
from tests.scheduling_live.cluster import faults, followed, placed, refusals
from tests.scheduling_live.components import installed
from tests.waiting import eventually

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.kubectl,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]

BINDER = "persistentvolume-binder-controller"
EACH = 4
"""Pods of each group that can be placed."""
POOL = "pool.csi.example.com"


async def test_pods_are_placed_as_ever_and_a_pool_is_not_overbooked(
    control_plane: ControlPlane, kubectl: Path, api: Api, tmp_path: Path
):
    await api.ensure_namespaces([workload.NAMESPACE])
    await api.create_all([*workload.nodes(), *workload.classes(), *_pool("3Gi")])
    await api.create_all(workload.volumes())
    made = [each for each in workload.pods() if each[0]["metadata"]["name"] in WANTED]
    async with (
        installed(control_plane, kubectl, tmp_path, Mode.BESIDE) as lading,
        lading.running("extender", "--mode", "beside") as extender,
        control_plane.controller_manager(BINDER),
        control_plane.scheduler(lading.scheduler_config(extender.url)),
        followed(control_plane) as caches,
    ):
        await api.create_all([each for pod, claims in made for each in (*claims, pod)])
        await eventually(lambda: placed(caches) == len(WANTED) - 1, within_seconds=60.0)
        assert faults(caches, workload.LIMITS) == []
        await _wish(api, "first")
        await eventually(lambda: _is_being_made(api, "first"))
        await _wish(api, "second")
        # Two of 2Gi are more than the pool's 3Gi, though its report does not say so yet.
        await eventually(lambda: _is_told(api, "second", "10 node(s) did not have enough free storage"))
        assert not await _is_being_made(api, "second")
        calls = await _calls(extender.url, lading.certs)
        assert calls["filter"] >= len(WANTED) - 1
        assert calls["prioritize"] >= 1
        assert calls["bind"] == calls["preempt"] == 0
        assert [each async for each in _written_by_lading(api)] == []


WANTED = {*(f"{group}-{number}" for group in ("named", "zonal", "disk") for number in range(EACH)), "large-0"}


def _pool(size: str) -> list[JSON]:
    """A driver that reports what it has: one pool that every node reaches."""
    storage: JSON = {"apiVersion": "storage.k8s.io/v1"}
    return [
        {**storage, "kind": "CSIDriver", "metadata": {"name": POOL}, "spec": {"storageCapacity": True}},
        {
            **storage,
            "kind": "StorageClass",
            "metadata": {"name": "pool"},
            "provisioner": POOL,
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        {
            **storage,
            "kind": "CSIStorageCapacity",
            "metadata": {"name": "everywhere", "namespace": workload.NAMESPACE},
            "storageClassName": "pool",
            "nodeTopology": {},
            "capacity": size,
        },
    ]


async def _wish(api: Api, name: str) -> None:
    """A pod that wants 2Gi of the pool."""
    pod, claims = workload.pod(name, "pool", [2])
    await api.create_all([*claims, pod])


async def _is_being_made(api: Api, name: str) -> bool:
    """Whether the scheduler has asked for the pod's volume."""
    claim = await api.get("PersistentVolumeClaim", workload.NAMESPACE, f"{name}-0")
    return claim is not None and names.SELECTED_NODE in claim["metadata"].get("annotations", {})


async def _is_told(api: Api, name: str, why: str) -> bool:
    return why in (await refusals(api, workload.NAMESPACE)).get(name, "")


async def _calls(url: str, certs: Path) -> dict[str, float]:
    """How often the extender was called, by verb; its metrics are for everybody."""
    trust = ssl.create_default_context(cafile=certs / "ca.crt")
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics", ssl=trust) as answer:
        families = text_string_to_metric_families(await answer.text())
        calls: dict[str, float] = {}
        for sample in (each for family in families for each in family.samples):
            if sample.name == "lading_extender_requests_total":
                calls[sample.labels["verb"]] = calls.get(sample.labels["verb"], 0) + sample.value
        return calls


async def _written_by_lading(api: Api) -> Any:
    """What the extender has ever written, by the fields that it manages."""
    for kind in ("Pod", "PersistentVolumeClaim", "PersistentVolume", "Node"):
        for obj in await api.all(kind):
            if any("lading" in entry["manager"] for entry in obj["metadata"].get("managedFields", ())):
                yield f"{kind} {obj['metadata']['name']}"
