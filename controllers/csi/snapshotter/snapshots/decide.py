"""What to do next about a VolumeSnapshot.

Rule: "Volume Snapshots" in the Kubernetes concept pages, and the snapshot controller that it describes. One thing
differs: a snapshot that was bound and whose content is gone is never taken anew, as it would show another moment than
it says.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import msgspec

from controllers.csi.snapshotter import parameters
from controllers.csi.snapshotter.references import claim_key, content_name, made_content_name, reference_to
from controllers.csi.snapshotter.snapshots.actions import (
    Action,
    Bind,
    DeleteContent,
    Fail,
    Hold,
    HoldClaim,
    LetGo,
    MakeContent,
    Nothing,
    Postpone,
    Reason,
    Release,
    SetClass,
    Tell,
)
from controllers.finalizers import holds, wants
from model.csi import VolumeSnapshotClass
from model.meta import JSON
from model.names import (
    CONTENT_BEING_DELETED,
    CONTENT_PROTECTION,
    DEFAULT_SNAPSHOT_CLASS,
    SNAPSHOT_BOUND_PROTECTION,
    SNAPSHOT_CLAIM_PROTECTION,
    SNAPSHOT_SECRET_NAME,
    SNAPSHOT_SECRET_NAMESPACE,
    SNAPSHOT_SOURCE_PROTECTION,
)
from model.snapshots import DeletionPolicy, VolumeSnapshot, VolumeSnapshotContent
from model.volumes import ClaimPhase, Csi, PersistentVolume, PersistentVolumeClaim
from plugins.errors import Failed


@dataclass(frozen=True)
class Known:
    """What there is, by name or key; None for what is not."""

    content: Callable[[str], VolumeSnapshotContent | None]
    claim: Callable[[str], PersistentVolumeClaim | None]
    volume: Callable[[str], PersistentVolume | None]
    classes: Callable[[], Collection[VolumeSnapshotClass]]
    restored_by: Callable[[str], Iterable[PersistentVolumeClaim]]
    """The Pending claims that wait to be filled from the snapshot of a key."""


class _Unmet(Exception):  # noqa: N818 - an answer, not a fault
    """What a snapshot lacks before it can be taken."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def decide(snapshot: VolumeSnapshot, known: Known) -> Action:
    """The next thing to do; when it is done, there may be another."""
    if snapshot.deleting:
        return _decide_going(snapshot, known)
    try:
        action = _set_class(snapshot, known)
    except _Unmet as unmet:
        return Fail(snapshot, unmet.reason, unmet.message)
    if action is not None:
        return action
    if wants(snapshot, SNAPSHOT_SOURCE_PROTECTION):
        return Hold(snapshot, SNAPSHOT_SOURCE_PROTECTION)
    name = content_name(snapshot)
    content = known.content(name)
    if content is None:
        return _decide_without(snapshot, name, known)
    return _decide_with(snapshot, content, known)


def wakes(old: VolumeSnapshot | None, new: VolumeSnapshot) -> bool:
    """Whether a change of a snapshot is worth a look; that we ourselves say what it lacks is not."""
    return old is None or bool(new.status.ready_to_use) or _facts(old) != _facts(new)


def _facts(snapshot: VolumeSnapshot) -> tuple[object, ...]:
    status = msgspec.structs.replace(snapshot.status, error=None, ready_to_use=None)
    return snapshot.uid, snapshot.deleting, snapshot.metadata.finalizers, snapshot.spec, status


def tells(snapshot: VolumeSnapshot, content: VolumeSnapshotContent) -> bool:
    """Whether the snapshot's status says what its content does."""
    ours, theirs = snapshot.status, content.status
    return (
        snapshot.bound_content == content.name
        and ours.ready_to_use == is_ready(content)
        and snapshot.restore_bytes == theirs.restore_size
        and (ours.creation_time is None) == (theirs.creation_time is None)
        and ours.error == theirs.error
    )


def is_ready(content: VolumeSnapshotContent) -> bool:
    """Whether a volume can be restored from it."""
    return bool(content.status.ready_to_use)


# --- classes ---


def _set_class(snapshot: VolumeSnapshot, known: Known) -> SetClass | None:
    """The class that a snapshot to be taken still lacks; None where it has one, or needs none."""
    if snapshot.spec.volume_snapshot_class_name is not None or not claim_key(snapshot) or snapshot.bound_content:
        return None
    try:
        driver = _source(snapshot, known)[1].driver
    except _Unmet as unmet:
        raise _Unmet(Reason.NO_DEFAULT_CLASS, unmet.message) from None
    defaults = sorted(
        each.name
        for each in known.classes()
        if each.driver == driver and each.annotations.get(DEFAULT_SNAPSHOT_CLASS) == "true"
    )
    if len(defaults) == 1:
        return SetClass(snapshot, defaults[0])
    why = f"{', '.join(defaults)} all are" if defaults else "there is none"
    raise _Unmet(Reason.NO_DEFAULT_CLASS, f"no single default class of driver {driver}: {why}")


def _class_of(snapshot: VolumeSnapshot, known: Known) -> VolumeSnapshotClass:
    name = snapshot.spec.volume_snapshot_class_name
    found = next((each for each in known.classes() if each.name == name), None)
    if found is None:
        raise _Unmet(Reason.NO_CLASS, f"there is no VolumeSnapshotClass {name!r}")
    return found


# --- living snapshots ---


def _decide_without(snapshot: VolumeSnapshot, name: str, known: Known) -> Action:
    """There is no content of the name."""
    if snapshot.bound_content or not claim_key(snapshot):
        return Fail(snapshot, Reason.CONTENT_MISSING, f"there is no VolumeSnapshotContent {name}", absent=name)
    try:
        body = _content(snapshot, known)
    except _Unmet as unmet:
        return Fail(snapshot, unmet.reason, unmet.message)
    claim = known.claim(claim_key(snapshot))
    if claim is not None and not holds(claim, SNAPSHOT_CLAIM_PROTECTION):
        return HoldClaim(claim)
    return MakeContent(snapshot, body)


def _decide_with(snapshot: VolumeSnapshot, content: VolumeSnapshotContent, known: Known) -> Action:
    wrong = _misfit(snapshot, content)
    if wrong is not None:
        return wrong
    if not content.belongs_to(snapshot):
        return Bind(snapshot, content)
    if not tells(snapshot, content):
        return Tell(snapshot, content)
    if content.spec.deletion_policy == DeletionPolicy.DELETE and wants(snapshot, SNAPSHOT_BOUND_PROTECTION):
        return Hold(snapshot, SNAPSHOT_BOUND_PROTECTION)
    claim = known.claim(claim_key(snapshot))
    if claim is not None and not is_ready(content) and wants(claim, SNAPSHOT_CLAIM_PROTECTION):
        return HoldClaim(claim)
    return Nothing()


def _misfit(snapshot: VolumeSnapshot, content: VolumeSnapshotContent) -> Fail | None:
    """Why the content can not be this snapshot's; None where it is, or can be."""
    source, reference = content.spec.source, content.spec.volume_snapshot_ref
    expected = source.volume_handle if claim_key(snapshot) else source.snapshot_handle
    if expected is None:
        wanted = "a volume" if claim_key(snapshot) else "a snapshot that was there before"
        return Fail(snapshot, Reason.CONTENT_MISMATCH, f"VolumeSnapshotContent {content.name} is not one of {wanted}")
    if content.belongs_to(snapshot):
        return None
    named = (reference.namespace, reference.name) == (snapshot.namespace, snapshot.name)
    if named and not reference.uid and not claim_key(snapshot):
        return None
    reason = Reason.MISBOUND if snapshot.bound_content else Reason.CONTENT_MISBOUND
    told = f"{reference.namespace}/{reference.name}" + (f" of UID {reference.uid}" if named else "")
    return Fail(snapshot, reason, f"VolumeSnapshotContent {content.name} is for another snapshot, {told}")


# --- what a content is made of ---


def _content(snapshot: VolumeSnapshot, known: Known) -> JSON:
    snapshot_class = _class_of(snapshot, known)
    volume, csi = _source(snapshot, known)
    if csi.driver != snapshot_class.driver:
        raise _Unmet(
            Reason.NOT_MADE,
            f"VolumeSnapshotClass {snapshot_class.name} is of driver {snapshot_class.driver}, "
            f"volume {volume.name} of {csi.driver}",
        )
    reference = reference_to(snapshot)
    return {
        "metadata": {
            "name": made_content_name(snapshot),
            "annotations": _secret(snapshot, snapshot_class),
            "finalizers": [CONTENT_PROTECTION],
        },
        "spec": {
            "deletionPolicy": snapshot_class.deletion_policy,
            "driver": csi.driver,
            "source": {"volumeHandle": csi.volume_handle},
            "sourceVolumeMode": volume.volume_mode,
            "volumeSnapshotClassName": snapshot_class.name,
            "volumeSnapshotRef": msgspec.to_builtins(reference),
        },
    }


def _secret(snapshot: VolumeSnapshot, snapshot_class: VolumeSnapshotClass) -> dict[str, str]:
    """The annotations that name the Secret of the driver's calls."""
    try:
        secret = parameters.secret(
            snapshot_class.parameters or {},
            parameters.SNAPSHOTTER,
            made_content_name(snapshot),
            reference_to(snapshot),
        )
    except Failed as error:
        raise _Unmet(Reason.NOT_MADE, f"VolumeSnapshotClass {snapshot_class.name}: {error}") from None
    return {SNAPSHOT_SECRET_NAME: secret.name, SNAPSHOT_SECRET_NAMESPACE: secret.namespace} if secret else {}


def _source(snapshot: VolumeSnapshot, known: Known) -> tuple[PersistentVolume, Csi]:
    """The volume that is to be copied."""
    claim = known.claim(claim_key(snapshot))
    volume = known.volume(claim.spec.volume_name) if claim is not None else None
    why = _unsuitable(claim, volume)
    if why or volume is None or volume.spec.csi is None:
        raise _Unmet(Reason.NOT_MADE, f"PersistentVolumeClaim {claim_key(snapshot)} {why}")
    return volume, volume.spec.csi


def _unsuitable(claim: PersistentVolumeClaim | None, volume: PersistentVolume | None) -> str:
    if claim is None:
        return "is not there"
    if claim.deleting:
        return "is being deleted"
    if claim.status.phase != ClaimPhase.BOUND or not claim.spec.volume_name:
        return f"is {claim.status.phase}, not Bound"
    if volume is None:
        return f"is bound to volume {claim.spec.volume_name}, which is not there"
    if not volume.belongs_to(claim):
        return f"is bound to volume {volume.name}, which is not bound to it"
    return "" if volume.spec.csi is not None else f"has volume {volume.name}, which is not one of a CSI driver"


# --- snapshots on their way out ---


def _decide_going(snapshot: VolumeSnapshot, known: Known) -> Action:
    ours = tuple(each for each in (SNAPSHOT_SOURCE_PROTECTION, SNAPSHOT_BOUND_PROTECTION) if holds(snapshot, each))
    if not ours:
        return Nothing()
    waiting = next(iter(known.restored_by(snapshot.key)), None)
    if waiting is not None:
        return Postpone(snapshot, f"claim {waiting.key} is being filled from it")
    name = content_name(snapshot)
    content = known.content(name)
    if content is None or not content.belongs_to(snapshot):
        return LetGo(snapshot, ours, absent=name)
    if CONTENT_BEING_DELETED not in content.annotations:
        return Release(content)
    if content.spec.deletion_policy != DeletionPolicy.DELETE:
        return LetGo(snapshot, ours)
    if not content.deleting:
        return DeleteContent(content)
    # The other finalizer stays until the content is gone.
    source = tuple(each for each in ours if each == SNAPSHOT_SOURCE_PROTECTION)
    return LetGo(snapshot, source) if source else Nothing()


# --- claims ---


def frees(
    claim: PersistentVolumeClaim,
    snapshots: Iterable[VolumeSnapshot],
    content: Callable[[str], VolumeSnapshotContent | None],
) -> bool:
    """Whether our finalizer is to come off the claim: none of its snapshots is still being taken.

    Of a claim that is on its way out no other one can be taken any more.
    """
    return holds(claim, SNAPSHOT_CLAIM_PROTECTION) and not any(
        not each.status.ready_to_use and (not claim.deleting or content(content_name(each)) is not None)
        for each in snapshots
    )
