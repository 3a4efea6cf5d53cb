"""A driver whose snapshots are names in memory, which can be told to be slow, to fail, or to die after it has acted."""

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.serving import Bound, bind

CREATED_SECONDS = 1_767_323_045
"""2026-01-02T03:04:05Z."""
CREATED = "2026-01-02T03:04:05Z"
GI = 1 << 30


class Storage:
    """What a driver has. Its calls are idempotent by name and handle, as the protocol wants them."""

    def __init__(self) -> None:
        self.snapshots: dict[str, pb.Snapshot] = {}
        """By handle."""
        self.names: dict[str, str] = {}
        """Handles by the names that were asked for."""
        self.polls = 0
        """How often a snapshot is asked about before it is ready."""
        self.asked: list[Any] = []
        """All requests."""
        self.before: Callable[[Any], None] = lambda _: None
        """Called with each request: raise to fail without doing anything."""
        self.after: Callable[[Any], None] = lambda _: None
        """Called with each request when it is done: raise to fail although it is."""

    def add(self, handle: str, *, ready: bool = True, size: int = GI) -> None:
        """A snapshot that nobody here asked for."""
        created = Timestamp(seconds=CREATED_SECONDS)
        self.snapshots[handle] = pb.Snapshot(
            snapshot_id=handle, size_bytes=size, creation_time=created, ready_to_use=ready
        )

    def calls(self) -> list[Bound]:
        """What it answers."""
        return [
            bind(wire.CREATE_SNAPSHOT, self._create),
            bind(wire.DELETE_SNAPSHOT, self._delete),
            bind(wire.LIST_SNAPSHOTS, self._list),
            bind(wire.GET_SNAPSHOT, self._get),
        ]

    def requests(self, kind: type[Any]) -> list[Any]:
        """Those of a kind."""
        return [each for each in self.asked if isinstance(each, kind)]

    async def _create(self, request: pb.CreateSnapshotRequest) -> pb.CreateSnapshotResponse:
        self._begin(request)
        handle = self.names.setdefault(request.name, f"s-{len(self.names) + 1}")
        if handle not in self.snapshots:
            self.add(handle, ready=False)
            self.snapshots[handle].source_volume_id = request.source_volume_id
        if not self.polls:
            self.snapshots[handle].ready_to_use = True
        self.polls = max(self.polls - 1, 0)
        self.after(request)
        return pb.CreateSnapshotResponse(snapshot=self.snapshots[handle])

    async def _delete(self, request: pb.DeleteSnapshotRequest) -> pb.DeleteSnapshotResponse:
        self._begin(request)
        self.snapshots.pop(request.snapshot_id, None)
        self.after(request)
        return pb.DeleteSnapshotResponse()

    async def _list(self, request: pb.ListSnapshotsRequest) -> pb.ListSnapshotsResponse:
        self._begin(request)
        found = [each for each in self.snapshots.values() if request.snapshot_id in ("", each.snapshot_id)]
        return pb.ListSnapshotsResponse(entries=[pb.ListSnapshotsResponse.Entry(snapshot=each) for each in found])

    async def _get(self, request: pb.GetSnapshotRequest) -> pb.GetSnapshotResponse:
        self._begin(request)
        return pb.GetSnapshotResponse(snapshot=self.snapshots[request.snapshot_id])

    def _begin(self, request: Any) -> None:
        self.asked.append(request)
        self.before(request)
