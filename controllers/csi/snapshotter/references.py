"""How a VolumeSnapshot, its content and its claim find one another. Pure."""

from typing import Final

from model.meta import ObjectReference
from model.resources import SNAPSHOTS
from model.snapshots import VolumeSnapshot, VolumeSnapshotContent
from model.volumes import ClaimPhase, PersistentVolumeClaim
from storage.data_source import source_of

_CONTENT_PREFIX: Final = "snapcontent-"
_SNAPSHOT_PREFIX: Final = "snapshot-"


def content_name(snapshot: VolumeSnapshot) -> str:
    """The content that it is bound to, or else the one that it is to be bound to."""
    source = snapshot.spec.source
    return snapshot.bound_content or source.volume_snapshot_content_name or made_content_name(snapshot)


def made_content_name(snapshot: VolumeSnapshot) -> str:
    """The name of the content that is made for it: made twice, it is made once."""
    return f"{_CONTENT_PREFIX}{snapshot.uid}"


def name_for_driver(content: VolumeSnapshotContent) -> str:
    """The name by which the driver makes it: asked twice, it is made once."""
    return f"{_SNAPSHOT_PREFIX}{content.spec.volume_snapshot_ref.uid}"


def snapshot_key(content: VolumeSnapshotContent) -> str:
    """The key of the snapshot that a content is for."""
    reference = content.spec.volume_snapshot_ref
    return f"{reference.namespace}/{reference.name}"


def claim_key(snapshot: VolumeSnapshot) -> str:
    """The key of the claim that it is taken of; "" for one of a content that was there before."""
    name = snapshot.spec.source.persistent_volume_claim_name
    return f"{snapshot.namespace}/{name}" if name else ""


def restored_key(claim: PersistentVolumeClaim) -> str:
    """The key of the snapshot that a claim waits to be filled from; "" for none."""
    source = source_of(claim) if claim.status.phase == ClaimPhase.PENDING else None
    if source is None or (source.kind, source.api_group) != (SNAPSHOTS.kind, SNAPSHOTS.group):
        return ""
    return f"{source.namespace}/{source.name}"


def reference_to(snapshot: VolumeSnapshot) -> ObjectReference:
    """A content's reference to it, complete."""
    return ObjectReference(
        kind=SNAPSHOTS.kind,
        api_version=SNAPSHOTS.api_version,
        namespace=snapshot.namespace,
        name=snapshot.name,
        uid=snapshot.uid,
        resource_version=snapshot.metadata.resource_version,
    )
