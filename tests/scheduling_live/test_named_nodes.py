"""Pods that name their node themselves: no scheduler runs, and their storage is made there all the same."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from deploy.rbac import Mode
from kube.caches import Caches
from model.meta import JSON
from tests.controlplane.plane import ControlPlane
from tests.sandbox.kubectl.tool import Kubectl
from tests.scheduling_live import workload
from tests.scheduling_live.api import Api
from tests.scheduling_live.cluster import followed
from tests.scheduling_live.components import installed
from tests.waiting import eventually

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.kubectl,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]


async def test_their_storage_is_there_or_they_are_told_why_not(
    control_plane: ControlPlane, kubectl: Path, api: Api, tmp_path: Path
):
    await api.ensure_namespaces([workload.NAMESPACE])
    await api.create_all([*workload.nodes(), *workload.classes()])
    await api.create_all(each for each in workload.volumes() if each["metadata"]["name"].startswith("east-"))
    admin = Kubectl(kubectl, control_plane.kubeconfig, tmp_path, workload.NAMESPACE)
    storage = ("--host-path-root", str(tmp_path / "storage"))
    async with (
        installed(control_plane, kubectl, tmp_path, Mode.INSTEAD) as lading,
        lading.running("controllers", "--mode", "instead", "--no-leader-elect", *storage),
        lading.running("extender", "--mode", "instead"),
        followed(control_plane) as caches,
    ):
        await _create(api, "made", "made", [1, 2], node="west-1")
        await _create(api, "free", "zonal-east", [2], node="east-3")
        await _create(api, "away", "zonal-east", [1], node="west-2")
        for claim in ("made-0", "made-1", "free-0"):
            await eventually(partial(_is_bound, caches, claim), within_seconds=60.0)
        taken = caches.volumes.get(caches.claims.get(f"{workload.NAMESPACE}/free-0").spec.volume_name)
        assert (taken.name.partition("-")[0], taken.spec.capacity["storage"]) == ("east", "2Gi")
        message = await eventually(partial(_told, admin, "away"), within_seconds=60.0)
        assert message.startswith(
            "the pod names node west-2, which can not have its storage: "
            "node(s) didn't find available persistent volumes to bind"
        )
        assert not _is_bound(caches, "away-0")
        assert await _told(admin, "made") == ""


async def _create(api: Api, name: str, storage_class: str, sizes: list[int], *, node: str) -> None:
    pod, claims = workload.pod(name, storage_class, sizes)
    pod["spec"]["nodeName"] = node
    await asyncio.gather(*map(api.create, [pod, *claims]))


def _is_bound(caches: Caches, claim: str) -> bool:
    found = caches.claims.get(f"{workload.NAMESPACE}/{claim}")
    return found is not None and found.fully_bound


async def _told(admin: Kubectl, pod: str) -> str:
    """What the extender's event on the pod says."""
    events: list[JSON] = (await admin.get("events"))["items"]
    told = (each for each in events if each["reason"] == "FailedPlacement" and each["involvedObject"]["name"] == pod)
    return next((str(each["message"]) for each in told), "")
