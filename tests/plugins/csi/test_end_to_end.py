"""Claims of a CSI class get volumes of the driver: API server, controllers and driver together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from model import names
from plugins.registry import Registry, Settings
from tests.controllers.inprocess import Running, World, storage_class, world
from tests.controllers.manifests import claim
from tests.plugins.csi.hostpath import MI, driver
from tests.plugins.mounts import RecordedMounts

NAME = "hostpath.csi.lading"
KEY = f"topology.{NAME}/node"
LATE = storage_class("late", NAME, volumeBindingMode="WaitForFirstConsumer")
NODES = [
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}", "labels": {KEY: f"n{number}"}}}
    for number in (1, 2)
]


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[tuple[World, Running]]:
    plugins = Registry(Settings(csi={NAME: f"unix://{folder}/csi.sock"}))
    async with (
        driver(folder, RecordedMounts(), capacity_bytes=4 * MI),
        world(LATE, *NODES) as made,
        made.controllers(plugins=plugins) as running,
    ):
        yield made, running


def on(node: str, name: str = "c", size: str = "2Mi") -> dict[str, object]:
    annotations = {"annotations": {names.SELECTED_NODE: node}}
    return claim(name, size=size, storageClassName="late", metadata=annotations)


@pytest.fixture
def directories(tmp_path: Path) -> Path:
    return tmp_path / "state" / "volumes"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_claim_gets_a_volume_of_the_driver_and_both_go_together(tmp_path: Path, directories: Path) -> None:
    async with cluster(tmp_path) as (made, running):
        await made.create(on("node-1"))
        await running.settle()
        volume = made.volume(made.claim("c")["spec"]["volumeName"])
        assert volume["status"]["phase"] == "Bound"
        assert volume["spec"]["csi"]["driver"] == NAME
        terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert terms == [{"matchExpressions": [{"key": KEY, "operator": "In", "values": ["n1"]}]}]
        assert names_in(directories) == {volume["spec"]["csi"]["volumeHandle"]}
        await made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert made.objects("PersistentVolume") == []
        assert names_in(directories) == set()


@pytest.mark.parametrize(("node", "size"), [("node-2", "2Mi"), ("node-1", "5Mi")])
async def test_where_it_can_not_be_made_another_node_is_asked_for(tmp_path: Path, node: str, size: str) -> None:
    async with cluster(tmp_path) as (made, running):
        await made.create(on(node, size=size))
        await running.settle()
        assert names.SELECTED_NODE not in made.claim("c")["metadata"].get("annotations", {})
        assert "ProvisioningFailed" in made.reasons("c")
        assert made.objects("PersistentVolume") == []
