"""A driver's sidecar with no more than its role, on an API server that enforces it."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.rbac import Component, Names, Sidecar, roles
from kube.client import Client, connect
from kube.config import load
from kube.errors import Forbidden
from model import names
from model.meta import JSON
from model.resources import CAPACITIES, CONFIG_MAPS, SECRETS
from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.serving import bind
from tests.controllers.api import Api, connected
from tests.controllers.at_work import at_work, sidecar_at_work
from tests.controllers.csi.provisioner.cluster import NAME, STOCK, csi_node, node, wants
from tests.controllers.csi.provisioner.shelf import Shelf, reached
from tests.controllers.inprocess import storage_class
from tests.controllers.lifecycle.replay import swept
from tests.controlplane.plane import ControlPlane
from tests.plugins.csi.test_clients import Script
from tests.sandbox.kubectl.tool import Kubectl
from tests.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]

NAMES = Names("granted", "default")
RUN = ("csi-provisioner", "csi-capacity")
ROOM = pb.GetCapacityResponse(available_capacity=1 << 30)
LATE = storage_class("late", NAME, volumeBindingMode="WaitForFirstConsumer")


async def test_the_role_beside_a_driver_is_enough_and_no_more(
    control_plane: ControlPlane, kubectl: Path, tmp_path: Path
) -> None:
    admin = Kubectl(kubectl, control_plane.kubeconfig, tmp_path)
    manifests = roles(Component.CSI_SIDECAR, names=NAMES, beside=Sidecar(NAME, RUN))
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    await admin("apply", "-f", "-", stdin=text)
    try:
        account = await control_plane.kubeconfig_for_service_account("default", NAMES.sidecar(NAME))
        async with connected(control_plane.kubeconfig) as api, swept(api), connect(await load(account)) as client:
            await _works(api, control_plane.kubeconfig, account, tmp_path)
            await _is_forbidden(client)
    finally:
        await admin("delete", "-f", "-", stdin=text)
        await admin("delete", "csistoragecapacities,configmaps", "--all", "-n", "default")


async def _works(api: Api, owner: Path, account: Path, folder: Path) -> None:
    shelf = Shelf()
    more = [bind(wire.GET_CAPACITY, Script(ROOM))]
    async with (
        reached(
            folder, shelf, topology=True, seconds=10.0, more=more, calls=("CREATE_DELETE_VOLUME", "GET_CAPACITY")
        ) as driver,
        at_work(owner, api, STOCK),
        sidecar_at_work(account, api, driver, RUN),
        connect(await load(owner)) as client,
    ):
        for each in (LATE, node(1), csi_node(1), wants(storage="late", on="node-1")):
            await api.create(each)
        await eventually(lambda: _is_bound(api), within_seconds=60.0)
        await eventually(lambda: _is_told(client), within_seconds=60.0)
        await api.delete("PersistentVolumeClaim", "default", "c")
        await eventually(lambda: _is_gone(api, shelf), within_seconds=60.0)


async def _is_bound(api: Api) -> bool:
    claim: JSON = await api.get("PersistentVolumeClaim", "default", "c") or {}
    return names.BIND_COMPLETED in claim["metadata"].get("annotations", {})


async def _is_told(client: Client) -> bool:
    return [each.capacity for each in await client.list(CAPACITIES, "default")] == ["1Gi"]


async def _is_gone(api: Api, shelf: Shelf) -> bool:
    volumes: list[Any] = await api.all("PersistentVolume")
    return not volumes and not shelf.volumes


async def _is_forbidden(client: Client) -> None:
    with pytest.raises(Forbidden):
        await client.get(SECRETS, "s", "default")
    with pytest.raises(Forbidden):
        await client.get(CONFIG_MAPS, "another", "default")
    with pytest.raises(Forbidden):
        await client.list(CONFIG_MAPS, "default")
    with pytest.raises(Forbidden):
        await client.delete(CAPACITIES, "c", "kube-system")
