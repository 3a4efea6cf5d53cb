"""VolumeRestrictions: inline disks that pods can not share, and claims for one pod alone.

A claim that is in use keeps the pod off every node, near or far, until its user is gone: eviction can cure it.
"""

from dataclasses import dataclass

from extender.facts import ClaimInUse, DiskInUse
from extender.masks import Mask
from extender.snapshot import Snapshot
from extender.verdict import Findings, Objection, Reason, Rejection
from model.workloads import Pod, PodVolume
from storage.restrictions import conflict, disks, is_exclusive


@dataclass(frozen=True)
class Facts:
    """What the pod brings that it may not share."""

    pod: Pod
    disks: tuple[PodVolume, ...]
    in_use: ClaimInUse | None


def prepare(pod: Pod, snapshot: Snapshot) -> Facts | Rejection | None:
    """Look up the pod's claims; ephemeral ones are looked at by no rule here."""
    in_use = None
    for volume, name, claim in snapshot.stores.pod_claims(pod):
        if volume.persistent_volume_claim is None:
            continue
        if claim is None:
            return Rejection(f'persistentvolumeclaim "{name}" not found')
        if in_use is None and is_exclusive(claim):
            in_use = _user(pod, name, snapshot)
    inline = tuple(volume for volume in pod.volumes if disks(volume))
    return Facts(pod, inline, in_use) if inline or in_use else None


def check(facts: Facts, snapshot: Snapshot, nodes: Mask) -> Findings:
    """Disks first, node by node; then the claim, on all that are left."""
    objections, left = [], nodes
    for volume in facts.disks:
        holding = left & snapshot.nodes.mask_of(_conflicting(facts.pod, volume, snapshot))
        if holding:
            fact = DiskInUse(disks(volume)[0])
            objections.append(Objection(Reason.DISK_CONFLICT, resolvable=True, nodes=holding, fact=fact))
        left &= ~holding
    if facts.in_use and left:
        objections.append(Objection(Reason.CLAIM_IN_USE, resolvable=True, nodes=left, fact=facts.in_use))
    return Findings(tuple(objections))


def _user(pod: Pod, name: str, snapshot: Snapshot) -> ClaimInUse | None:
    for other in snapshot.stores.pods.by("used", f"{pod.namespace}/{name}"):
        sources = (volume.persistent_volume_claim for volume in other.volumes)
        if other.uid != pod.uid and any(source and source.claim_name == name for source in sources):
            return ClaimInUse(name, other.key, other.spec.node_name)
    return None


def _conflicting(pod: Pod, volume: PodVolume, snapshot: Snapshot) -> set[str]:
    """The nodes with a pod whose inline disk conflicts with this one."""
    holders = (other for name in disks(volume) for other in snapshot.stores.pods.by("disk", name))
    return {
        other.spec.node_name
        for other in holders
        if other.uid != pod.uid and any(conflict(volume, theirs) for theirs in other.volumes)
    }
