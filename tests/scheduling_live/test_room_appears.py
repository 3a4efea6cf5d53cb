"""A pod that nothing suited is placed when room appears, and nothing else happens in the cluster."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.rbac import Mode
from model import names
from model.meta import JSON
from tests.controlplane.plane import ControlPlane
from tests.scheduling_live import workload
from tests.scheduling_live.api import Api
from tests.scheduling_live.cluster import refusals
from tests.scheduling_live.components import installed
from tests.waiting import eventually

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.kubectl,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]

POOL = "pool.csi.example.com"


@pytest_asyncio.fixture(loop_scope="session")
async def scheduling(control_plane: ControlPlane, kubectl: Path, api: Api, tmp_path: Path) -> AsyncIterator[None]:
    await api.ensure_namespaces([workload.NAMESPACE])
    await api.sweep()
    async with (
        installed(control_plane, kubectl, tmp_path, Mode.INSTEAD) as lading,
        lading.running("extender", "--mode", "instead") as extender,
        control_plane.scheduler(lading.scheduler_config(extender.url)),
    ):
        yield


async def more_capacity(api: Api) -> None:
    await api.merge(_capacity("1Gi"), {"capacity": "5Gi"})


async def another_volume(api: Api) -> None:
    made = await api.create(next(each for each in workload.volumes() if each["metadata"]["name"] == "east-0"))
    await api.merge(made, {"status": {"phase": "Available"}}, "status")


@pytest.mark.parametrize(
    ("storage_class", "size", "appears", "write"),
    [
        pytest.param("pool", 2, more_capacity, names.SELECTED_NODE, id="room in a pool"),
        pytest.param("zonal-east", 1, another_volume, "claimRef", id="a volume"),
    ],
)
async def test_it_is_tried_again(
    api: Api, scheduling: None, storage_class: str, size: int, appears: Callable[[Api], Awaitable[None]], write: str
):
    await api.create_all([*workload.nodes(), *workload.classes(), *_pool(), _capacity("1Gi")])
    pod, claims = workload.pod("wants", storage_class, [size])
    await api.create_all([*claims, pod])
    await eventually(partial(_is_told, api), within_seconds=60.0)
    await appears(api)
    # The scheduler would come back by itself after five minutes.
    await eventually(partial(_is_written, api, write), within_seconds=60.0)


async def _is_told(api: Api) -> bool:
    return bool((await refusals(api, workload.NAMESPACE)).get("wants"))


async def _is_written(api: Api, write: str) -> bool:
    claim = await api.get("PersistentVolumeClaim", workload.NAMESPACE, "wants-0")
    volumes = await api.all("PersistentVolume")
    annotations = claim["metadata"].get("annotations", {}) if claim else {}
    return write in annotations or any(write in each["spec"] for each in volumes)


def _pool() -> list[JSON]:
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
    ]


def _capacity(size: str) -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIStorageCapacity",
        "metadata": {"name": "everywhere", "namespace": workload.NAMESPACE},
        "storageClassName": "pool",
        "nodeTopology": {},
        "capacity": size,
    }
