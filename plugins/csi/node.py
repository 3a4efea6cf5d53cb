"""Staging, publishing and growing volumes on this node through a driver: the Node service."""

from typing import Final

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.connection import Connection
from plugins.errors import Failed

SECONDS: Final = 120.0
"""As kubelet waits for each of these calls."""
_NODE_ID_BYTES: Final = 256


class Node:
    """One driver's Node service."""

    def __init__(self, connection: Connection, *, seconds: float = SECONDS) -> None:
        self._connection = connection
        self._seconds = seconds

    async def capabilities(self) -> frozenset[str]:
        """The calls it has, by the names of the specification; unknown ones are passed over."""
        request = pb.NodeGetCapabilitiesRequest()
        answer = await self._connection.call(wire.NODE_CAPABILITIES, request, self._seconds)
        kind = pb.NodeServiceCapability.RPC.Type
        numbers = {each.rpc.type for each in answer.capabilities if each.WhichOneof("type") == "rpc"}
        return frozenset(kind.Name(number) for number in numbers if number and number in kind.values())

    async def info(self) -> pb.NodeGetInfoResponse:
        """What the driver calls this node, how many volumes it takes, and where it stands.

        Raises:
            Failed: it has no name for the node, or one that is too long.
        """
        answer = await self._connection.call(wire.NODE_INFO, pb.NodeGetInfoRequest(), self._seconds)
        if not answer.node_id or len(answer.node_id.encode()) > _NODE_ID_BYTES:
            raise Failed(f"NodeGetInfo: the driver calls this node {answer.node_id[:_NODE_ID_BYTES]!r}")
        return answer

    async def stage(self, request: pb.NodeStageVolumeRequest) -> None:
        """Make a volume ready on this node, once for all pods."""
        await self._connection.call(wire.STAGE, request, self._seconds)

    async def unstage(self, volume_id: str, staging_path: str) -> None:
        """Undo that."""
        request = pb.NodeUnstageVolumeRequest(volume_id=volume_id, staging_target_path=staging_path)
        await self._connection.call(wire.UNSTAGE, request, self._seconds)

    async def publish(self, request: pb.NodePublishVolumeRequest) -> None:
        """Give a volume to a pod, at a path whose parent exists."""
        await self._connection.call(wire.NODE_PUBLISH, request, self._seconds)

    async def unpublish(self, volume_id: str, target_path: str) -> None:
        """Take it away; the path is gone after that."""
        request = pb.NodeUnpublishVolumeRequest(volume_id=volume_id, target_path=target_path)
        await self._connection.call(wire.NODE_UNPUBLISH, request, self._seconds)

    async def stats(self, request: pb.NodeGetVolumeStatsRequest) -> pb.NodeGetVolumeStatsResponse:
        """How full a volume is, and how it is."""
        return await self._connection.call(wire.NODE_STATS, request, self._seconds)

    async def expand(self, request: pb.NodeExpandVolumeRequest) -> int:
        """Grow what is on a volume; its size then, 0 where the driver does not tell."""
        return (await self._connection.call(wire.NODE_EXPAND, request, self._seconds)).capacity_bytes
