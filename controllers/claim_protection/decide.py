"""Whether a claim may go: not while a pod on a node uses it.

Rule: "Storage Object in Use Protection" in the Kubernetes concept page on persistent volumes. The pod's phase is not
asked: one that has ended protects until it is removed. One without a node does not protect, as kubelet starts no pod
whose claim is on its way out.

A Bound claim that stays also tells, by its condition Unused, whether a pod uses it that is not over: with a node or
without.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from controllers.finalizers import holds_up, wants
from model.names import CLAIM_PROTECTION, UNUSED
from model.volumes import ClaimPhase, PersistentVolumeClaim
from model.workloads import Pod, PodVolume


@dataclass(frozen=True)
class Nothing:
    """The claim has its finalizer and stays, or goes without our help."""


@dataclass(frozen=True)
class Protect:
    """Put the finalizer on."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True)
class Keep:
    """The claim is to go, but this pod uses it."""

    claim: PersistentVolumeClaim
    pod: Pod


@dataclass(frozen=True)
class Ask:
    """No pod that we know of uses the claim; the API server may know more."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True)
class Mark:
    """Let the condition Unused say this."""

    claim: PersistentVolumeClaim
    unused: bool


Action = Nothing | Protect | Keep | Ask | Mark


def decide(claim: PersistentVolumeClaim, pods: Collection[Pod], *, marks_unused: bool = True) -> Action:
    """What to do about a claim, as far as the pods of its namespace that we know of tell."""
    if wants(claim, CLAIM_PROTECTION):
        return Protect(claim)
    if holds_up(claim, CLAIM_PROTECTION):
        pod = user_of(claim, pods)
        return Keep(claim, pod) if pod else Ask(claim)
    if marks_unused and not claim.deleting and claim.status.phase == ClaimPhase.BOUND:
        unused = not any(_will_use(pod, claim) for pod in pods)
        if marked_unused(claim) is not unused:
            return Mark(claim, unused)
    return Nothing()


def marked_unused(claim: PersistentVolumeClaim) -> bool | None:
    """What the condition says; None where there is none."""
    conditions = claim.status.conditions or ()
    said = next((each.get("status") for each in conditions if each.get("type") == UNUSED), None)
    return None if said is None else said == "True"


def user_of(claim: PersistentVolumeClaim, pods: Iterable[Pod]) -> Pod | None:
    """A pod that keeps the claim from going."""
    return next((pod for pod in pods if uses(pod, claim)), None)


def uses(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Whether the pod is on a node and has the claim among its volumes."""
    return bool(pod.spec.node_name) and any(
        # A pod that is shut down may wait for its own claim to go, and must not hold it up.
        _is_of(claim, pod, volume) and not (volume.ephemeral is not None and pod.shut_down)
        for volume in pod.volumes
    )


def may_free(pod: Pod) -> bool:
    """Whether a pod, still there, may have stopped to keep its claims: others can not free one."""
    return pod.over or pod.shut_down or not pod.spec.node_name


def _is_of(claim: PersistentVolumeClaim, pod: Pod, volume: PodVolume) -> bool:
    if (pod.namespace, pod.claim_name(volume)) != (claim.namespace, claim.name):
        return False
    made_for_it = claim.controller is not None and claim.controller.uid == pod.uid
    return volume.ephemeral is None or made_for_it


def _will_use(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    return not pod.over and any(_is_of(claim, pod, volume) for volume in pod.volumes)
