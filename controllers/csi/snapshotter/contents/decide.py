"""What to have the driver do about a VolumeSnapshotContent.

Rule: "Volume Snapshots" in the Kubernetes concept pages, and the sidecar that it describes. The storage's snapshot is
deleted only with the mark that its VolumeSnapshot is deleted, and only when no call that makes it may be under way: the
mark `being created` goes on before such a call, and comes off when its outcome is known.
"""

from dataclasses import dataclass

from controllers.finalizers import holds, holds_up
from model.names import CONTENT_BEING_CREATED, CONTENT_BEING_DELETED, CONTENT_PROTECTION
from model.snapshots import DeletionPolicy, VolumeSnapshotContent


@dataclass(frozen=True)
class Nothing:
    """All is done, or somebody else is waited for."""


@dataclass(frozen=True)
class Take:
    """Have the snapshot taken, or see how far it is: the same call does both."""

    content: VolumeSnapshotContent
    volume: str
    """The driver's name for the volume."""


@dataclass(frozen=True)
class Look:
    """Ask how a snapshot is that was there before."""

    content: VolumeSnapshotContent
    handle: str


@dataclass(frozen=True)
class Settle:
    """Take the mark off: the snapshot is ready, so no call is under way."""

    content: VolumeSnapshotContent


@dataclass(frozen=True)
class Destroy:
    """Delete the storage's snapshot, for good."""

    content: VolumeSnapshotContent
    handle: str


@dataclass(frozen=True)
class LetGo:
    """Take the finalizer off: on the storage is nothing, or what is to stay."""

    content: VolumeSnapshotContent


Action = Nothing | Take | Look | Settle | Destroy | LetGo


def decide(content: VolumeSnapshotContent) -> Action:
    """What to do about a content of our driver."""
    if not holds(content, CONTENT_PROTECTION):
        return Nothing()  # without it the content could vanish from under its snapshot
    if may_go(content):
        handle = content.status.snapshot_handle
        if handle and content.spec.deletion_policy == DeletionPolicy.DELETE:
            return Destroy(content, handle)
        return LetGo(content)
    if content.status.ready_to_use and content.status.snapshot_handle:
        return Settle(content) if is_being_created(content) else Nothing()
    source = content.spec.source
    if source.volume_handle is not None:
        return Take(content, source.volume_handle)
    if source.snapshot_handle is not None:
        return Look(content, source.snapshot_handle)
    return Nothing()


def may_go(content: VolumeSnapshotContent) -> bool:
    """Whether it is on its way out and needs nothing more but what its policy says.

    One that was there before and never bound has no snapshot whose end could be waited for.
    """
    if not holds_up(content, CONTENT_PROTECTION):
        return False
    never_bound = content.spec.source.snapshot_handle is not None and not content.spec.volume_snapshot_ref.uid
    return never_bound or (CONTENT_BEING_DELETED in content.annotations and not is_being_created(content))


def is_being_created(content: VolumeSnapshotContent) -> bool:
    """Whether a call that makes it may be under way."""
    return CONTENT_BEING_CREATED in content.annotations


def is_settled(content: VolumeSnapshotContent) -> bool:
    """Whether nothing is left to do before somebody changes it."""
    return isinstance(decide(content), Nothing)
