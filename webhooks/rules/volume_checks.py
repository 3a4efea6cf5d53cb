"""What is refused or warned of in PersistentVolumes: mistakes that show late, far away, or in lost data."""

from collections.abc import Iterator

from model.meta import ObjectReference
from model.names import PROVISIONED_BY
from model.volumes import PersistentVolume, PersistentVolumeClaim, VolumePhase
from storage.topology import reachable, required_affinity
from webhooks.rules.facts import Facts
from webhooks.rules.rule import Denial, Effect, Reason, Review, Warn

VolumeReview = Review[PersistentVolume]

_MANY = frozenset({"ReadWriteMany", "ReadOnlyMany"})


def claim_reference(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """A claimRef without namespace reserves the volume for nobody."""
    reference = review.subject.spec.claim_ref
    if _is_incomplete(reference) and not (review.old and _is_incomplete(review.old.spec.claim_ref)):
        claim = reference.name if reference else ""
        yield Denial(
            f"spec.claimRef.namespace is required: without it the volume can never be bound to claim {claim}",
            "spec.claimRef.namespace",
            Reason.INVALID,
        )


def _is_incomplete(reference: ObjectReference | None) -> bool:
    return reference is not None and bool(reference.name) and not reference.namespace


def duplicate_handle(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Two volumes on one disk of an attaching driver; one that is released or going may have a successor."""
    volume, csi = review.subject, review.subject.spec.csi
    handle = csi.volume_handle.strip() if csi else ""
    if csi is None or not handle:
        return
    twin = next((each for each in facts.volumes_with_handle(csi.driver, handle) if _holds_disk(each, volume)), None)
    if twin is None:
        return
    message = (
        f'volumeHandle "{handle}" of CSI driver {csi.driver} is already used by PersistentVolume {twin.name}; '
        "two volumes on one disk can be mounted read-write twice and corrupt data"
    )
    may_share = _is_shared(volume) and _is_shared(twin)
    field = "spec.csi.volumeHandle"
    yield Warn(message, field) if may_share or not _attaches(csi.driver, facts) else Denial(message, field)


def _holds_disk(other: PersistentVolume, volume: PersistentVolume) -> bool:
    gone = other.deleting or other.status.phase in (VolumePhase.RELEASED, VolumePhase.FAILED)
    return other.name != volume.name and not gone


def _is_shared(volume: PersistentVolume) -> bool:
    return bool(volume.access_modes) and volume.access_modes <= _MANY


def _attaches(driver: str, facts: Facts) -> bool:
    """Whether the driver is known to attach volumes; one without CSIDriver object does, by that API's default."""
    declared = facts.csi_driver(driver)
    return facts.complete if declared is None else declared.spec.attach_required is not False


def protected_path(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Directories that make their reader master of the node. Pod security never looks behind a claim."""
    for field, path in _host_paths(review.subject):
        wanted = _elements(path)
        for protected in facts.policy.protected_paths:
            shared = min(len(wanted), len(_elements(protected)))
            if path and wanted[:shared] == _elements(protected)[:shared]:
                yield Denial(
                    f"{field} {path} is a protected host path, lies below one or contains one ({protected}); "
                    "use a directory made for volumes",
                    field,
                )
                break


def _host_paths(volume: PersistentVolume) -> Iterator[tuple[str, str]]:
    if volume.spec.host_path is not None:
        yield "spec.hostPath.path", volume.spec.host_path.path
    if volume.spec.local is not None and isinstance(volume.spec.local.get("path"), str):
        yield "spec.local.path", volume.spec.local["path"]


def _elements(path: str) -> tuple[str, ...]:
    """The elements of a path, cleaned of `.`, `..` and doubled slashes; none for the root."""
    elements: list[str] = []
    for element in path.split("/"):
        if element == "..":
            del elements[-1:]
        elif element not in ("", "."):
            elements.append(element)
    return tuple(elements)


def claim_reference_moved(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """A volume in use handed to another namespace by hand: its claim turns Lost, its data changes owner.

    A reference with a uid passes: populators move bound volumes in just this way.
    """
    claim = claim_in_use(review.old, facts) if review.old else None
    if review.old is None or claim is None:
        return
    volume, new = review.old.name, review.subject.spec.claim_ref
    bound = f"PersistentVolume {volume} is bound to claim {claim.key}, which is still in use"
    if new is None:
        yield Warn(f"{bound}; without claimRef the claim will be Lost", "spec.claimRef")
    elif new.uid or (new.namespace, new.name) == (claim.namespace, claim.name):
        return
    elif new.namespace != claim.namespace:
        yield Denial(f"{bound}; claimRef must not be re-pointed to {new.namespace}/{new.name}", "spec.claimRef")
    else:
        message = f"{bound}; re-pointing claimRef to {new.namespace}/{new.name} will leave that claim Lost"
        yield Warn(message, "spec.claimRef")


def claim_in_use(volume: PersistentVolume, facts: Facts) -> PersistentVolumeClaim | None:
    """The claim that a bound volume serves, if it is there, stays, and knows of it."""
    reference = volume.spec.claim_ref
    if reference is None or volume.status.phase != VolumePhase.BOUND:
        return None
    claim = facts.claim(reference.namespace, reference.name)
    return claim if claim and not claim.deleting and claim.spec.volume_name == volume.name else None


def static_delete(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """Policy Delete on a volume that nobody provisioned."""
    volume = review.subject
    if volume.spec.persistent_volume_reclaim_policy == "Delete" and PROVISIONED_BY not in volume.annotations:
        yield Warn(
            f"reclaim policy Delete on PersistentVolume {volume.name}, which no provisioner made: "
            "after release it fails or its disk is removed; use Retain",
            "spec.persistentVolumeReclaimPolicy",
        )


def affinity_without_node(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """A volume that no node of today reaches."""
    volume, nodes = review.subject, facts.nodes()
    if not (facts.complete and nodes) or required_affinity(volume) is None:
        return
    if not any(reachable(volume, node.labels) for node in nodes):
        yield Warn(f"spec.nodeAffinity of PersistentVolume {volume.name} matches no node", "spec.nodeAffinity")


def delete_bound(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Deletion of a volume in use only begins, and can not be taken back."""
    volume, reference = review.subject, review.subject.spec.claim_ref
    if volume.status.phase != VolumePhase.BOUND or reference is None:
        return
    if facts.claim(reference.namespace, reference.name) is not None:
        yield Warn(
            f"PersistentVolume {volume.name} is still bound to claim {reference.namespace}/{reference.name}; "
            "it will stay Terminating until the claim is deleted and cannot be undeleted",
            "spec.claimRef",
        )
