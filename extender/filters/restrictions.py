"""VolumeRestrictions: inline disks that pods can not share, and claims for one pod alone.

A claim that is in use keeps the pod off every node, near or far, until its user is gone: eviction can cure it.
"""

from collections.abc import Iterator
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
            in_use = next(
                (ClaimInUse(name, each.key, each.spec.node_name) for each in users(pod, name, snapshot)), None
            )
    inline = tuple(volume for volume in pod.volumes if disks(volume))
    return Facts(pod, inline, in_use) if inline or in_use else None


def check(facts: Facts, snapshot: Snapshot, nodes: Mask) -> Findings:
    """Disks first, node by node; then the claim, on all that are left."""
    objections, left = [], nodes
    for volume in facts.disks:
        holding = left & snapshot.nodes.mask_of({each.spec.node_name for each in holders(facts.pod, volume, snapshot)})
        if holding:
            fact = DiskInUse(disks(volume)[0])
            objections.append(Objection(Reason.DISK_CONFLICT, resolvable=True, nodes=holding, fact=fact))
        left &= ~holding
    if facts.in_use and left:
        objections.append(Objection(Reason.CLAIM_IN_USE, resolvable=True, nodes=left, fact=facts.in_use))
    return Findings(tuple(objections))


def users(pod: Pod, name: str, snapshot: Snapshot) -> Iterator[Pod]:
    """The other pods on nodes that name the claim `name` of the pod's namespace."""
    for other in snapshot.stores.users_of(f"{pod.namespace}/{name}"):
        sources = (volume.persistent_volume_claim for volume in other.volumes)
        if other.uid != pod.uid and any(source and source.claim_name == name for source in sources):
            yield other


def holders(pod: Pod, volume: PodVolume, snapshot: Snapshot) -> Iterator[Pod]:
    """The other pods on nodes whose inline disk conflicts with this one."""
    for name in disks(volume):
        for other in snapshot.stores.pods.by("disk", name):
            if other.uid != pod.uid and any(conflict(volume, theirs) for theirs in other.volumes):
                yield other
