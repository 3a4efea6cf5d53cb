"""The driver's Controller service: volumes, where they are attached, and how much room is left.

A record goes before the content, and says that it is being made or removed until that is done: what a crash leaves is
seen at the next start.
"""

import asyncio
import re
import secrets
from typing import Final

import msgspec
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.hostpath import checks
from plugins.csi.hostpath.content import Content
from plugins.csi.hostpath.operations import Operations
from plugins.csi.hostpath.settings import Settings
from plugins.csi.hostpath.store import GOING, READY, Attachment, R, Snapshot, Store, Target, Volume
from plugins.csi.serving import Bound, Refused, bind

Rpc = pb.ControllerServiceCapability.RPC
_CAPABILITIES: Final = (
    Rpc.CREATE_DELETE_VOLUME,
    Rpc.LIST_VOLUMES,
    Rpc.GET_CAPACITY,
    Rpc.CREATE_DELETE_SNAPSHOT,
    Rpc.LIST_SNAPSHOTS,
    Rpc.CLONE_VOLUME,
    Rpc.EXPAND_VOLUME,
    Rpc.VOLUME_CONDITION,
    Rpc.GET_VOLUME,
    Rpc.SINGLE_NODE_MULTI_WRITER,
    Rpc.GET_SNAPSHOT,
)
_ATTACHING: Final = (Rpc.PUBLISH_UNPUBLISH_VOLUME, Rpc.PUBLISH_READONLY, Rpc.LIST_VOLUMES_PUBLISHED_NODES)
_ID: Final = re.compile(r"[0-9a-f]{32}")


class ControllerService:
    """Makes, attaches and grows volumes."""

    def __init__(self, settings: Settings, store: Store, content: Content, operations: Operations) -> None:
        self._settings = settings
        self._store = store
        self._content = content
        self._operations = operations
        self.ledger = asyncio.Lock()
        """Held from looking at what is left until what is taken of it is written down."""

    def calls(self) -> list[Bound]:
        attaching = [bind(wire.PUBLISH, self.publish), bind(wire.UNPUBLISH, self.unpublish)]
        return [
            bind(wire.CONTROLLER_CAPABILITIES, self.capabilities),
            bind(wire.CREATE_VOLUME, self.create),
            bind(wire.DELETE_VOLUME, self.delete),
            bind(wire.VALIDATE, self.validate),
            bind(wire.LIST_VOLUMES, self.volumes),
            bind(wire.GET_VOLUME, self.volume),
            bind(wire.GET_CAPACITY, self.capacity),
            bind(wire.CONTROLLER_EXPAND, self.expand),
            *(attaching if self._settings.attach else []),
        ]

    async def capabilities(self, request: pb.ControllerGetCapabilitiesRequest) -> pb.ControllerGetCapabilitiesResponse:
        del request
        kinds = (*_CAPABILITIES, *(_ATTACHING if self._settings.attach else ()))
        return pb.ControllerGetCapabilitiesResponse(
            capabilities=[pb.ControllerServiceCapability(rpc=Rpc(type=kind)) for kind in kinds]
        )

    async def create(self, request: pb.CreateVolumeRequest) -> pb.CreateVolumeResponse:
        checks.name(request.name)
        checks.parameters(request.parameters)
        if request.mutable_parameters:
            raise Refused(StatusCode.INVALID_ARGUMENT, "this driver has no mutable parameters")
        block = checks.is_block(request.volume_capabilities)
        source = self._source(request.volume_content_source, block=block)
        at_least = source.size_bytes if source else 0
        size = checks.size_of(request.capacity_range, self._settings.max_volume_bytes, at_least)
        if not checks.reaches(self._settings.topology, request.accessibility_requirements.requisite):
            raise Refused(StatusCode.RESOURCE_EXHAUSTED, "volumes of this driver can not be reached from there")
        subjects = [f"volume {request.name}", *([_subject(source)] if source else [])]
        volume = await self._operations.run(subjects, lambda: self._create(request, size, block, source))
        return pb.CreateVolumeResponse(volume=self._described(volume))

    async def delete(self, request: pb.DeleteVolumeRequest) -> pb.DeleteVolumeResponse:
        checks.required(request, "volume_id")
        volume = self._store.get(Volume, request.volume_id)
        if volume is not None:
            await self._operations.run([_subject(volume)], lambda: self.remove(request.volume_id))
        return pb.DeleteVolumeResponse()

    async def publish(self, request: pb.ControllerPublishVolumeRequest) -> pb.ControllerPublishVolumeResponse:
        checks.required(request, "volume_id", "node_id", "volume_capability")
        checks.capability(request.volume_capability)
        volume = self.existing(request.volume_id)
        if request.node_id not in self._settings.nodes:
            raise Refused(StatusCode.NOT_FOUND, f"there is no node {request.node_id}")
        await self._operations.run([_subject(volume)], lambda: self._attach(request))
        return pb.ControllerPublishVolumeResponse()

    async def unpublish(self, request: pb.ControllerUnpublishVolumeRequest) -> pb.ControllerUnpublishVolumeResponse:
        checks.required(request, "volume_id")
        volume = self._store.get(Volume, request.volume_id)
        if volume is not None:
            await self._operations.run([_subject(volume)], lambda: self._detach(request.volume_id, request.node_id))
        return pb.ControllerUnpublishVolumeResponse()

    async def validate(self, request: pb.ValidateVolumeCapabilitiesRequest) -> pb.ValidateVolumeCapabilitiesResponse:
        checks.required(request, "volume_id")
        block = checks.is_block(request.volume_capabilities)
        volume = self.existing(request.volume_id)
        if block != volume.block:
            return pb.ValidateVolumeCapabilitiesResponse(message=f"volume is {_kind(volume.block)}, not {_kind(block)}")
        if request.parameters or request.mutable_parameters:
            return pb.ValidateVolumeCapabilitiesResponse(message="this driver has no parameters")
        confirmed = pb.ValidateVolumeCapabilitiesResponse.Confirmed(
            volume_context=request.volume_context, volume_capabilities=request.volume_capabilities
        )
        return pb.ValidateVolumeCapabilitiesResponse(confirmed=confirmed)

    async def volumes(self, request: pb.ListVolumesRequest) -> pb.ListVolumesResponse:
        found = [volume for volume in self._store.all(Volume) if volume.state == READY]
        page, following = page_of(found, request.max_entries, request.starting_token)
        entries = [
            pb.ListVolumesResponse.Entry(
                volume=self._described(volume),
                status=pb.ListVolumesResponse.VolumeStatus(
                    published_node_ids=_nodes(volume), volume_condition=await self.condition(volume)
                ),
            )
            for volume in page
        ]
        return pb.ListVolumesResponse(entries=entries, next_token=following)

    async def volume(self, request: pb.ControllerGetVolumeRequest) -> pb.ControllerGetVolumeResponse:
        checks.required(request, "volume_id")
        volume = self.existing(request.volume_id)
        status = pb.ControllerGetVolumeResponse.VolumeStatus(
            published_node_ids=_nodes(volume), volume_condition=await self.condition(volume)
        )
        return pb.ControllerGetVolumeResponse(volume=self._described(volume), status=status)

    async def capacity(self, request: pb.GetCapacityRequest) -> pb.GetCapacityResponse:
        ours = checks.holds(self._settings.topology, request.accessible_topology.segments)
        available = self.available_bytes() if ours else 0
        largest = min(self._settings.max_volume_bytes, available)
        return pb.GetCapacityResponse(available_capacity=available, maximum_volume_size={"value": largest})

    async def expand(self, request: pb.ControllerExpandVolumeRequest) -> pb.ControllerExpandVolumeResponse:
        checks.required(request, "volume_id", "capacity_range")
        volume = self.existing(request.volume_id)
        wanted = request.volume_capability
        if wanted.WhichOneof("access_type") and (wanted.WhichOneof("access_type") == "block") != volume.block:
            raise Refused(StatusCode.INVALID_ARGUMENT, f"volume is {_kind(volume.block)}")
        size = checks.size_of(request.capacity_range, self._settings.max_volume_bytes)
        grown = await self._operations.run([_subject(volume)], lambda: self._grow(request.volume_id, size))
        # A directory has its new size at once; a device has to be told.
        return pb.ControllerExpandVolumeResponse(capacity_bytes=grown.size_bytes, node_expansion_required=grown.block)

    def existing(self, volume_id: str) -> Volume:
        """The volume of that id, once it is made."""
        volume = self._store.get(Volume, volume_id)
        if volume is None or volume.state != READY:
            raise Refused(StatusCode.NOT_FOUND, f"there is no volume {volume_id}")
        return volume

    def available_bytes(self) -> int:
        """What is left of the capacity."""
        records: list[Volume | Snapshot] = [*self._store.all(Volume), *self._store.all(Snapshot)]
        return max(self._settings.capacity_bytes - sum(record.size_bytes for record in records), 0)

    def check_room(self, size_bytes: int) -> None:
        """Refuse what would be more than the capacity."""
        if size_bytes > self.available_bytes():
            message = f"{size_bytes} bytes are wanted, {self.available_bytes()} are left"
            raise Refused(StatusCode.RESOURCE_EXHAUSTED, message)

    async def keep(self, record: Volume | Snapshot) -> None:
        """Write down something new, where there is room for it.

        Raises:
            Refused: there is not.
        """
        async with self.ledger:
            self.check_room(record.size_bytes)
            await self._store.put(record)

    async def condition(self, volume: Volume) -> pb.VolumeCondition:
        """Whether the volume's content is there."""
        there = await self._content.exists(volume)
        return pb.VolumeCondition(abnormal=not there, message="is there" if there else "its content is gone")

    async def make(self, volume: Volume, source: Volume | Snapshot | None = None) -> Volume:
        """Make a volume with its record.

        Raises:
            Refused: there is no room for it.
        """
        if self._store.get(Volume, volume.id) is None:
            await self.keep(volume)
        try:
            await self._content.make(volume, source)
        except Exception:
            # Over, and another size or source may be asked for by the same name.
            await self._drop(volume)
            raise
        ready = msgspec.structs.replace(volume, state=READY)
        await self._store.put(ready)
        return ready

    async def remove(self, volume_id: str) -> None:
        """Remove a volume that nobody uses, with its record."""
        volume = self._store.get(Volume, volume_id)
        if volume is None:
            return
        used = [target.id for target in self._store.all(Target) if target.volume_id == volume_id]
        if volume.attachments or used:
            where = ", ".join([*_nodes(volume), *used])
            raise Refused(StatusCode.FAILED_PRECONDITION, f"volume {volume_id} is in use: {where}")
        await self._drop(volume)

    async def _create(
        self, request: pb.CreateVolumeRequest, size: int, block: bool, source: Volume | Snapshot | None
    ) -> Volume:
        found = self._store.named(Volume, request.name)
        snapshot_id = source.id if isinstance(source, Snapshot) else ""
        volume_id = source.id if isinstance(source, Volume) else ""
        if found is None:
            wanted = Volume(new_id(), request.name, size, block, snapshot_id=snapshot_id, volume_id=volume_id)
            return await self.make(wanted, source)
        same = (found.block, found.snapshot_id, found.volume_id) == (block, snapshot_id, volume_id)
        if not same or not checks.in_range(found.size_bytes, request.capacity_range):
            raise Refused(StatusCode.ALREADY_EXISTS, f"there is another volume named {request.name}")
        return found if found.state == READY else await self.make(found, source)

    async def _drop(self, volume: Volume) -> None:
        await self._store.put(msgspec.structs.replace(volume, state=GOING))
        await self._content.remove(volume)
        await self._store.remove(volume)

    async def _attach(self, request: pb.ControllerPublishVolumeRequest) -> None:
        volume = self.existing(request.volume_id)
        block = request.volume_capability.WhichOneof("access_type") == "block"
        if block != volume.block:
            raise Refused(StatusCode.INVALID_ARGUMENT, f"volume is {_kind(volume.block)}")
        mode = request.volume_capability.access_mode.mode
        wanted = Attachment(request.node_id, mode, block, request.readonly)
        for attachment in volume.attachments:
            if attachment.node_id == request.node_id:
                if attachment != wanted:
                    raise Refused(StatusCode.ALREADY_EXISTS, "volume is attached to this node in another way")
                return
        if volume.attachments and checks.SINGLE_NODE & {mode, *(each.mode for each in volume.attachments)}:
            where = ", ".join(_nodes(volume))
            raise Refused(StatusCode.FAILED_PRECONDITION, f"volume is attached to {where}, and not to more than one")
        async with self.ledger:
            self._check_limit(request.node_id)
            await self._store.put(msgspec.structs.replace(volume, attachments=(*volume.attachments, wanted)))

    def _check_limit(self, node_id: str) -> None:
        limit = self._settings.max_volumes_per_node
        count = sum(node_id in _nodes(volume) for volume in self._store.all(Volume))
        if limit and count >= limit:
            raise Refused(StatusCode.RESOURCE_EXHAUSTED, f"node {node_id} has {count} volumes, and takes {limit}")

    async def _detach(self, volume_id: str, node_id: str) -> None:
        volume = self._store.get(Volume, volume_id)
        if volume is None:
            return
        used = any(target.volume_id == volume_id for target in self._store.all(Target))
        if used and node_id in {"", self._settings.node_id}:
            raise Refused(StatusCode.FAILED_PRECONDITION, f"volume {volume_id} is still staged or published")
        kept = tuple(each for each in volume.attachments if node_id and each.node_id != node_id)
        if kept != volume.attachments:
            await self._store.put(msgspec.structs.replace(volume, attachments=kept))

    async def _grow(self, volume_id: str, size: int) -> Volume:
        volume = self.existing(volume_id)
        if size <= volume.size_bytes:
            return volume
        grown = msgspec.structs.replace(volume, size_bytes=size)
        async with self.ledger:
            self.check_room(size - volume.size_bytes)
            # The file first: a crash in between leaves one that is too large, and the next call takes it.
            await self._content.grow(volume, size)
            await self._store.put(grown)
        return grown

    def _source(self, wanted: pb.VolumeContentSource, *, block: bool) -> Volume | Snapshot | None:
        source: Volume | Snapshot | None
        match wanted.WhichOneof("type"):
            case "snapshot":
                source = self._store.get(Snapshot, wanted.snapshot.snapshot_id)
            case "volume":
                source = self._store.get(Volume, wanted.volume.volume_id)
            case _:
                return None
        if source is None or source.state != READY:
            raise Refused(StatusCode.NOT_FOUND, "the volume's source is not there")
        if source.block != block:
            raise Refused(StatusCode.INVALID_ARGUMENT, f"the volume's source is {_kind(source.block)}")
        return source

    def _described(self, volume: Volume) -> pb.Volume:
        described = pb.Volume(volume_id=volume.id, capacity_bytes=volume.size_bytes)
        if self._settings.topology:
            described.accessible_topology.add().segments.update(self._settings.topology)
        if volume.snapshot_id:
            described.content_source.snapshot.snapshot_id = volume.snapshot_id
        if volume.volume_id:
            described.content_source.volume.volume_id = volume.volume_id
        return described


def new_id() -> str:
    """An id that nobody has had before."""
    return secrets.token_hex(16)


def page_of(found: list[R], count: int, token: str) -> tuple[list[R], str]:
    """A page of what follows the token, and the token of the next page: the last id, whatever comes and goes."""
    if count < 0:
        raise Refused(StatusCode.INVALID_ARGUMENT, "max_entries can not be negative")
    if token and _ID.fullmatch(token) is None:
        raise Refused(StatusCode.ABORTED, "starting_token is none of ours: begin anew")
    rest = [record for record in found if record.id > token]
    page = rest[:count] if count else rest
    return page, page[-1].id if len(page) < len(rest) else ""


def _subject(record: Volume | Snapshot) -> str:
    return f"{'volume' if isinstance(record, Volume) else 'snapshot'} {record.name}"


def _kind(block: bool) -> str:
    return "a block device" if block else "a directory"


def _nodes(volume: Volume) -> list[str]:
    return [attachment.node_id for attachment in volume.attachments]
