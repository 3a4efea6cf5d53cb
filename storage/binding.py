"""Which volume satisfies a claim that names none, and what forbids a pair that a user joined by hand.

The binder, which knows no node, and whoever schedules, who does, share these rules; their differences are arguments.
Rule: "Binding" in the Kubernetes concept page on persistent volumes, and the matching order of both components.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum

from model.selectors import Labels
from model.volumes import PersistentVolume, PersistentVolumeClaim, VolumePhase
from storage.topology import reachable


class Mismatch(StrEnum):
    """Why a volume can not serve the claim that names it."""

    DELETING = "volume is being deleted"
    SIZE = "requested PV is too small"
    CLASS = "storageClassName does not match"
    ATTRIBUTES_CLASS = "volumeAttributesClassName does not match"
    VOLUME_MODE = "incompatible volumeMode"
    ACCESS_MODES = "incompatible accessMode"


def reserved_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether claimRef is for this claim: same namespace and name, and the claim's UID or none yet."""
    reference = volume.spec.claim_ref
    return (
        reference is not None
        and (reference.namespace, reference.name) == (claim.namespace, claim.name)
        and reference.uid in ("", claim.uid)
    )


def suits(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """What must hold even for a reserved volume: size, volume mode, attributes class, and that it is to stay."""
    return (
        volume.capacity_nanos >= claim.requested_nanos
        and volume.volume_mode == claim.volume_mode
        and _attributes_class(volume) == _attributes_class(claim)
        and not volume.deleting
    )


def takeable(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """What must hold besides for a volume that nobody reserved: it is Available and the claim's selector takes it."""
    selector = claim.spec.selector
    return volume.status.phase == VolumePhase.AVAILABLE and (selector is None or selector.matches(volume.labels))


def smallest_match(
    claim: PersistentVolumeClaim,
    volumes: Iterable[PersistentVolume],
    *,
    delay_binding: bool = False,
    node_labels: Labels | None = None,
    exclude: Collection[str] = (),
) -> PersistentVolume | None:
    """The volume that the claim gets of these, or None.

    A reserved one ends the search, whatever its class, phase or labels; of the others the smallest wins, and among
    equals the first. With `node_labels` (whoever schedules) a volume must reach that node and offer the access
    modes, and a reserved one that does not reach it means no match at all. `delay_binding` (the binder, for a class
    that waits) leaves all but reserved volumes to whoever schedules. Names in `exclude` are taken already.
    """
    best: PersistentVolume | None = None
    for volume in volumes:
        reserved = reserved_for(volume, claim)
        if volume.name in exclude or (volume.spec.claim_ref is not None and not reserved) or not suits(volume, claim):
            continue
        if reserved:
            return volume if node_labels is None or reachable(volume, node_labels) else None
        if delay_binding or not _free_for(volume, claim, node_labels):
            continue
        if best is None or volume.capacity_nanos < best.capacity_nanos:
            best = volume
    return best


def by_access_modes(claim: PersistentVolumeClaim, mode_sets: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """The sets of access modes that contain what the claim asks, fewest modes first: the binder tries them in turn.

    The first set that yields a volume wins; larger ones are not compared.
    """
    return sorted(
        (modes for modes in mode_sets if modes >= claim.access_modes), key=lambda modes: (len(modes), *sorted(modes))
    )


def volume_mismatch(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Mismatch | None:
    """What forbids a claim the free volume that it names; None when it may have it.

    Selector, phase, node affinity and binding mode are not asked: naming the volume was the user's choice. Sizes
    compare in whole bytes here.
    """
    if volume.deleting:
        return Mismatch.DELETING
    if _whole_bytes(volume.capacity_nanos) < _whole_bytes(claim.requested_nanos):
        return Mismatch.SIZE
    if volume.storage_class != claim.storage_class:
        return Mismatch.CLASS
    if _attributes_class(volume) != _attributes_class(claim):
        return Mismatch.ATTRIBUTES_CLASS
    if volume.volume_mode != claim.volume_mode:
        return Mismatch.VOLUME_MODE
    if not volume.access_modes >= claim.access_modes:
        return Mismatch.ACCESS_MODES
    return None


def _free_for(volume: PersistentVolume, claim: PersistentVolumeClaim, node_labels: Labels | None) -> bool:
    if volume.storage_class != claim.storage_class or not takeable(volume, claim):
        return False
    # The binder has grouped by access modes already.
    return node_labels is None or (reachable(volume, node_labels) and volume.access_modes >= claim.access_modes)


def _attributes_class(object_: PersistentVolume | PersistentVolumeClaim) -> str:
    return object_.spec.volume_attributes_class_name or ""


def _whole_bytes(nanos: int) -> int:
    return -(-nanos // 10**9)
