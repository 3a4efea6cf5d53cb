"""The driver's Node service: volumes at paths of this node.

A directory is bound to its staging path and from there to each target; a block device is a loop device, bound to each
target's file. What is written down of a path counts as long as something is mounted there: after the machine's restart
the same call mounts again.
"""

import asyncio
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from grpc import StatusCode

from plugins import folders
from plugins.blocking import Blocking
from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.hostpath import checks
from plugins.csi.hostpath.content import Content
from plugins.csi.hostpath.controller import ControllerService
from plugins.csi.hostpath.loops import Loops
from plugins.csi.hostpath.operations import Operations
from plugins.csi.hostpath.settings import GI, Settings
from plugins.csi.hostpath.store import Store, Target, Volume
from plugins.csi.names import EPHEMERAL
from plugins.csi.serving import Bound, Refused, bind
from plugins.errors import PluginError
from plugins.mounts import Mounts

SIZE: Final = "size"
"""An ephemeral volume's attribute: its size in bytes."""
Rpc = pb.NodeServiceCapability.RPC
_CAPABILITIES: Final = (
    Rpc.STAGE_UNSTAGE_VOLUME,
    Rpc.GET_VOLUME_STATS,
    Rpc.EXPAND_VOLUME,
    Rpc.VOLUME_CONDITION,
    Rpc.SINGLE_NODE_MULTI_WRITER,
)


class NodeService:
    """Stages, publishes and measures volumes."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        content: Content,
        controller: ControllerService,
        operations: Operations,
        mounts: Mounts,
    ) -> None:
        self._settings = settings
        self._store = store
        self._content = content
        self._controller = controller
        self._operations = operations
        self._mounts = mounts
        self._loops = Loops()
        self._blocking = Blocking(60.0)

    def calls(self) -> list[Bound]:
        return [
            bind(wire.NODE_CAPABILITIES, self.capabilities),
            bind(wire.NODE_INFO, self.info),
            bind(wire.STAGE, self.stage),
            bind(wire.UNSTAGE, self.unstage),
            bind(wire.NODE_PUBLISH, self.publish),
            bind(wire.NODE_UNPUBLISH, self.unpublish),
            bind(wire.NODE_STATS, self.stats),
            bind(wire.NODE_EXPAND, self.expand),
        ]

    async def capabilities(self, request: pb.NodeGetCapabilitiesRequest) -> pb.NodeGetCapabilitiesResponse:
        del request
        return pb.NodeGetCapabilitiesResponse(
            capabilities=[pb.NodeServiceCapability(rpc=Rpc(type=kind)) for kind in _CAPABILITIES]
        )

    async def info(self, request: pb.NodeGetInfoRequest) -> pb.NodeGetInfoResponse:
        del request
        answer = pb.NodeGetInfoResponse(
            node_id=self._settings.node_id, max_volumes_per_node=self._settings.max_volumes_per_node
        )
        if self._settings.topology:
            answer.accessible_topology.segments.update(self._settings.topology)
        return answer

    async def stage(self, request: pb.NodeStageVolumeRequest) -> pb.NodeStageVolumeResponse:
        checks.required(request, "volume_id", "staging_target_path", "volume_capability")
        checks.absolute(request.staging_target_path, "staging_target_path")
        wanted = _target(request.volume_id, request.staging_target_path, request.volume_capability, staged=True)
        volume = self._usable(wanted)
        await self._operations.run([f"volume {volume.name}"], lambda: self._stage(volume, wanted))
        return pb.NodeStageVolumeResponse()

    async def unstage(self, request: pb.NodeUnstageVolumeRequest) -> pb.NodeUnstageVolumeResponse:
        checks.required(request, "volume_id")
        checks.absolute(request.staging_target_path, "staging_target_path")
        volume = self._store.get(Volume, request.volume_id)
        if volume is not None:
            path = request.staging_target_path
            await self._operations.run([f"volume {volume.name}"], lambda: self._unstage(volume, path))
        return pb.NodeUnstageVolumeResponse()

    async def publish(self, request: pb.NodePublishVolumeRequest) -> pb.NodePublishVolumeResponse:
        checks.required(request, "volume_id", "target_path", "volume_capability")
        checks.absolute(request.target_path, "target_path")
        readonly = request.readonly or request.volume_capability.access_mode.mode in checks.READERS
        path, capability = request.target_path, request.volume_capability
        wanted = _target(request.volume_id, path, capability, staged=False, readonly=readonly)
        subjects = [f"volume {self._name(request.volume_id)}"]
        if request.volume_context.get(EPHEMERAL) == "true":
            size = _ephemeral_bytes(request.volume_context.get(SIZE, ""))
            await self._operations.run(subjects, lambda: self._publish_ephemeral(wanted, size))
            return pb.NodePublishVolumeResponse()
        checks.absolute(request.staging_target_path, "staging_target_path")
        volume = self._usable(wanted)
        staging = request.staging_target_path
        await self._operations.run(subjects, lambda: self._publish_staged(volume, wanted, staging))
        return pb.NodePublishVolumeResponse()

    async def unpublish(self, request: pb.NodeUnpublishVolumeRequest) -> pb.NodeUnpublishVolumeResponse:
        checks.required(request, "volume_id")
        checks.absolute(request.target_path, "target_path")
        subjects = [f"volume {self._name(request.volume_id)}"]
        await self._operations.run(subjects, lambda: self._unpublish(request.volume_id, request.target_path))
        return pb.NodeUnpublishVolumeResponse()

    async def stats(self, request: pb.NodeGetVolumeStatsRequest) -> pb.NodeGetVolumeStatsResponse:
        checks.required(request, "volume_id", "volume_path")
        volume = await self._at(request.volume_id, request.volume_path)
        condition = await self._controller.condition(volume)
        if volume.block:
            total = pb.VolumeUsage(unit=pb.VolumeUsage.BYTES, total=volume.size_bytes)
            return pb.NodeGetVolumeStatsResponse(usage=[total], volume_condition=condition)
        path = Path(request.volume_path)
        found = await self._blocking.run(str(path), "measuring", partial(os.statvfs, path))
        return pb.NodeGetVolumeStatsResponse(usage=_usage(found), volume_condition=condition)

    async def expand(self, request: pb.NodeExpandVolumeRequest) -> pb.NodeExpandVolumeResponse:
        checks.required(request, "volume_id", "volume_path")
        volume = await self._at(request.volume_id, request.volume_path)
        if request.capacity_range.required_bytes > volume.size_bytes:
            raise Refused(StatusCode.OUT_OF_RANGE, f"the volume has {volume.size_bytes} bytes: the controller grows it")
        if volume.block:
            await self._loops.grow(self._content.path(volume))
        return pb.NodeExpandVolumeResponse(capacity_bytes=volume.size_bytes)

    async def recover(self) -> None:
        """After a start: forget paths where nothing is mounted any more, and what only they needed."""
        for target in self._store.all(Target):
            if target.staged and target.block:
                continue  # nothing is mounted there while it is staged
            if not await self._mounts.is_mount_point(Path(target.id)):
                await self._store.remove(target)
        used = {target.volume_id for target in self._store.all(Target)}
        for volume in self._store.all(Volume):
            if volume.ephemeral and volume.id not in used:
                await self._controller.remove(volume.id)

    def _name(self, volume_id: str) -> str:
        """The volume's name; an ephemeral one has no other than its id, also before it is made."""
        volume = self._store.get(Volume, volume_id)
        return volume.name if volume else volume_id

    def _usable(self, wanted: Target) -> Volume:
        """The volume, where it can be used in this way on this node."""
        volume = self._controller.existing(wanted.volume_id)
        if wanted.block != volume.block:
            kind = "a block device" if volume.block else "a directory"
            raise Refused(StatusCode.FAILED_PRECONDITION, f"volume is {kind}")
        here = any(attachment.node_id == self._settings.node_id for attachment in volume.attachments)
        if self._settings.attach and not here and not volume.ephemeral:
            raise Refused(StatusCode.FAILED_PRECONDITION, f"volume is not attached to node {self._settings.node_id}")
        return volume

    async def _stage(self, volume: Volume, wanted: Target) -> None:
        if await self._is_there(wanted):
            return
        path = Path(wanted.id)
        await self._store.put(wanted)
        if volume.block:
            await self._loops.attach(self._content.path(volume), read_only=False)
            return
        try:
            await self._directory(path)
            await self._mounts.mount(str(self._content.path(volume)), path, "", ("bind",))
        except PluginError:
            await self._forget(wanted)
            raise

    async def _unstage(self, volume: Volume, path: str) -> None:
        if published := [each.id for each in self._targets(volume.id) if not each.staged]:
            raise Refused(StatusCode.FAILED_PRECONDITION, f"volume is still published at {', '.join(published)}")
        found = self._store.get(Target, path)
        if found is None or found.volume_id != volume.id:
            return
        if volume.block:
            await self._loops.detach(self._content.path(volume))
        else:
            await self._unmount(Path(path))
        await self._store.remove(found)

    async def _publish_staged(self, volume: Volume, wanted: Target, staging: str) -> None:
        staged = self._store.get(Target, staging)
        if staged is None or staged.volume_id != volume.id or not staged.staged:
            raise Refused(StatusCode.FAILED_PRECONDITION, f"volume is not staged at {staging}")
        if volume.block:
            device = await self._loops.attach(self._content.path(volume), read_only=wanted.readonly)
            await self._publish(wanted, device)
            return
        if not await self._mounts.is_mount_point(Path(staging)):
            raise Refused(StatusCode.FAILED_PRECONDITION, f"volume is not staged at {staging} any more")
        await self._publish(wanted, staging)

    async def _publish_ephemeral(self, wanted: Target, size: int) -> None:
        if wanted.block:
            raise Refused(StatusCode.INVALID_ARGUMENT, "an ephemeral volume is a directory")
        checks.new_id(wanted.volume_id)
        volume = self._store.get(Volume, wanted.volume_id)
        if volume is not None and not volume.ephemeral:
            raise Refused(StatusCode.ALREADY_EXISTS, "there is a persistent volume of that id")
        if volume is None:
            volume = Volume(wanted.volume_id, wanted.volume_id, size, block=False, ephemeral=True)
        volume = await self._controller.make(volume)
        await self._publish(wanted, str(self._content.path(volume)))

    async def _publish(self, wanted: Target, source: str) -> None:
        if await self._is_there(wanted):
            return
        others = [each.id for each in self._targets(wanted.volume_id) if not each.staged]
        if others and wanted.mode in checks.SINGLE_TARGET:
            where = ", ".join(others)
            raise Refused(
                StatusCode.FAILED_PRECONDITION, f"volume is published at {where}, and not at more than one path"
            )
        path = Path(wanted.id)
        await self._store.put(wanted)
        try:
            await (self._file(path) if wanted.block else self._directory(path))
            options = ("bind", *(("ro",) if wanted.readonly else ()), *wanted.flags)
            await self._mounts.mount(source, path, "", tuple(dict.fromkeys(options)))
        except PluginError:
            await self._forget(wanted)
            await self._blocking.run(str(path), "removing", partial(_remove, path, file=wanted.block))
            raise

    async def _unpublish(self, volume_id: str, target: str) -> None:
        found, path = self._store.get(Target, target), Path(target)
        if found is not None and found.volume_id != volume_id:
            raise Refused(StatusCode.NOT_FOUND, f"there is another volume at {target}")
        volume = self._store.get(Volume, volume_id)
        if volume is None and await self._mounts.is_mount_point(path):
            raise Refused(StatusCode.NOT_FOUND, f"there is no volume {volume_id}")
        await self._unmount(path)
        file = found is not None and found.block
        await self._blocking.run(target, "removing", partial(_remove, path, file=file))
        if found is not None:
            await self._store.remove(found)
        if volume is not None and volume.ephemeral:
            await self._controller.remove(volume_id)

    async def _is_there(self, wanted: Target) -> bool:
        """Whether the path has the volume already, in just this way."""
        found = self._store.get(Target, wanted.id)
        if found is None:
            return False
        if not (found.staged and found.block) and not await self._mounts.is_mount_point(Path(found.id)):
            await self._store.remove(found)
            return False
        if found != wanted:
            raise Refused(StatusCode.ALREADY_EXISTS, f"there is a volume at {wanted.id}, in another way")
        # A staged device is found again by the file it is on, or made anew where the machine was restarted.
        return not (found.staged and found.block)

    async def _at(self, volume_id: str, path: str) -> Volume:
        volume = self._controller.existing(volume_id)
        found = self._store.get(Target, path)
        if found is None or found.volume_id != volume_id:
            raise Refused(StatusCode.NOT_FOUND, f"volume {volume_id} is not at {path}")
        return volume

    def _targets(self, volume_id: str) -> list[Target]:
        return [target for target in self._store.all(Target) if target.volume_id == volume_id]

    async def _forget(self, target: Target) -> None:
        """After a mount that failed; one that may be there all the same stays written down."""
        if not await self._mounts.is_mount_point(Path(target.id)):
            await self._store.remove(target)

    async def _unmount(self, path: Path) -> None:
        while await self._mounts.is_mount_point(path):
            await self._mounts.unmount(path)

    async def _directory(self, path: Path) -> None:
        with folders.explained(f"make {path}"):
            await asyncio.to_thread(path.mkdir, 0o750, exist_ok=True)

    async def _file(self, path: Path) -> None:
        with folders.explained(f"make {path}"):
            await asyncio.to_thread(path.touch, 0o640)


def _target(
    volume_id: str, path: str, capability: pb.VolumeCapability, *, staged: bool, readonly: bool = False
) -> Target:
    checks.capability(capability)
    block = capability.WhichOneof("access_type") == "block"
    flags = tuple(capability.mount.mount_flags)
    if any(not flag or "," in flag or "\0" in flag for flag in flags):
        raise Refused(StatusCode.INVALID_ARGUMENT, "mount_flags hold an empty one, or one with a comma")
    return Target(path, volume_id, staged, block, capability.access_mode.mode, readonly, () if staged else flags)


def _ephemeral_bytes(size: str) -> int:
    if not size:
        return GI
    if not size.isascii() or not size.isdigit() or len(size) > 18 or int(size) == 0:
        raise Refused(StatusCode.INVALID_ARGUMENT, f"attribute {SIZE!r} must be a number of bytes")
    return int(size)


def _usage(found: os.statvfs_result) -> list[pb.VolumeUsage]:
    size = found.f_frsize
    return [
        pb.VolumeUsage(
            unit=pb.VolumeUsage.BYTES,
            total=found.f_blocks * size,
            available=found.f_bavail * size,
            used=(found.f_blocks - found.f_bfree) * size,
        ),
        pb.VolumeUsage(
            unit=pb.VolumeUsage.INODES,
            total=found.f_files,
            available=found.f_favail,
            used=found.f_files - found.f_ffree,
        ),
    ]


def _remove(path: Path, *, file: bool) -> None:
    """The mount point of a target: a directory that is empty, or the file that we have made for a device."""
    with folders.explained(f"remove {path}"), suppress(FileNotFoundError):
        if file:
            path.unlink()
        else:
            path.rmdir()
