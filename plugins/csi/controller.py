"""Making, attaching, growing and copying volumes through a driver: the Controller service.

Answers are checked for what the specification promises, as later steps rely on it.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.connection import Connection
from plugins.errors import Failed

Secrets = Mapping[str, str]
"""A secret's values, as text. Never shown."""

SECONDS: Final = 15.0
SNAPSHOT_SECONDS: Final = 60.0
_PAGE: Final = 1000


class Controller:
    """One driver's Controller service."""

    def __init__(
        self, connection: Connection, *, seconds: float = SECONDS, snapshot_seconds: float = SNAPSHOT_SECONDS
    ) -> None:
        self._connection = connection
        self._seconds = seconds
        self._snapshot_seconds = snapshot_seconds

    async def capabilities(self) -> frozenset[str]:
        """The calls it has, by the names of the specification; unknown ones are passed over."""
        request = pb.ControllerGetCapabilitiesRequest()
        answer = await self._connection.call(wire.CONTROLLER_CAPABILITIES, request, self._seconds)
        kind = pb.ControllerServiceCapability.RPC.Type
        numbers = {each.rpc.type for each in answer.capabilities if each.WhichOneof("type") == "rpc"}
        return frozenset(kind.Name(number) for number in numbers if number and number in kind.values())

    async def create_volume(self, request: pb.CreateVolumeRequest) -> pb.Volume:
        """Make a volume, or find it made by that name; with the asked size where the driver does not tell.

        Raises:
            Exhausted: there is no room where it was asked for.
            InDoubt: it may be on its way: repeat the same request, even if it is wanted no more.
            Failed: it was not made, or what was made is not what was asked for.
        """
        answer = await self._connection.call(wire.CREATE_VOLUME, request, self._seconds)
        volume = answer.volume
        if not volume.volume_id:
            raise Failed("CreateVolume: the driver's answer has no volume_id")
        if not volume.capacity_bytes:
            volume.capacity_bytes = request.capacity_range.required_bytes
        if volume.capacity_bytes < request.capacity_range.required_bytes:
            raise TooSmall(volume.volume_id, volume.capacity_bytes, request.capacity_range.required_bytes)
        if request.HasField("volume_content_source") and not volume.HasField("content_source"):
            raise NotFilled(volume.volume_id)
        return volume

    async def delete_volume(self, volume_id: str, secrets: Secrets | None = None) -> None:
        """Destroy a volume; one that is not known is gone already.

        Raises:
            StillInUse: it is attached, or has snapshots that need it.
        """
        request = pb.DeleteVolumeRequest(volume_id=volume_id, secrets=secrets or {})
        await self._connection.call(wire.DELETE_VOLUME, request, self._seconds)

    async def publish(self, request: pb.ControllerPublishVolumeRequest) -> dict[str, str]:
        """Attach a volume to a node; the context that the node's calls need."""
        answer = await self._connection.call(wire.PUBLISH, request, self._seconds)
        return dict(answer.publish_context)

    async def unpublish(self, volume_id: str, node_id: str, secrets: Secrets | None = None) -> None:
        """Detach it; "" detaches it from all nodes."""
        request = pb.ControllerUnpublishVolumeRequest(volume_id=volume_id, node_id=node_id, secrets=secrets or {})
        await self._connection.call(wire.UNPUBLISH, request, self._seconds)

    async def validate(self, request: pb.ValidateVolumeCapabilitiesRequest) -> str:
        """Why the volume can not be used in these ways, or "" where it can."""
        answer = await self._connection.call(wire.VALIDATE, request, self._seconds)
        confirmed = answer.HasField("confirmed")
        return "" if confirmed else answer.message or "the driver does not confirm these capabilities"

    async def volumes(self) -> AsyncIterator[pb.ListVolumesResponse.Entry]:
        """All volumes, page by page.

        Raises:
            InDoubt: the listing broke off: begin anew.
        """
        token = ""
        while True:
            request = pb.ListVolumesRequest(max_entries=_PAGE, starting_token=token)
            answer = await self._connection.call(wire.LIST_VOLUMES, request, self._seconds)
            for entry in answer.entries:
                yield entry
            token = _next(token, answer.next_token)
            if not token:
                return

    async def volume(self, volume_id: str) -> pb.ControllerGetVolumeResponse:
        """One volume with its state."""
        request = pb.ControllerGetVolumeRequest(volume_id=volume_id)
        return await self._connection.call(wire.GET_VOLUME, request, self._seconds)

    async def capacity(self, request: pb.GetCapacityRequest) -> pb.GetCapacityResponse:
        """What is left."""
        answer = await self._connection.call(wire.GET_CAPACITY, request, self._seconds)
        if answer.available_capacity < 0:
            raise Failed(f"GetCapacity: the driver answers {answer.available_capacity} bytes")
        return answer

    async def expand(self, request: pb.ControllerExpandVolumeRequest) -> pb.ControllerExpandVolumeResponse:
        """Grow a volume; one that is large enough already is a success."""
        answer = await self._connection.call(wire.CONTROLLER_EXPAND, request, self._seconds)
        if answer.capacity_bytes < request.capacity_range.required_bytes:
            raise Failed(
                f"ControllerExpandVolume: the driver answers {answer.capacity_bytes} bytes "
                f"where {request.capacity_range.required_bytes} were asked for"
            )
        return answer

    async def modify(self, volume_id: str, parameters: Mapping[str, str], secrets: Secrets | None = None) -> None:
        """Change what of a volume can be changed."""
        request = pb.ControllerModifyVolumeRequest(
            volume_id=volume_id, mutable_parameters=parameters, secrets=secrets or {}
        )
        await self._connection.call(wire.MODIFY_VOLUME, request, self._seconds)

    async def create_snapshot(self, request: pb.CreateSnapshotRequest) -> pb.Snapshot:
        """Take a snapshot, or find it taken by that name; it may not be ready to be used yet.

        Raises:
            Exhausted: there is no room for it.
            InDoubt: it may be on its way: repeat the same request.
        """
        answer = await self._connection.call(wire.CREATE_SNAPSHOT, request, self._snapshot_seconds)
        if not answer.snapshot.snapshot_id:
            raise Failed("CreateSnapshot: the driver's answer has no snapshot_id")
        return answer.snapshot

    async def delete_snapshot(self, snapshot_id: str, secrets: Secrets | None = None) -> None:
        """Destroy a snapshot; one that is not known is gone already."""
        request = pb.DeleteSnapshotRequest(snapshot_id=snapshot_id, secrets=secrets or {})
        await self._connection.call(wire.DELETE_SNAPSHOT, request, self._snapshot_seconds)

    async def snapshots(
        self, *, snapshot_id: str = "", source_volume_id: str = "", secrets: Secrets | None = None
    ) -> AsyncIterator[pb.Snapshot]:
        """All snapshots, or those of a volume, or the one of that id, page by page.

        Raises:
            InDoubt: the listing broke off: begin anew.
        """
        token = ""
        while True:
            request = pb.ListSnapshotsRequest(
                max_entries=_PAGE,
                starting_token=token,
                snapshot_id=snapshot_id,
                source_volume_id=source_volume_id,
                secrets=secrets or {},
            )
            answer = await self._connection.call(wire.LIST_SNAPSHOTS, request, self._snapshot_seconds)
            for entry in answer.entries:
                yield entry.snapshot
            token = _next(token, answer.next_token)
            if not token:
                return

    async def snapshot(self, snapshot_id: str, secrets: Secrets | None = None) -> pb.Snapshot:
        """One snapshot."""
        request = pb.GetSnapshotRequest(snapshot_id=snapshot_id, secrets=secrets or {})
        return (await self._connection.call(wire.GET_SNAPSHOT, request, self._snapshot_seconds)).snapshot


class Unwanted(Failed):
    """A volume was made that is not what was asked for; whoever asked deletes it before asking again."""

    def __init__(self, volume_id: str, message: str) -> None:
        super().__init__(message)
        self.volume_id = volume_id


class TooSmall(Unwanted):
    """The volume is smaller than asked for."""

    def __init__(self, volume_id: str, have_bytes: int, wanted_bytes: int) -> None:
        super().__init__(volume_id, f"the driver made a volume of {have_bytes} bytes, {wanted_bytes} were asked for")


class NotFilled(Unwanted):
    """The volume does not have the content that was asked for."""

    def __init__(self, volume_id: str) -> None:
        super().__init__(volume_id, "the driver made an empty volume, where one with content was asked for")


def _next(token: str, following: str) -> str:
    if following and following == token:
        raise Failed(f"the driver's listing goes round in circles at token {token[:50]!r}")
    return following
