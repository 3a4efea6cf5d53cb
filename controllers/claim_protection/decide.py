"""Whether a claim may go: not while a pod on a node uses it.

Rule: "Storage Object in Use Protection" in the Kubernetes concept page on persistent volumes. The pod's phase is not
asked: one that has ended protects until it is removed. One without a node does not protect, as kubelet starts no pod
whose claim is on its way out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from controllers.finalizers import holds_up, wants
from model.names import CLAIM_PROTECTION
from model.volumes import PersistentVolumeClaim
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


Action = Nothing | Protect | Keep | Ask


def decide(claim: PersistentVolumeClaim, pods: Iterable[Pod]) -> Action:
    """What to do about a claim, as far as the pods of its namespace that we know of tell."""
    if wants(claim, CLAIM_PROTECTION):
        return Protect(claim)
    if not holds_up(claim, CLAIM_PROTECTION):
        return Nothing()
    pod = user_of(claim, pods)
    return Keep(claim, pod) if pod else Ask(claim)


def user_of(claim: PersistentVolumeClaim, pods: Iterable[Pod]) -> Pod | None:
    """A pod that keeps the claim from going."""
    return next((pod for pod in pods if uses(pod, claim)), None)


def uses(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Whether the pod is on a node and has the claim among its volumes."""
    return bool(pod.spec.node_name) and any(_is_of(claim, pod, volume) for volume in pod.volumes)


def may_free(pod: Pod) -> bool:
    """Whether a pod, still there, may have stopped to keep its claims: others can not free one."""
    return pod.terminated or pod.shut_down or not pod.spec.node_name


def _is_of(claim: PersistentVolumeClaim, pod: Pod, volume: PodVolume) -> bool:
    if (pod.namespace, pod.claim_name(volume)) != (claim.namespace, claim.name):
        return False
    if volume.ephemeral is None:
        return True
    # Made for this very pod. A pod that is shut down may wait for the claim to go, and must not hold it up.
    return claim.controller is not None and claim.controller.uid == pod.uid and not pod.shut_down
