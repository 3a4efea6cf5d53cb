"""What each write changes, as a merge patch; None where it would change nothing. Pure.

The four writes of a binding, in their order: `reserve`, `controllers.phases.volume_phase`, `name_volume`,
`claim_status`. Undoing one is `unreserve`, `volume_phase`.
"""

from typing import Final

import msgspec

from controllers.references import reference_to
from model import names, quantity
from model.meta import JSON
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim
from storage.binding import reserved_for

_YES: Final = "yes"


def reserve(volume: PersistentVolume, claim: PersistentVolumeClaim) -> JSON | None:
    """The volume points at the claim, with its UID: nobody else can get it any more."""
    fits = reserved_for(volume, claim)
    if fits and volume.spec.claim_ref is not None and volume.spec.claim_ref.uid == claim.uid:
        return None
    patch: JSON = {"spec": {"claimRef": msgspec.to_builtins(reference_to(claim))}}
    if not fits:  # our choice, not the user's
        patch["metadata"] = {"annotations": {names.BOUND_BY_CONTROLLER: _YES}}
    return patch


def unreserve(volume: PersistentVolume) -> JSON | None:
    """The volume points nowhere, or, where the user wrote the reference, at nobody in particular."""
    if volume.spec.claim_ref is None:
        return None
    if names.BOUND_BY_CONTROLLER in volume.annotations:
        return {"spec": {"claimRef": None}, "metadata": {"annotations": {names.BOUND_BY_CONTROLLER: None}}}
    return {"spec": {"claimRef": {"uid": None}}} if volume.spec.claim_ref.uid else None


def name_volume(claim: PersistentVolumeClaim, volume: PersistentVolume) -> JSON | None:
    """The claim names the volume, and is bound for good."""
    patch: JSON = {}
    annotations: JSON = {}
    if claim.spec.volume_name != volume.name:
        patch["spec"] = {"volumeName": volume.name}
        annotations[names.BOUND_BY_CONTROLLER] = _YES
    if names.BIND_COMPLETED not in claim.annotations:
        annotations[names.BIND_COMPLETED] = _YES
    if annotations:
        patch["metadata"] = {"annotations": annotations}
    return patch or None


def claim_status(claim: PersistentVolumeClaim, volume: PersistentVolume) -> JSON | None:
    """The claim is Bound and says what it got.

    Its capacity is written with the phase only: later it may rightly be less than the volume's, until the file system
    has grown. The attributes class belongs to the resizer once the claim was Bound.
    """
    status: JSON = {}
    if (claim.status.access_modes or ()) != (volume.spec.access_modes or ()):
        status["accessModes"] = list(volume.spec.access_modes or ())
    if claim.status.phase != ClaimPhase.BOUND:
        status["phase"] = ClaimPhase.BOUND
        status["capacity"] = _capacity(volume)
        if claim.status.phase == ClaimPhase.PENDING and volume.spec.volume_attributes_class_name:
            status["currentVolumeAttributesClassName"] = volume.spec.volume_attributes_class_name
    return {"status": status} if status else None


def unsettled_status(claim: PersistentVolumeClaim, phase: ClaimPhase) -> JSON | None:
    """The claim is Pending or Lost, and has nothing."""
    status = claim.status
    nothing = not (status.access_modes or status.capacity or status.current_volume_attributes_class_name)
    if status.phase == phase and nothing:
        return None
    cleared = {"accessModes": None, "capacity": None, "currentVolumeAttributesClassName": None}
    return {"status": {"phase": phase, **cleared}}


def assign_class(storage_class: str) -> JSON:
    """The claim names this class."""
    return {"spec": {"storageClassName": storage_class}}


def ask_provisioner(claim: PersistentVolumeClaim, provisioner: str) -> JSON | None:
    """The claim says who is expected to make its volume, under both keys."""
    if claim.annotations.get(names.STORAGE_PROVISIONER) == provisioner:
        return None
    keys = (names.STORAGE_PROVISIONER, names.BETA_STORAGE_PROVISIONER)
    return {"metadata": {"annotations": dict.fromkeys(keys, provisioner)}}


def _capacity(volume: PersistentVolume) -> JSON:
    """What the claim has: the volume's capacity, or what it was before a growth that the node has still to finish."""
    capacity: JSON = dict(volume.spec.capacity or {})
    before = volume.annotations.get(names.PRE_RESIZE_CAPACITY)
    if before is not None:
        try:
            capacity["storage"] = quantity.canonical(before)
        except quantity.QuantityError:
            return capacity
    return capacity
