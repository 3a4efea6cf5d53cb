"""What is refused or warned of in PersistentVolumeClaims: such as would wait for ever, or come up empty.

Missing classes and volumes are warned of only: they may be created after the claim.
"""

from collections.abc import Iterator
from typing import Final

from model import quantity
from model.names import NO_PROVISIONER
from model.quantity import QuantityError
from model.volumes import PersistentVolume, PersistentVolumeClaim
from storage.binding import takeable
from storage.capacity import is_checked, is_sufficient, request_bytes
from storage.grants import is_granted
from webhooks.rules.facts import Facts, GrantsNeed, Need
from webhooks.rules.rule import Denial, Effect, Review, Warn

ClaimReview = Review[PersistentVolumeClaim]

TINY_BYTES: Final = 2**20
SOURCE_NAMESPACE: Final = "spec.dataSourceRef.namespace"
REQUEST: Final = "spec.resources.requests.storage"


def cross_namespace_source(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """A source in another namespace needs that namespace's grant.

    Runs before the server's validation too: where the feature is off, the server drops the source silently then.
    """
    claim, source = review.subject, review.subject.spec.data_source_ref
    if source is None or not source.namespace or source.namespace == claim.namespace or not facts.complete:
        return
    named = f"dataSourceRef names {source.kind} {source.namespace}/{source.name}"
    grants = facts.grants(source.namespace)
    if grants is None:
        yield Warn(f"{named}, but this cluster has no ReferenceGrants that could allow it", SOURCE_NAMESPACE)
    elif not is_granted(claim.namespace, source, grants):
        yield Denial(
            f"{named}, but no ReferenceGrant in namespace {source.namespace} lets claims of namespace "
            f"{claim.namespace} use it",
            SOURCE_NAMESPACE,
        )


def cross_namespace_needs(review: ClaimReview, _facts: Facts) -> Iterator[Need]:
    """The grants of the source's namespace, read live."""
    source = review.subject.spec.data_source_ref
    if source is not None and source.namespace and source.namespace != review.subject.namespace:
        yield GrantsNeed(source.namespace)


def prebound_mode(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Raw blocks and file systems never meet."""
    claim, volume = review.subject, _named_volume(review.subject, facts)
    if volume is not None and volume.volume_mode != claim.volume_mode:
        yield Denial(
            f"volumeMode {claim.volume_mode} can never bind to PersistentVolume {volume.name} with volumeMode "
            f"{volume.volume_mode}; both are immutable",
            "spec.volumeMode",
        )


def volume_reserved(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """The wanted volume is kept for another claim. No refusal: hand-overs create the new claim first."""
    claim, volume = review.subject, _named_volume(review.subject, facts)
    reference = volume.spec.claim_ref if volume else None
    if volume is None or reference is None:
        return
    if (reference.namespace, reference.name) != (claim.namespace, claim.name):
        message = f"PersistentVolume {volume.name} is reserved for claim {reference.namespace}/{reference.name}"
        yield Warn(message, "spec.volumeName")


def prebound_mismatch(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """The wanted volume exists, but is not what the claim asks for."""
    claim, volume = review.subject, _named_volume(review.subject, facts)
    reasons = [] if volume is None else list(_mismatches(claim, volume))
    if volume is not None and reasons:
        yield Warn(f"claim does not fit PersistentVolume {volume.name}: {', '.join(reasons)}", "spec.volumeName")


def _mismatches(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Iterator[str]:
    wanted, offered = requested_size(claim), (volume.spec.capacity or {}).get("storage", "0")
    if _nanos(wanted) > _nanos(offered):
        yield f"{wanted} requested, {offered} offered"
    missing = sorted(claim.access_modes - volume.access_modes)
    if missing:
        yield f"no access mode {' or '.join(missing)}"
    if claim.storage_class != volume.storage_class:
        yield f'class "{claim.storage_class}" is not "{volume.storage_class}"'


def unknown_class(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """A class that is neither an object nor a name shared with hand-made volumes."""
    name = review.subject.storage_class
    if review.subject.spec.volume_name or not name or not facts.complete:
        return
    if facts.storage_class(name) is None and not facts.volumes_of_class(name):
        message = f'StorageClass "{name}" does not exist and no PersistentVolume has that class'
        yield Warn(message, "spec.storageClassName")


def tiny_request(review: ClaimReview, _facts: Facts) -> Iterator[Effect]:
    """A size without its unit."""
    requested = requested_size(review.subject)
    if not review.subject.spec.volume_name and 0 < _nanos(requested) < TINY_BYTES * quantity.NANO:
        yield Warn(f"request of {requested} is less than 1Mi; was a unit such as Mi or Gi meant?", REQUEST)


def selector_without_volume(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Provisioners refuse claims with a selector, so only a volume that is there can serve."""
    claim, name = review.subject, review.subject.storage_class
    storage_class = facts.storage_class(name)
    if claim.spec.volume_name or claim.spec.selector is None or storage_class is None or not facts.complete:
        return
    volumes = facts.volumes_of_class(name)
    if storage_class.provisioner != NO_PROVISIONER and not any(takeable(each, claim) for each in volumes):
        yield Warn(
            f"a claim with a selector is not provisioned dynamically and no available volume of class {name} "
            "matches it",
            "spec.selector",
        )


def exceeds_capacity(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """No segment has room for the volume at present, by what the driver publishes."""
    claim, requested = review.subject, requested_size(review.subject)
    storage_class = facts.storage_class(claim.storage_class)
    if storage_class is None or claim.spec.volume_name or not (facts.complete and _nanos(requested)):
        return
    published = facts.capacities(storage_class.name)
    size = request_bytes(claim) if is_checked(claim, facts.csi_driver(storage_class.provisioner)) else None
    if size is not None and published and not any(is_sufficient(each, size) for each in published):
        yield Warn(
            f"request of {requested} is larger than any volume class {storage_class.name} can provide at present",
            REQUEST,
        )


def requested_size(claim: PersistentVolumeClaim) -> str:
    """The size as it is written, "0" without one."""
    return (claim.spec.resources.requests or {}).get("storage", "0")


def _named_volume(claim: PersistentVolumeClaim, facts: Facts) -> PersistentVolume | None:
    return facts.volume(claim.spec.volume_name) if claim.spec.volume_name else None


def _nanos(text: str) -> int:
    """The quantity, 0 for what is none: the server refuses that in its own words."""
    try:
        return quantity.nanos(text)
    except QuantityError:
        return 0
