"""The driver's snapshots: whole copies, that outlive the volume they were taken of."""

import time

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.hostpath import checks
from plugins.csi.hostpath.content import Content
from plugins.csi.hostpath.controller import ControllerService, new_id, page_of
from plugins.csi.hostpath.operations import Operations
from plugins.csi.hostpath.store import GOING, READY, Snapshot, Store
from plugins.csi.serving import Bound, Refused, bind


class SnapshotService:
    """Takes and removes snapshots; a part of the Controller service."""

    def __init__(self, controller: ControllerService, store: Store, content: Content, operations: Operations) -> None:
        self._controller = controller
        self._store = store
        self._content = content
        self._operations = operations

    def calls(self) -> list[Bound]:
        return [
            bind(wire.CREATE_SNAPSHOT, self.create),
            bind(wire.DELETE_SNAPSHOT, self.delete),
            bind(wire.LIST_SNAPSHOTS, self.snapshots),
            bind(wire.GET_SNAPSHOT, self.snapshot),
        ]

    async def create(self, request: pb.CreateSnapshotRequest) -> pb.CreateSnapshotResponse:
        checks.name(request.name)
        checks.required(request, "source_volume_id")
        checks.parameters(request.parameters)
        found = self._store.named(Snapshot, request.name)
        if found is not None and found.volume_id != request.source_volume_id:
            raise Refused(StatusCode.ALREADY_EXISTS, f"there is a snapshot {request.name} of another volume")
        if found is not None and found.state == READY:
            return pb.CreateSnapshotResponse(snapshot=_described(found))
        volume = self._controller.existing(request.source_volume_id)
        subjects = [f"snapshot {request.name}", f"volume {volume.name}"]
        made = await self._operations.run(subjects, lambda: self._create(request.name, volume.id))
        return pb.CreateSnapshotResponse(snapshot=_described(made))

    async def delete(self, request: pb.DeleteSnapshotRequest) -> pb.DeleteSnapshotResponse:
        checks.required(request, "snapshot_id")
        found = self._store.get(Snapshot, request.snapshot_id)
        if found is not None:
            await self._operations.run([f"snapshot {found.name}"], lambda: self.drop(found))
        return pb.DeleteSnapshotResponse()

    async def snapshots(self, request: pb.ListSnapshotsRequest) -> pb.ListSnapshotsResponse:
        found = [
            snapshot
            for snapshot in self._store.all(Snapshot)
            if snapshot.state == READY
            and request.snapshot_id in {"", snapshot.id}
            and request.source_volume_id in {"", snapshot.volume_id}
        ]
        page, following = page_of(found, request.max_entries, request.starting_token)
        entries = [pb.ListSnapshotsResponse.Entry(snapshot=_described(snapshot)) for snapshot in page]
        return pb.ListSnapshotsResponse(entries=entries, next_token=following)

    async def snapshot(self, request: pb.GetSnapshotRequest) -> pb.GetSnapshotResponse:
        checks.required(request, "snapshot_id")
        found = self._store.get(Snapshot, request.snapshot_id)
        if found is None or found.state != READY:
            raise Refused(StatusCode.NOT_FOUND, f"there is no snapshot {request.snapshot_id}")
        return pb.GetSnapshotResponse(snapshot=_described(found))

    async def drop(self, snapshot: Snapshot) -> None:
        """Remove a snapshot with its record."""
        await self._store.put(msgspec.structs.replace(snapshot, state=GOING))
        await self._content.remove(snapshot)
        await self._store.remove(snapshot)

    async def _create(self, name: str, volume_id: str) -> Snapshot:
        volume = self._controller.existing(volume_id)
        found = self._store.named(Snapshot, name)
        if found is None:
            found = Snapshot(new_id(), name, volume.id, volume.size_bytes, volume.block, time.time_ns())
            await self._controller.keep(found)
        try:
            await self._content.copy(volume, found)
        except Exception:
            await self.drop(found)
            raise
        ready = msgspec.structs.replace(found, state=READY)
        await self._store.put(ready)
        return ready


def _described(snapshot: Snapshot) -> pb.Snapshot:
    created = Timestamp()
    created.FromNanoseconds(snapshot.created_ns)
    return pb.Snapshot(
        snapshot_id=snapshot.id,
        source_volume_id=snapshot.volume_id,
        size_bytes=snapshot.size_bytes,
        creation_time=created,
        ready_to_use=snapshot.state == READY,
    )
