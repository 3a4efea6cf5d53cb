"""Rules of StorageClasses, and of snapshot classes, that an operator must ask for."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from model.csi import VolumeSnapshotClass
from model.names import DEFAULT_SNAPSHOT_CLASS
from model.volumes import BindingMode, StorageClass
from webhooks.rules.facts import Facts
from webhooks.rules.patch import put, rename
from webhooks.rules.policy import ANY
from webhooks.rules.rule import Denial, Effect, Operation, Review
from webhooks.rules.storage_class import FSTYPE, IN_TREE, RESERVED, spelt, stored_parameters

ClassReview = Review[StorageClass]
SnapshotClassReview = Review[VolumeSnapshotClass]

DEPRECATED: Final = {
    "fstype": FSTYPE,
    **{
        f"{old}Secret{half}": f"{RESERVED}{new}secret-{half.lower()}"
        for old, new in (
            ("csiProvisioner", "provisioner-"),
            ("csiControllerPublish", "controller-publish-"),
            ("csiNodeStage", "node-stage-"),
            ("csiNodePublish", "node-publish-"),
        )
        for half in ("Name", "Namespace")
    },
}
"""Parameter keys that external-provisioner once read, and those that it reads now."""


def binding_mode(review: ClassReview, facts: Facts) -> Iterator[Effect]:
    """Let classes of the listed provisioners wait for a consumer."""
    if _listed(review, facts.policy.waiting) and _restores(
        review, lambda each: each.volume_binding_mode == BindingMode.WAIT_FOR_FIRST_CONSUMER
    ):
        yield from put(review.raw, ("volumeBindingMode",), BindingMode.WAIT_FOR_FIRST_CONSUMER.value)


def reclaim_policy(review: ClassReview, facts: Facts) -> Iterator[Effect]:
    """Let classes of the listed provisioners retain their volumes."""
    if _listed(review, facts.policy.retaining) and _restores(review, lambda each: each.reclaim_policy == "Retain"):
        yield from put(review.raw, ("reclaimPolicy",), "Retain")


def expansion(review: ClassReview, facts: Facts) -> Iterator[Effect]:
    """Let classes of the listed provisioners allow expansion where they do not say."""
    unsaid = review.subject.allow_volume_expansion is None and _restores(review, _expands)
    if unsaid and _listed(review, facts.policy.expanding):
        yield from put(review.raw, ("allowVolumeExpansion",), value=True)


def _expands(storage_class: StorageClass) -> bool:
    return storage_class.allow_volume_expansion is True


def _restores(review: ClassReview, has: Callable[[StorageClass], bool]) -> bool:
    """Whether the class is new, or its manifest comes again: what is stored is what this made of it."""
    return review.old is None or has(review.old)


def _listed(review: ClassReview, provisioners: tuple[str, ...]) -> bool:
    return ANY in provisioners or review.subject.provisioner in provisioners


def deprecated_keys(review: ClassReview, _facts: Facts) -> Iterator[Effect]:
    """Give parameters under keys of old provisioners the keys that are read now."""
    if review.operation is Operation.UPDATE:
        yield from stored_parameters(review, _current)
        return
    parameters = review.subject.parameters or {}
    rivals = Counter(_current(key) for key in parameters)
    for key in parameters:
        current = _current(key)
        if current != key and rivals[current] == 1 and not review.subject.provisioner.startswith(IN_TREE):
            yield rename(("parameters",), key, current)


def _current(key: str) -> str:
    return DEPRECATED.get("fstype" if key.lower() == "fstype" else key, spelt(key))


def snapshot_default(review: SnapshotClassReview, facts: Facts) -> Iterator[Effect]:
    """Refuse a second default VolumeSnapshotClass of one driver."""
    subject, old = review.subject, review.old
    if not _is_default(subject) or (old is not None and _is_default(old) and old.driver == subject.driver):
        return
    for other in facts.snapshot_classes():
        if other.name != subject.name and other.driver == subject.driver and _is_default(other):
            yield Denial(
                f"VolumeSnapshotClass {other.name} is already the default of driver {subject.driver}; "
                f"take its annotation {DEFAULT_SNAPSHOT_CLASS} away first",
                f"metadata.annotations[{DEFAULT_SNAPSHOT_CLASS}]",
            )
            return


def _is_default(snapshot_class: VolumeSnapshotClass) -> bool:
    return snapshot_class.annotations.get(DEFAULT_SNAPSHOT_CLASS) == "true"
