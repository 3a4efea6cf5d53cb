"""What to do about a claim and about a volume: the two state machines of binding, pure.

A claim and its volume point at each other, and there are no transactions: the volume's pointer is written first, so
what is there after any write is a state from which these functions lead to the end. `bind-completed` on the claim, not
its phase, tells whether the binder ever got that far. Rule: the life cycle of volumes and claims in the Kubernetes
concept page on persistent volumes, and kube-controller-manager's order of checks.
"""

from dataclasses import dataclass

from controllers.binding.actions import (
    AssignClass,
    Bind,
    Broken,
    ClaimAction,
    HandOver,
    LookAtClaim,
    Nothing,
    Release,
    Said,
    SetPhase,
    Tell,
    TellBoth,
    Unbind,
    Unsettle,
    VolumeAction,
)
from controllers.migration import IN_TREE, driver_of
from controllers.reclaim import Reclaim
from model import names
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim, StorageClass, VolumePhase
from storage.binding import reserved_for, volume_mismatch


@dataclass(frozen=True)
class ClaimFacts:
    """What a decision about a claim rests on."""

    storage_class: StorageClass | None = None
    """The claim's class, if it exists."""
    volume: PersistentVolume | None = None
    """The volume that the claim names, if it exists."""
    match: PersistentVolume | None = None
    """The volume that was found for a claim that names none."""
    default: StorageClass | None = None
    """The default class."""
    waiting_pod: str = ""
    """A pod that uses the claim and has no node yet."""
    plugin: bool = False
    """Whether a plugin of ours makes volumes of the class."""
    provisions: bool = True
    """Whether volumes are made at all."""


def decide_claim(claim: PersistentVolumeClaim, facts: ClaimFacts) -> ClaimAction:
    """What to do about a claim."""
    if names.BIND_COMPLETED in claim.annotations:
        return _once_bound(claim, facts)
    return _named(claim, facts) if claim.spec.volume_name else _unnamed(claim, facts)


def _unnamed(claim: PersistentVolumeClaim, facts: ClaimFacts) -> ClaimAction:
    """An unbound claim that takes whatever volume suits."""
    if facts.match is not None:
        return Bind(claim, facts.match)
    if _lacks_class(claim) and facts.default is not None:
        return AssignClass(claim, facts.default.name)
    waits = facts.storage_class is not None and facts.storage_class.waits_for_consumer
    if waits and claim.selected_node is None:
        return Unsettle(claim, ClaimPhase.PENDING, _waiting(facts))
    if claim.storage_class:
        return _provision(claim, facts)
    said = Said("Normal", "FailedBinding", "no volume is free that suits the claim, and it names no storage class")
    return Unsettle(claim, ClaimPhase.PENDING, said)


def _lacks_class(claim: PersistentVolumeClaim) -> bool:
    """Whether the class was left open; the empty one is a choice."""
    return claim.spec.storage_class_name is None and names.BETA_STORAGE_CLASS not in claim.annotations


def _waiting(facts: ClaimFacts) -> Said:
    if facts.waiting_pod:
        return Said("Normal", "WaitForPodScheduled", f"waiting for pod {facts.waiting_pod} to be scheduled")
    message = "waiting for first consumer to be created before binding"
    return Said("Normal", "WaitForFirstConsumer", message)


def _provision(claim: PersistentVolumeClaim, facts: ClaimFacts) -> ClaimAction:
    if not facts.provisions:
        return Nothing()
    if facts.storage_class is None:
        return _not_provisioned(claim, f"storage class {claim.storage_class!r} not found")
    provisioner = driver_of(facts.storage_class.provisioner)
    if facts.plugin:
        return HandOver(claim, provisioner, None)
    if provisioner.startswith(IN_TREE):
        return _not_provisioned(claim, f"no volume plugin is named {provisioner!r}")
    message = (
        f"waiting for {provisioner!r} to make a volume, or for an administrator; if it takes long, check that the "
        "provisioner runs and is registered"
    )
    return HandOver(claim, provisioner, Said("Normal", "ExternalProvisioning", message))


def _not_provisioned(claim: PersistentVolumeClaim, message: str) -> Tell:
    return Tell(claim, Said("Warning", "ProvisioningFailed", message))


def _named(claim: PersistentVolumeClaim, facts: ClaimFacts) -> ClaimAction:
    """An unbound claim whose volume the user chose."""
    volume = facts.volume
    if volume is None:
        return Unsettle(claim, ClaimPhase.PENDING, None)
    if volume.spec.claim_ref is None:
        mismatch = volume_mismatch(claim, volume)
        if mismatch is None:
            return Bind(claim, volume)
        said = Said(
            "Warning", "VolumeMismatch", f"can not bind to volume {volume.name!r}, which is asked for: {mismatch}"
        )
        return Unsettle(claim, ClaimPhase.PENDING, said)
    if reserved_for(volume, claim):
        return Bind(claim, volume)  # each asks for the other: nobody's size or class is in question
    said = Said("Warning", "FailedBinding", f"volume {volume.name!r} already bound to a different claim")
    if names.BOUND_BY_CONTROLLER in claim.annotations:
        return Broken(claim, said)
    return Unsettle(claim, ClaimPhase.PENDING, said)


def _once_bound(claim: PersistentVolumeClaim, facts: ClaimFacts) -> ClaimAction:
    """A claim that was bound: it has its volume, gets it back, or is Lost."""
    volume = facts.volume
    if not claim.spec.volume_name:
        return _lost(claim, "ClaimLost", "the claim no longer names the volume that it was bound to: its data are lost")
    if volume is None:
        return _lost(claim, "ClaimLost", f"volume {claim.spec.volume_name!r} of the claim is gone: its data are lost")
    reference = volume.spec.claim_ref
    if reference is None or reference.uid == claim.uid:
        return Bind(claim, volume)
    return _lost(claim, "ClaimMisbound", f"volume {volume.name!r} is bound to another claim, this one has lost it")


def _lost(claim: PersistentVolumeClaim, reason: str, message: str) -> Unsettle:
    news = claim.status.phase != ClaimPhase.LOST
    return Unsettle(claim, ClaimPhase.LOST, Said("Warning", reason, message) if news else None)


def asks_for_claim(volume: PersistentVolume) -> bool:
    """Whether a decision about the volume needs to know its claim: its claimRef is complete."""
    return volume.spec.claim_ref is not None and bool(volume.spec.claim_ref.uid)


def decide_volume(volume: PersistentVolume, claim: PersistentVolumeClaim | None, reclaim: Reclaim) -> VolumeAction:
    """What to do about a volume.

    `claim` is the one that its claimRef names, with that UID; None if there is none any more, of which the caller made
    sure. `reclaim` is what follows then.
    """
    if not asks_for_claim(volume):
        return _to(volume, VolumePhase.AVAILABLE)
    if claim is None:
        return Release(volume, reclaim)
    if not claim.spec.volume_name:
        return LookAtClaim(claim.key) if claim.volume_mode == volume.volume_mode else _modes_differ(volume, claim)
    if claim.spec.volume_name == volume.name:
        return _to(volume, VolumePhase.BOUND)
    # Bound elsewhere. Only a volume that was made for this very claim has nobody else to serve.
    provisioned = names.PROVISIONED_BY in volume.annotations
    if provisioned and volume.spec.persistent_volume_reclaim_policy == "Delete":
        return Release(volume, reclaim)
    return Unbind(volume)


def _to(volume: PersistentVolume, phase: VolumePhase) -> SetPhase | Nothing:
    assert phase in (VolumePhase.AVAILABLE, VolumePhase.BOUND)
    settled = volume.status.phase == phase and not volume.status.message
    return Nothing() if settled else SetPhase(volume, phase)


def _modes_differ(volume: PersistentVolume, claim: PersistentVolumeClaim) -> TellBoth:
    why = f"it is {volume.volume_mode}, the claim asks for {claim.volume_mode}"
    return TellBoth(
        volume,
        Said("Warning", "VolumeMismatch", f"can not bind to claim {claim.key!r}: {why}"),
        claim,
        Said("Warning", "VolumeMismatch", f"can not bind to volume {volume.name!r}: {why}"),
    )
