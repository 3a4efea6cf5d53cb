"""What can be done about a VolumeSnapshot, and about the objects that it needs: one write each."""

from dataclasses import dataclass
from enum import StrEnum

from model.meta import JSON
from model.snapshots import VolumeSnapshot, VolumeSnapshotContent
from model.volumes import PersistentVolumeClaim


class Reason(StrEnum):
    """The reasons of events, as the users of snapshots know them."""

    CREATING = "CreatingSnapshot"
    CREATED = "SnapshotCreated"
    READY = "SnapshotReady"
    NO_CLASS = "GetSnapshotClassFailed"
    NO_DEFAULT_CLASS = "SetDefaultSnapshotClassFailed"
    NOT_MADE = "SnapshotContentCreationFailed"
    CONTENT_MISSING = "SnapshotContentMissing"
    CONTENT_MISMATCH = "SnapshotContentMismatch"
    CONTENT_MISBOUND = "SnapshotContentMisbound"
    MISBOUND = "SnapshotMisbound"
    DELETE_PENDING = "SnapshotDeletePending"


@dataclass(frozen=True)
class Nothing:
    """All is as it is to be, or somebody else is waited for."""


@dataclass(frozen=True)
class SetClass:
    """Write the default class into the snapshot."""

    snapshot: VolumeSnapshot
    class_name: str


@dataclass(frozen=True)
class Hold:
    """Put a finalizer on the snapshot."""

    snapshot: VolumeSnapshot
    finalizer: str


@dataclass(frozen=True)
class HoldClaim:
    """Put ours on the claim that the snapshot is to be taken of."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True)
class MakeContent:
    """Make the content, for which the driver makes the snapshot."""

    snapshot: VolumeSnapshot
    body: JSON


@dataclass(frozen=True)
class Bind:
    """Point a content that was there before at the snapshot that names it."""

    snapshot: VolumeSnapshot
    content: VolumeSnapshotContent


@dataclass(frozen=True)
class Tell:
    """Write into the snapshot's status what its content says."""

    snapshot: VolumeSnapshot
    content: VolumeSnapshotContent


@dataclass(frozen=True)
class Fail:
    """Write into the snapshot's status what is wrong, and look again later."""

    snapshot: VolumeSnapshot
    reason: Reason
    message: str
    absent: str = ""
    """The content that is taken not to be there: to be made sure of first."""


@dataclass(frozen=True)
class Postpone:
    """The snapshot is to go, and can not yet."""

    snapshot: VolumeSnapshot
    message: str


@dataclass(frozen=True)
class Release:
    """Mark the content: its snapshot is deleted, and what the policy says may be done."""

    content: VolumeSnapshotContent


@dataclass(frozen=True)
class DeleteContent:
    """Delete the content, which takes the storage's snapshot along."""

    content: VolumeSnapshotContent


@dataclass(frozen=True)
class LetGo:
    """Take finalizers off the snapshot."""

    snapshot: VolumeSnapshot
    finalizers: tuple[str, ...]
    absent: str = ""
    """The content that is taken not to be there, or to be another's: to be made sure of first."""


Action = (
    Nothing
    | SetClass
    | Hold
    | HoldClaim
    | MakeContent
    | Bind
    | Tell
    | Fail
    | Postpone
    | Release
    | DeleteContent
    | LetGo
)
