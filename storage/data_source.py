"""What a claim is to be filled from, and whether that can be done now.

Rule: "Volume cloning", "Volume snapshots" and "Cross namespace data sources" in the Kubernetes concept pages, as
external-provisioner tests them. A source that is not what it should be is never taken for an empty one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from model import quantity
from model.grants import ReferenceGrant
from model.names import SNAPSHOT_MODE_CHANGE, SNAPSHOT_RESTORE_PROTECTION
from model.resources import CLAIMS, SNAPSHOTS
from model.snapshots import VolumeSnapshot, VolumeSnapshotContent
from model.volumes import ClaimPhase, DataSource, PersistentVolume, PersistentVolumeClaim, VolumePhase
from storage.grants import is_granted

_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What Go's strconv.ParseBool reads as true."""


@dataclass(frozen=True)
class Known:
    """What there is, by key or name; None for what is not."""

    snapshot: Callable[[str], VolumeSnapshot | None]
    content: Callable[[str], VolumeSnapshotContent | None]
    claim: Callable[[str], PersistentVolumeClaim | None]
    volume: Callable[[str], PersistentVolume | None]
    grants: Callable[[str], Sequence[ReferenceGrant]] | None = None
    """The grants of a namespace; None where sources of other namespaces are not served at all."""


@dataclass(frozen=True)
class FromSnapshot:
    """The claim's volume is a restored snapshot."""

    snapshot: VolumeSnapshot
    content: VolumeSnapshotContent
    handle: str
    restore_bytes: int | None
    """The least size of the volume, where it is known."""


@dataclass(frozen=True)
class FromClaim:
    """The claim's volume is a copy of another claim's."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume
    handle: str


@dataclass(frozen=True)
class Foreign:
    """Something else fills the claim: a populator, for a kind of its own."""

    source: DataSource


@dataclass(frozen=True)
class Unusable:
    """The claim can not be filled from it, or not yet."""

    why: str


Filling = FromSnapshot | FromClaim | Foreign | Unusable


def source_of(claim: PersistentVolumeClaim) -> DataSource | None:
    """What the claim names as its source, with the namespace that is meant; None for an empty volume."""
    source = claim.spec.data_source or claim.spec.data_source_ref
    if source is None or not source.kind:
        return None
    namespace = source.namespace if source is claim.spec.data_source_ref else None
    return DataSource(source.kind, source.name, source.api_group, namespace or claim.namespace)


def filling(claim: PersistentVolumeClaim, driver: str, known: Known) -> Filling | None:
    """How the driver is to fill the claim's volume; None where it is to be empty."""
    source = source_of(claim)
    if source is None:
        return None
    group = source.api_group or ""
    if source.kind == SNAPSHOTS.kind and group != SNAPSHOTS.group:
        return Unusable(f"a {SNAPSHOTS.kind} is of group {SNAPSHOTS.group}, not {group!r}")
    if (source.kind, group) not in {(CLAIMS.kind, CLAIMS.group), (SNAPSHOTS.kind, SNAPSHOTS.group)}:
        return Foreign(source)
    why = _forbidden(claim, source, known)
    if why:
        return Unusable(why)
    if source.kind == SNAPSHOTS.kind:
        return _from_snapshot(claim, source, driver, known)
    return _from_claim(claim, source, driver, known)


def _forbidden(claim: PersistentVolumeClaim, source: DataSource, known: Known) -> str:
    """Why a source of another namespace is not to be had; "" where it is, and for one of the claim's own."""
    namespace = source.namespace or ""
    if namespace == claim.namespace:
        return ""
    if known.grants is None:
        return f"{_told(source)} is of another namespace, which is not served here"
    if not is_granted(claim.namespace, source, known.grants(namespace)):
        return f"no ReferenceGrant of namespace {namespace} lets claims of {claim.namespace} use {_told(source)}"
    return ""


# --- snapshots ---


def _from_snapshot(
    claim: PersistentVolumeClaim, source: DataSource, driver: str, known: Known
) -> FromSnapshot | Unusable:
    snapshot = known.snapshot(_key(source))
    if snapshot is None:
        return Unusable(f"there is no {_told(source)}")
    content = known.content(snapshot.bound_content) if snapshot.bound_content else None
    why = _snapshot_lacks(snapshot, content, driver)
    if why or content is None:
        return Unusable(f"{_told(source)} {why}")
    size = content.status.restore_size if snapshot.restore_bytes is None else snapshot.restore_bytes
    why = _too_small(claim, size) or _other_mode(claim, content)
    if why:
        return Unusable(f"{_told(source)} {why}")
    return FromSnapshot(snapshot, content, handle_of(content), size)


def handle_of(content: VolumeSnapshotContent) -> str:
    """The name that the driver has for the snapshot; "" while it is not known."""
    return content.status.snapshot_handle or ""


def _snapshot_lacks(snapshot: VolumeSnapshot, content: VolumeSnapshotContent | None, driver: str) -> str:
    """Why the snapshot can not be restored by the driver, whatever the claim; "" where it can."""
    if snapshot.deleting and SNAPSHOT_RESTORE_PROTECTION not in (snapshot.metadata.finalizers or ()):
        return "is being deleted"
    if not snapshot.bound_content:
        return "is not bound to a content yet"
    if content is None:
        return f"is bound to content {snapshot.bound_content}, which is not there"
    if not content.belongs_to(snapshot):
        return f"is bound to content {content.name}, which belongs to another snapshot"
    if content.spec.driver != driver:
        return f"is of driver {content.spec.driver}, not {driver}"
    if not snapshot.status.ready_to_use:
        return "is not ready to use"
    if not handle_of(content):
        return f"has no handle in content {content.name} yet"
    return ""


def _too_small(claim: PersistentVolumeClaim, least_bytes: int | None) -> str:
    if least_bytes is None or claim.requested_nanos >= least_bytes * quantity.NANO:
        return ""
    return f"needs a volume of {least_bytes} bytes, the claim requests {_requested(claim)}"


def _other_mode(claim: PersistentVolumeClaim, content: VolumeSnapshotContent) -> str:
    """Why it can not be restored to a volume of the claim's mode. A mode that nobody noted is not compared."""
    mode = content.spec.source_volume_mode
    if not mode or mode == claim.volume_mode or content.annotations.get(SNAPSHOT_MODE_CHANGE) in _TRUE:
        return ""
    return (
        f"is of a {mode} volume, the claim wants {claim.volume_mode}: "
        f"content {content.name} does not allow it by annotation {SNAPSHOT_MODE_CHANGE}"
    )


# --- claims ---


def _from_claim(claim: PersistentVolumeClaim, source: DataSource, driver: str, known: Known) -> FromClaim | Unusable:
    origin = known.claim(_key(source))
    if origin is None:
        return Unusable(f"there is no {_told(source)}")
    volume = known.volume(origin.spec.volume_name) if origin.spec.volume_name else None
    why = _claim_lacks(origin) or _differs(claim, origin) or _volume_lacks(origin, volume, driver)
    if why or volume is None or volume.spec.csi is None:
        return Unusable(f"{_told(source)} {why}")
    return FromClaim(origin, volume, volume.spec.csi.volume_handle)


def _claim_lacks(origin: PersistentVolumeClaim) -> str:
    if origin.deleting:
        return "is being deleted"
    if origin.status.phase != ClaimPhase.BOUND:
        return f"is {origin.status.phase}, not Bound"
    if origin.spec.storage_class_name is None:
        return "has no class"
    return ""


def _differs(claim: PersistentVolumeClaim, origin: PersistentVolumeClaim) -> str:
    if claim.spec.storage_class_name is None:
        return "can not be copied to a claim without a class"
    if claim.requested_nanos < origin.requested_nanos:
        return f"requests {_requested(origin)}, the copy must not request less: {_requested(claim)}"
    if claim.volume_mode != origin.volume_mode:
        return f"has volume mode {origin.volume_mode}, the copy wants {claim.volume_mode}"
    return ""


def _volume_lacks(origin: PersistentVolumeClaim, volume: PersistentVolume | None, driver: str) -> str:
    if volume is None:
        return f"is bound to volume {origin.spec.volume_name!r}, which is not there"
    if volume.spec.csi is None or volume.spec.csi.driver != driver:
        return f"has volume {volume.name}, which is not of driver {driver}"
    if not volume.belongs_to(origin):
        return f"has volume {volume.name}, which is not bound to it"
    if volume.status.phase != VolumePhase.BOUND:
        return f"has volume {volume.name}, which is {volume.status.phase}, not Bound"
    return ""


# --- words ---


def _key(source: DataSource) -> str:
    return f"{source.namespace}/{source.name}"


def _told(source: DataSource) -> str:
    return f"{source.kind} {_key(source)}"


def _requested(claim: PersistentVolumeClaim) -> str:
    return (claim.spec.resources.requests or {}).get("storage", "nothing")
