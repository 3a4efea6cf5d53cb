"""A server, the binder and its companions, and the provisioner beside a driver: all in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from controllers.csi.settings import SidecarSettings
from model import names
from model.meta import JSON
from plugins.csi.driver import Driver, reached
from tests.controllers.csi.beside import SETTINGS, Running, beside
from tests.controllers.inprocess import Direct, World, storage_class
from tests.controllers.inprocess import Running as Stock
from tests.controllers.manifests import claim
from tests.plugins.csi.hostpath import driver as hostpath
from tests.plugins.mounts import RecordedMounts

PATIENT = replace(SETTINGS, backoff_seconds=(60.0, 60.0))
"""What fails is tried again when all else rests: for what never succeeds."""
NAME = "hostpath.csi.lading"
KEY = f"topology.{NAME}/node"
STOCK = (
    "persistentvolume-binder-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
)
FAST = storage_class("fast", NAME)
LATE = storage_class("late", NAME, volumeBindingMode="WaitForFirstConsumer")
KEPT = storage_class("kept", NAME, reclaimPolicy="Retain")
CLASSES = (FAST, LATE, KEPT)


def node(number: int, **labels: str) -> JSON:
    """A node that the driver with this node id runs on."""
    metadata = {"name": f"node-{number}", "labels": {KEY: f"n{number}", **labels}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}


def csi_node(number: int, *keys: str, driver: str = NAME) -> JSON:
    """What kubelet writes down of the driver there."""
    registered = {"name": driver, "nodeID": f"n{number}", "topologyKeys": list(keys or (KEY,))}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": f"node-{number}"},
        "spec": {"drivers": [registered]},
    }


NODES = (node(1), csi_node(1), node(2), csi_node(2))


def wants(name: str = "c", storage: str = "fast", *, on: str = "", size: str = "1Mi", **spec: Any) -> JSON:
    """A claim of a class, on a node if one is selected."""
    annotations = {names.SELECTED_NODE: on} if on else {}
    return claim(name, size=size, storageClassName=storage, metadata={"annotations": annotations}, **spec)


@dataclass
class Cluster:
    """All of it, and what users do to it."""

    made: World
    stock: Stock
    sidecar: Running
    folder: Path

    async def settle(self) -> None:
        """Return when nobody has anything left to do."""
        before: Any = None
        while before != (now := self._versions()):
            before = now
            await self.stock.settle()
            await self.sidecar.settle()

    def _versions(self) -> list[tuple[str, str]]:
        kinds = ("PersistentVolumeClaim", "PersistentVolume")
        found = [each["metadata"] for kind in kinds for each in self.made.objects(kind)]
        return sorted((each["name"], each["resourceVersion"]) for each in found)

    def volume_of(self, name: str = "c") -> JSON:
        """The volume that was made for the claim."""
        return self.made.volume(f"pvc-{self.made.claim(name)['metadata']['uid']}")

    @property
    def storage(self) -> set[str]:
        """What the driver has, by its handles."""
        return {path.name for path in (self.folder / "state" / "volumes").iterdir()}

    @property
    def handles(self) -> set[str]:
        """What volumes stand for, by its handles."""
        return {each["spec"]["csi"]["volumeHandle"] for each in self.made.objects("PersistentVolume")}


@asynccontextmanager
async def cluster(
    made: World,
    driver: Driver,
    folder: Path,
    *controllers: str,
    settings: SidecarSettings = PATIENT,
    prepare: Callable[[Direct], None] = lambda _: None,
) -> AsyncIterator[Cluster]:
    """The controllers at work on a server, beside a driver."""
    async with (
        made.controllers(*STOCK) as stock,
        beside(made, driver, *(controllers or ("csi-provisioner",)), settings=settings, prepare=prepare) as sidecar,
    ):
        yield Cluster(made, stock, sidecar, folder)


@asynccontextmanager
async def real_driver(folder: Path, **settings: Any) -> AsyncIterator[Driver]:
    """The driver that makes directories, reached."""
    async with (
        hostpath(folder, RecordedMounts(), **settings) as started,
        reached(started.connection.endpoint, seconds=5.0) as driver,
    ):
        yield driver


async def gone(task: asyncio.Task[Any]) -> None:
    """End a task, and wait until it has ended."""
    task.cancel()
    await asyncio.wait([task])
