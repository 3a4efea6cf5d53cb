"""One cluster with one driver, its sidecar and nodes, for all tests of this folder: each cleans up what it made."""

from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from model.resources import CLASSES, SNAPSHOT_CLASSES
from plugins.csi.driver import Driver, reached
from tests.csi_live.cluster import Cluster, cluster
from tests.csi_live.objects import snapshot_class, storage_class
from tests.csi_live.programs import EVERYTHING, Program, hostpath, running, sidecar

NAME = "hostpath.csi.live"
KEY = f"topology.{NAME}/node"
NODE = "near"
FAR = "far"
"""A node without the driver."""
OFTEN = ("--capacity-poll-interval", "1", "--retry-interval-start", "0.2")


@dataclass(frozen=True)
class Live:
    """All that runs."""

    cluster: Cluster
    driver: Driver
    """A connection of our own to the driver, to see what it holds."""
    hostpath: Program
    sidecar: Program
    folder: Path

    def content(self, handle: str) -> Path:
        """The directory of a volume."""
        return self.folder / "state" / "volumes" / handle

    async def volumes(self) -> dict[str, tuple[int, list[str]]]:
        """The volumes that the driver holds, by handle: how large each is, and where it is attached."""
        return {
            entry.volume.volume_id: (entry.volume.capacity_bytes, list(entry.status.published_node_ids))
            async for entry in self.driver.controller.volumes()
        }

    async def snapshots(self) -> set[str]:
        """The handles of the snapshots that the driver holds."""
        return {each.snapshot_id async for each in self.driver.controller.snapshots()}


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def live(control_plane, kubectl, tmp_path_factory):
    folder = tmp_path_factory.mktemp("csi")
    async with cluster(control_plane, kubectl, folder) as made, made.granted(NAME) as kubeconfig:
        near = hostpath(folder, made.guard, "--driver-name", NAME, "--node-id", NODE)
        beside = sidecar(folder, made.guard, kubeconfig, *EVERYTHING, *OFTEN)
        async with (
            made.registered(NAME, {KEY: NODE}, NODE, storageCapacity=True),
            made.having(
                (CLASSES, storage_class("live", NAME)),
                (CLASSES, storage_class("late", NAME, volumeBindingMode="WaitForFirstConsumer")),
                (SNAPSHOT_CLASSES, snapshot_class("kept-while-wanted", NAME)),
            ),
            running(near),
            running(beside),
            reached(near.url, seconds=15.0) as driver,
        ):
            yield Live(made, driver, near, beside, folder)
