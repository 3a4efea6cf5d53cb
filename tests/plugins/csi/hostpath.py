"""The driver in this process, and requests to it, short to write."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.csi import csi_pb2 as pb
from plugins.csi.connection import Connection, connect
from plugins.csi.controller import Controller
from plugins.csi.hostpath.driver import running
from plugins.csi.hostpath.settings import Settings
from plugins.csi.identity import Identity
from plugins.csi.node import Node
from plugins.mounts import Mounts

MI = 1 << 20
Mode = pb.VolumeCapability.AccessMode
WRITER = Mode.SINGLE_NODE_WRITER


@dataclass(frozen=True)
class Driver:
    connection: Connection
    identity: Identity
    controller: Controller
    node: Node
    folder: Path

    async def made(self, name: str = "pvc-1", size: int = MI, **more: Any) -> pb.Volume:
        return await self.controller.create_volume(create(name, size, **more))

    async def attached(self, name: str = "pvc-1", **more: Any) -> pb.Volume:
        volume = await self.made(name, **more)
        await self.controller.publish(publish(volume.volume_id, block=more.get("block", False)))
        return volume

    async def staged(self, name: str = "pvc-1", **more: Any) -> tuple[pb.Volume, Path]:
        volume = await self.attached(name, **more)
        path = self.folder / f"staging-{name}"
        path.mkdir()
        await self.node.stage(stage(volume.volume_id, path, block=more.get("block", False)))
        return volume, path


@asynccontextmanager
async def driver(folder: Path, mounts: Mounts, **settings: Any) -> AsyncIterator[Driver]:
    """A driver whose state is in the folder."""
    endpoint = f"unix://{folder}/csi.sock"
    options = {"node_id": "n1", **settings}
    async with (
        running(Settings(state=folder / "state", endpoint=endpoint, **options), mounts),
        connect(endpoint) as connection,
    ):
        node, controller = Node(connection, seconds=60), Controller(connection, seconds=60)
        yield Driver(connection, Identity(connection), controller, node, folder)


def capability(*, block: bool = False, mode: Any = WRITER, flags: tuple[str, ...] = ()) -> pb.VolumeCapability:
    access = Mode(mode=mode)
    if block:
        return pb.VolumeCapability(block=pb.VolumeCapability.BlockVolume(), access_mode=access)
    return pb.VolumeCapability(mount=pb.VolumeCapability.MountVolume(mount_flags=flags), access_mode=access)


def create(
    name: str = "pvc-1",
    size: int = MI,
    *,
    limit: int = 0,
    block: bool = False,
    snapshot: str = "",
    clone: str = "",
    at: Mapping[str, str] | None = None,
    **more: Any,
) -> pb.CreateVolumeRequest:
    request = pb.CreateVolumeRequest(
        name=name,
        capacity_range=pb.CapacityRange(required_bytes=size, limit_bytes=limit),
        volume_capabilities=[capability(block=block)],
        **more,
    )
    if snapshot:
        request.volume_content_source.snapshot.snapshot_id = snapshot
    if clone:
        request.volume_content_source.volume.volume_id = clone
    if at:
        request.accessibility_requirements.requisite.add().segments.update(at)
    return request


def publish(volume_id: str, node: str = "n1", **more: Any) -> pb.ControllerPublishVolumeRequest:
    readonly = more.pop("readonly", False)
    return pb.ControllerPublishVolumeRequest(
        volume_id=volume_id, node_id=node, volume_capability=capability(**more), readonly=readonly
    )


def stage(volume_id: str, path: Path, **more: Any) -> pb.NodeStageVolumeRequest:
    return pb.NodeStageVolumeRequest(
        volume_id=volume_id, staging_target_path=str(path), volume_capability=capability(**more)
    )


def publish_on_node(
    volume_id: str, staging: Path | str, target: Path, *, readonly: bool = False, **more: Any
) -> pb.NodePublishVolumeRequest:
    context = more.pop("context", {})
    return pb.NodePublishVolumeRequest(
        volume_id=volume_id,
        staging_target_path=str(staging),
        target_path=str(target),
        volume_capability=capability(**more),
        readonly=readonly,
        volume_context=context,
    )


def grow(volume_id: str, size: int) -> pb.ControllerExpandVolumeRequest:
    return pb.ControllerExpandVolumeRequest(volume_id=volume_id, capacity_range=pb.CapacityRange(required_bytes=size))
