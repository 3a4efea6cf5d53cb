"""How PersistentVolumeClaims are brought into their current form. Refusals and warnings: claim_checks.py.

Nearly all of a claim is immutable. On updates such a field is put back to what is stored if the request means the
same, and left to the server's refusal otherwise; claims older than the webhook stay as they are.
"""

from collections.abc import Iterator

from model.names import BETA_STORAGE_CLASS, BIND_COMPLETED, BOUND_BY_CONTROLLER
from model.volumes import PersistentVolumeClaim
from storage.classes import default_class
from webhooks.rules.facts import Facts
from webhooks.rules.normal import distinct, whole_bytes
from webhooks.rules.patch import drop, put
from webhooks.rules.rule import Effect, Review
from webhooks.rules.volume import annotation_moved, both_classes

ClaimReview = Review[PersistentVolumeClaim]

CLASS_FIELD = ("spec", "storageClassName")


def class_annotation(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Move the class from the deprecated annotation, which wins wherever it is read, into the field."""
    claim, stored = review.subject, review.old
    wanted, field = claim.annotations.get(BETA_STORAGE_CLASS), claim.spec.storage_class_name
    if wanted is None:
        return
    if stored is None:
        if field not in (None, wanted):
            yield both_classes(wanted, field)
        yield from put(review.raw, CLASS_FIELD, wanted)
    elif stored.annotations.get(BETA_STORAGE_CLASS) == stored.spec.storage_class_name == wanted:
        yield from put(review.raw, CLASS_FIELD, wanted)  # copied once, and kept
        return
    elif _means_stored_class(stored, wanted, _class_of_volume(claim, wanted, facts)):
        yield from put(review.raw, CLASS_FIELD, stored.spec.storage_class_name)
    else:
        return  # a stored claim that lives by the annotation keeps it
    yield from annotation_moved(review.raw, BETA_STORAGE_CLASS, facts)


def _means_stored_class(stored: PersistentVolumeClaim, *wanted: str | None) -> bool:
    """Whether the annotation was moved into the stored claim's field, perhaps to follow its volume's class since."""
    name = stored.spec.storage_class_name
    return name is not None and name in wanted and BETA_STORAGE_CLASS not in stored.annotations


def access_modes(review: ClaimReview, _facts: Facts) -> Iterator[Effect]:
    """Keep the first occurrence of each access mode."""
    modes = distinct(review.subject.spec.access_modes or ())
    if modes and (review.old is None or modes == list(review.old.spec.access_modes or ())):
        yield from put(review.raw, ("spec", "accessModes"), modes)


def whole_request(review: ClaimReview, _facts: Facts) -> Iterator[Effect]:
    """Round a size with a fraction of a byte: down for requests, so that volumes rounded up still fit; limits up.

    A request with a source goes up: one byte less than the snapshot's size is refused.
    """
    spec = review.subject.spec
    has_source = spec.data_source is not None or spec.data_source_ref is not None
    for kind, up in (("requests", has_source), ("limits", True)):
        size = _size(review.subject, kind)
        if size is not None and (review.old is None or size != _size(review.old, kind)):
            yield from put(review.raw, ("spec", "resources", kind, "storage"), whole_bytes(size, up=up))


def _size(claim: PersistentVolumeClaim, kind: str) -> str | None:
    resources = claim.spec.resources
    return ((resources.requests if kind == "requests" else resources.limits) or {}).get("storage")


def stale_binding(review: ClaimReview, _facts: Facts) -> Iterator[Effect]:
    """Remove the binder's marks from a new claim: it can not be bound yet, and with them it goes to Lost."""
    for key in (BIND_COMPLETED, BOUND_BY_CONTROLLER):
        yield from drop(review.raw, ("metadata", "annotations", key))


def prebound_class(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Give a claim that names a volume, and whose class nobody chose, the volume's class.

    The server fills in the default class even then, and a claim never binds to a volume of another class.
    """
    claim, stored = review.subject, review.old
    wanted = _class_of_volume(claim, claim.spec.storage_class_name, facts)
    if wanted is None or wanted == claim.storage_class or BETA_STORAGE_CLASS in claim.annotations:
        return
    if stored is None or stored.spec.storage_class_name == wanted:
        yield from put(review.raw, CLASS_FIELD, wanted)


def _class_of_volume(claim: PersistentVolumeClaim, class_name: str | None, facts: Facts) -> str | None:
    """The class of the volume that the claim names; None if none is named, or `class_name` is somebody's choice."""
    volume = facts.volume(claim.spec.volume_name) if claim.spec.volume_name else None
    default = default_class(facts.storage_classes())
    is_chosen = class_name is not None and (default is None or class_name != default.name)
    return None if volume is None or volume.deleting or is_chosen else volume.storage_class
