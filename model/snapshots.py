"""VolumeSnapshot and VolumeSnapshotContent (snapshot.storage.k8s.io/v1); their class is in `model.csi`."""

from enum import StrEnum

import msgspec

from model import quantity
from model.meta import Object, ObjectReference


class DeletionPolicy(StrEnum):
    """What becomes of a snapshot on the storage when its VolumeSnapshot is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class SnapshotError(msgspec.Struct, frozen=True, gc=False):
    """The last fault, as status tells it."""

    time: str = ""
    message: str = ""


class SnapshotSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a VolumeSnapshot is of: a claim of its namespace, or a content that was there before."""

    persistent_volume_claim_name: str | None = None
    volume_snapshot_content_name: str | None = None


class SnapshotSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec of a VolumeSnapshot."""

    source: SnapshotSource = SnapshotSource()
    volume_snapshot_class_name: str | None = None


class SnapshotStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """status of a VolumeSnapshot."""

    bound_volume_snapshot_content_name: str | None = None
    creation_time: str | None = None
    ready_to_use: bool | None = None
    restore_size: int | str | None = None
    error: SnapshotError | None = None
    volume_group_snapshot_name: str | None = None


class VolumeSnapshot(Object, frozen=True, gc=False):
    """A snapshot: a volume's content of one moment, as a user has it."""

    spec: SnapshotSpec = SnapshotSpec()
    status: SnapshotStatus = SnapshotStatus()

    @property
    def bound_content(self) -> str:
        """The name of the content that it is bound to; "" for none."""
        return self.status.bound_volume_snapshot_content_name or ""

    @property
    def restore_bytes(self) -> int | None:
        """The least size of a volume that it is restored to; None while it is not known."""
        size = self.status.restore_size
        return size if size is None or isinstance(size, int) else quantity.whole(size)


class ContentSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where a content comes from: a volume that a snapshot is to be taken of, or a snapshot that is there."""

    volume_handle: str | None = None
    snapshot_handle: str | None = None


class ContentSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec of a VolumeSnapshotContent."""

    driver: str = ""
    deletion_policy: str = DeletionPolicy.RETAIN
    source: ContentSource = ContentSource()
    source_volume_mode: str | None = None
    volume_snapshot_class_name: str | None = None
    volume_snapshot_ref: ObjectReference = ObjectReference()


class ContentStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """status of a VolumeSnapshotContent. The time is in nanoseconds since 1970."""

    snapshot_handle: str | None = None
    creation_time: int | None = None
    ready_to_use: bool | None = None
    restore_size: int | None = None
    error: SnapshotError | None = None
    volume_group_snapshot_handle: str | None = None


class VolumeSnapshotContent(Object, frozen=True, gc=False):
    """A snapshot as the storage has it."""

    spec: ContentSpec = ContentSpec()
    status: ContentStatus = ContentStatus()

    def belongs_to(self, snapshot: VolumeSnapshot) -> bool:
        """Whether it points at this very snapshot, UID and all."""
        reference = self.spec.volume_snapshot_ref
        return (reference.namespace, reference.name, reference.uid) == (
            snapshot.namespace,
            snapshot.name,
            snapshot.uid,
        )
