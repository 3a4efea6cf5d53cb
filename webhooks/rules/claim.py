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
from webhooks.rules.rule import Effect, Operation, Review
from webhooks.rules.volume import both_classes

ClaimReview = Review[PersistentVolumeClaim]

CLASS_FIELD = ("spec", "storageClassName")


def class_annotation(review: ClaimReview, _facts: Facts) -> Iterator[Effect]:
    """Move the class from the deprecated annotation, which wins wherever it is read, into the field."""
    wanted, field = review.subject.annotations.get(BETA_STORAGE_CLASS), review.subject.spec.storage_class_name
    if wanted is None or (review.old is not None and not _was_moved(review.old, wanted)):
        return
    if review.operation is Operation.CREATE and field not in (None, wanted):
        yield both_classes(wanted, field)
    yield from put(review.raw, CLASS_FIELD, wanted)
    yield from drop(review.raw, ("metadata", "annotations", BETA_STORAGE_CLASS))


def _was_moved(stored: PersistentVolumeClaim, wanted: str) -> bool:
    """Whether the stored claim has the annotation's class in its field. One that lives by the annotation keeps it."""
    return BETA_STORAGE_CLASS not in stored.annotations and stored.spec.storage_class_name == wanted


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
    volume = facts.volume(claim.spec.volume_name) if claim.spec.volume_name else None
    if volume is None or volume.deleting or BETA_STORAGE_CLASS in claim.annotations:
        return
    if claim.storage_class == volume.storage_class or not _is_unchosen(claim.spec.storage_class_name, facts):
        return
    if stored is None or stored.spec.storage_class_name == volume.storage_class:
        yield from put(review.raw, CLASS_FIELD, volume.storage_class)


def _is_unchosen(class_name: str | None, facts: Facts) -> bool:
    default = default_class(facts.storage_classes())
    return class_name is None or (default is not None and class_name == default.name)
