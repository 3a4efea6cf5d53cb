"""`python -m tests.csi_live.upstream --driver PATH`: `lading csi-sidecar` beside Kubernetes' own hostpath driver.

PATH is csi-driver-host-path, built by hand from its source. On a real control plane a volume of it is made, attached,
mounted, grown, snapshot, restored, copied and deleted. Prints a table; the exit status says whether all went well.
"""

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer

from model.resources import (
    ATTACHMENTS,
    ATTRIBUTES_CLASSES,
    CLAIMS,
    CLASSES,
    SNAPSHOT_CLASSES,
    SNAPSHOT_CONTENTS,
    SNAPSHOTS,
    VOLUMES,
)
from model.volumes import PersistentVolume, PersistentVolumeClaim
from plugins.csi import csi_pb2 as pb
from plugins.csi.driver import Driver, reached
from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import control_plane
from tests.csi_live.cluster import Cluster, cluster
from tests.csi_live.objects import attachment, claim, of_claim, of_snapshot, snapshot, snapshot_class, storage_class
from tests.csi_live.programs import EVERYTHING, Program, running, sidecar

NAME: Final = "hostpath.csi.k8s.io"
NODE: Final = "node-1"
NOTE: Final = "as it was"
SECONDS: Final = 15.0


@dataclass
class Story:
    """What is done with one volume, step by step; each answers with what there is to tell of it."""

    cluster: Cluster
    driver: Driver
    folder: Path
    """Where it is mounted, and what the driver keeps."""
    volume: PersistentVolume | None = None

    @property
    def handle(self) -> str:
        """The driver's name for the volume."""
        assert self.volume is not None
        assert self.volume.spec.csi is not None
        return self.volume.spec.csi.volume_handle

    async def provision(self) -> str:
        """A claim gets a volume."""
        await self.cluster.create(CLAIMS, claim("data", "hostpath"))
        _, self.volume = await self.cluster.bound("data")
        assert self.handle in await self._volumes()
        return f"{self.volume.name}, which the driver calls {self.handle}"

    async def attach(self) -> str:
        """An attachment is carried out, and the driver says so, too."""
        assert self.volume is not None
        await self.cluster.create(ATTACHMENTS, attachment("data", NAME, NODE, self.volume.name))
        await self.cluster.until(ATTACHMENTS, "data", lambda each: each.status.attached)
        assert self._is_attached()
        return f"to {NODE}"

    async def mount(self) -> str:
        """What kubelet would do: stage it, publish it, and write a file."""
        if os.geteuid() != 0:
            (self._content / "note").write_text(NOTE)
            return "left out, as it takes root"
        staging, target = self.folder / "staging", self.folder / "target"
        staging.mkdir()
        stage = pb.NodeStageVolumeRequest(staging_target_path=str(staging), **self._wanted())
        publish = pb.NodePublishVolumeRequest(
            staging_target_path=str(staging), target_path=str(target), **self._wanted()
        )
        await self.driver.node.stage(stage)
        await self.driver.node.publish(publish)
        (target / "note").write_text(NOTE)
        await self.driver.node.unpublish(self.handle, str(target))
        await self.driver.node.unstage(self.handle, str(staging))
        assert (self._content / "note").read_text() == NOTE
        return "staged, published, written to, and taken down again"

    async def expand(self) -> str:
        """The claim asks for more, and the driver's part of it is done."""
        assert self.volume is not None
        await self.cluster.merge(CLAIMS, "data", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
        await self.cluster.until(VOLUMES, self.volume.name, lambda each: each.spec.capacity == {"storage": "2Gi"})
        assert (await self._volumes())[self.handle].volume.capacity_bytes == 2 << 30
        grown = await self.cluster.until(CLAIMS, "data", _is_grown)
        left = (grown.status.allocated_resource_statuses or {}).get("storage")
        return f"to 2Gi; left to do: {left or 'nothing'}"

    async def modify(self) -> str:
        """The claim asks for another attributes class, and the driver has changed what it asks for."""
        swift = {"metadata": {"name": "swift"}, "driverName": NAME, "parameters": {"tier": "1"}}
        await self.cluster.create(ATTRIBUTES_CLASSES, swift)
        await self.cluster.merge(CLAIMS, "data", {"spec": {"volumeAttributesClassName": "swift"}})
        changed = await self.cluster.until(
            CLAIMS, "data", lambda each: each.status.current_volume_attributes_class_name == "swift"
        )
        return f"to class {changed.status.current_volume_attributes_class_name}"

    async def snapshot(self) -> str:
        """A snapshot is taken, and what comes after is not in it."""
        await self.cluster.create(SNAPSHOTS, snapshot("moment", "data", "hostpath"))
        taken = await self.cluster.until(SNAPSHOTS, "moment", lambda each: each.status.ready_to_use)
        (self._content / "note").write_text("as it became")
        return f"{taken.bound_content}, {taken.status.restore_size}"

    async def restore(self) -> str:
        """A claim gets what the snapshot holds."""
        return await self._filled("restored", "2Gi", of_snapshot("moment"), NOTE)

    async def clone(self) -> str:
        """A claim gets what the first one's volume holds."""
        return await self._filled("copied", "2Gi", of_claim("data"), "as it became")

    async def detach(self) -> str:
        """The attachment goes when it was undone."""
        await self.cluster.delete(ATTACHMENTS, "data")
        await self.cluster.until_gone(ATTACHMENTS, "data")
        assert not self._is_attached()
        return f"from {NODE}"

    async def delete(self) -> str:
        """All goes, from the cluster and from the driver."""
        taken = await self.cluster.get(SNAPSHOTS, "moment")
        assert taken is not None
        await self.cluster.delete(SNAPSHOTS, "moment")
        await self.cluster.until_gone(SNAPSHOT_CONTENTS, taken.bound_content)
        for name in ("restored", "copied", "data"):
            found = await self.cluster.get(CLAIMS, name)
            assert found is not None
            await self.cluster.delete(CLAIMS, name)
            await self.cluster.until_gone(VOLUMES, found.spec.volume_name)
        left = [*await self._volumes(), *[each.snapshot_id async for each in self.driver.controller.snapshots()]]
        assert not left, f"the driver still has {left}"
        return "three volumes and a snapshot; the driver has nothing left"

    async def _filled(self, name: str, size: str, source: dict[str, str], text: str) -> str:
        await self.cluster.create(CLAIMS, claim(name, "hostpath", size, source=source))
        _, made = await self.cluster.bound(name)
        assert made.spec.csi is not None
        found = (self._state / made.spec.csi.volume_handle / "note").read_text()
        assert found == text, found
        return f"{made.name}, which holds {found!r}"

    async def _volumes(self) -> dict[str, pb.ListVolumesResponse.Entry]:
        return {entry.volume.volume_id: entry async for entry in self.driver.controller.volumes()}

    def _is_attached(self) -> bool:
        """As the driver has written it down: it does not tell where its volumes are attached."""
        volumes = json.loads((self._state / "state.json").read_text())["Volumes"]
        (found,) = [each for each in volumes if each["VolID"] == self.handle]
        return bool(found["Attached"])

    @property
    def _state(self) -> Path:
        return self.folder / "state"

    @property
    def _content(self) -> Path:
        return self._state / self.handle

    def _wanted(self) -> dict[str, Any]:
        """What staging and publishing are told alike."""
        assert self.volume is not None
        assert self.volume.spec.csi is not None
        mode = pb.VolumeCapability.AccessMode(mode=pb.VolumeCapability.AccessMode.SINGLE_NODE_WRITER)
        capability = pb.VolumeCapability(mount=pb.VolumeCapability.MountVolume(), access_mode=mode)
        context = self.volume.spec.csi.volume_attributes or {}
        return {"volume_id": self.handle, "volume_capability": capability, "volume_context": context}


def _is_grown(claim: PersistentVolumeClaim) -> bool:
    """Whether the controller's part is done: it may leave a part to the node."""
    pending = (claim.status.allocated_resource_statuses or {}).get("storage") == "NodeResizePending"
    return pending or claim.status.capacity == {"storage": "2Gi"}


def main(
    driver: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The driver's binary.")],
) -> None:
    """Do it all, and print how each step went."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(asyncio.run(_check(driver.resolve(), Path(folder))))


async def _check(binary: Path, folder: Path) -> int:
    """The exit status."""
    async with _story(binary, folder) as story:
        for step in (
            story.provision,
            story.attach,
            story.mount,
            story.expand,
            story.modify,
            story.snapshot,
            story.restore,
            story.clone,
            story.detach,
            story.delete,
        ):
            if not await _went_well(step):
                typer.echo((folder / "csi-sidecar.log").read_text()[-4000:], err=True)
                return 1
    return 0


async def _went_well(step: Callable[[], Awaitable[str]]) -> bool:
    began = time.monotonic()
    try:
        told, well = await step(), True
    except Exception as error:  # noqa: BLE001 - whatever it was, it is what the table is to say
        told, well = f"{type(error).__name__}: {error}", False
    name = step.__name__
    typer.echo(f"{'ok' if well else 'FAILED':<8}{name:<12}{time.monotonic() - began:6.1f} s  {told}")
    return well


@asynccontextmanager
async def _story(binary: Path, folder: Path) -> AsyncIterator[Story]:
    """Everything at work."""
    binaries = Binaries(say=lambda line: typer.echo(line, err=True))
    kubectl = (await asyncio.to_thread(binaries.get, "kubectl")).path
    async with (
        control_plane(folder / "plane", binaries) as plane,
        cluster(plane, kubectl, folder) as made,
        running(_driver(binary, folder, made), clean=False) as program,
        reached(f"unix://{program.socket}", seconds=SECONDS) as driver,
    ):
        info = await driver.node.info()
        labels = dict(info.accessible_topology.segments)
        typer.echo(f"driver {driver.name}, able to {', '.join(sorted(driver.calls))}; its place: {labels}")
        async with (
            made.granted(NAME) as kubeconfig,
            made.registered(NAME, labels, NODE),
            made.having(
                (CLASSES, storage_class("hostpath", NAME)), (SNAPSHOT_CLASSES, snapshot_class("hostpath", NAME))
            ),
            running(sidecar(folder, made.guard, kubeconfig, *EVERYTHING)),
        ):
            yield Story(made, driver, folder)


def _driver(binary: Path, folder: Path, made: Cluster) -> Program:
    socket = folder / "csi.sock"
    options = (
        f"--drivername={NAME}",
        f"--endpoint=unix://{socket}",
        f"--nodeid={NODE}",
        f"--statedir={folder / 'state'}",
        "--enable-attach",
        "--enable-controller-modify-volume",
        "--v=4",
    )
    return Program((str(binary), *options), folder / "driver.log", made.guard, socket)


if __name__ == "__main__":
    typer.run(main)
