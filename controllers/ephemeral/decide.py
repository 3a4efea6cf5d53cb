"""Which claims a pod's generic ephemeral volumes still lack.

Where the pod is in its life is not asked, but that it is not on its way out; so the claim is there before the pod has a
node. Rule: "Generic ephemeral volumes" in the Kubernetes concept page on ephemeral volumes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from model.meta import JSON
from model.resources import PODS
from model.volumes import PersistentVolumeClaim
from model.workloads import EphemeralSource, Pod, PodVolume


@dataclass(frozen=True)
class Create:
    """Make the claim, owned by the pod so that it goes with it."""

    pod: Pod
    volume: str
    body: JSON


@dataclass(frozen=True)
class Foreign:
    """A claim of the name is there and is not the pod's: to be said, and looked at again."""

    pod: Pod
    volume: str
    claim: PersistentVolumeClaim


Action = Create | Foreign


def wants_claims(pod: Pod) -> bool:
    """Whether the pod stays and has a volume that needs a claim of its own."""
    return not pod.deleting and any(volume.ephemeral is not None for volume in pod.volumes)


def decide(pod: Pod, claim_named: Callable[[str], PersistentVolumeClaim | None]) -> tuple[Action, ...]:
    """What to do for a pod, in the order of its volumes; what is behind a foreign claim waits until that is settled.

    `claim_named` answers the claim of that name in the pod's namespace.
    """
    if pod.deleting:
        return ()
    actions: list[Action] = []
    for volume in pod.volumes:
        name = pod.claim_name(volume)
        if volume.ephemeral is None or name is None:
            continue
        claim = claim_named(name)
        if claim is None:
            actions.append(Create(pod, volume.name, _claim(pod, volume, volume.ephemeral)))
        elif not made_for(pod, claim):
            return (*actions, Foreign(pod, volume.name, claim))
    return tuple(actions)


def made_for(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Whether this very pod, not an earlier one of its name, manages the claim."""
    return claim.namespace == pod.namespace and claim.controller is not None and claim.controller.uid == pod.uid


def _claim(pod: Pod, volume: PodVolume, source: EphemeralSource) -> JSON:
    """The claim as the volume's template has it: of its metadata labels and annotations, and its whole spec."""
    template = source.volume_claim_template or {}
    told = template.get("metadata") or {}
    owner = {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "name": pod.name,
        "uid": pod.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {"name": pod.claim_name(volume), "ownerReferences": [owner]}
    return {
        "metadata": metadata | {key: told[key] for key in ("labels", "annotations") if told.get(key)},
        "spec": template.get("spec") or {},
    }
