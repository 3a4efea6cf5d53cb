"""VolumeZone: zone and region labels of bound volumes against those of nodes.

Looks at claims that the pod names, never at ephemeral ones, and at labels alone: affinity is VolumeBinding's.
"""

from dataclasses import dataclass

from extender.facts import WrongZone
from extender.masks import Mask
from extender.snapshot import Snapshot
from extender.verdict import Findings, Objection, Reason, Rejection
from model.volumes import PersistentVolumeClaim
from model.workloads import Pod
from storage.zones import ZoneConstraint, constraints


@dataclass(frozen=True)
class Facts:
    """What the labels of the pod's volumes demand: claim, volume, constraint."""

    constraints: tuple[tuple[str, str, ZoneConstraint], ...]


def prepare(pod: Pod, snapshot: Snapshot) -> Facts | Rejection | None:
    """Collect the labels of the volumes that the pod's claims are bound to."""
    found = list[tuple[str, str, ZoneConstraint]]()
    for pod_volume, name, claim in snapshot.stores.pod_claims(pod):
        if pod_volume.persistent_volume_claim is None:
            continue
        if not name:
            return Rejection("PersistentVolumeClaim had no name")
        if claim is None:
            return Rejection(f'persistentvolumeclaim "{name}" not found')
        if not claim.spec.volume_name:
            if rejection := _unbound(claim, snapshot):
                return rejection
            continue
        volume = snapshot.stores.volume_of(claim)
        if volume is None:
            return Rejection(f'persistentvolume "{claim.spec.volume_name}" not found')
        found += ((claim.name, volume.name, constraint) for constraint in constraints(volume.labels))
    return Facts(tuple(found)) if found else None


def check(facts: Facts, snapshot: Snapshot, nodes: Mask) -> Findings:
    """Every constraint, on nodes that have any zone or region label."""
    left, objections = nodes if snapshot.rules.zones_are_required else nodes & snapshot.nodes.zoned(), []
    for claim, volume, constraint in facts.constraints:
        outside = left & ~snapshot.nodes.in_zone(constraint)
        if outside:
            fact = WrongZone(claim, volume, constraint)
            objections.append(Objection(Reason.ZONE_CONFLICT, resolvable=False, nodes=outside, fact=fact))
        left &= ~outside
    return Findings(tuple(objections))


def _unbound(claim: PersistentVolumeClaim, snapshot: Snapshot) -> Rejection | None:
    """Why a claim without a volume keeps the pod waiting; None when the pod is what it waits for."""
    if not claim.storage_class:
        return Rejection("PersistentVolumeClaim had no pv name and storageClass name")
    storage_class = snapshot.stores.class_of(claim)
    if storage_class is None:
        return Rejection(f'storageclass.storage.k8s.io "{claim.storage_class}" not found')
    return None if storage_class.waits_for_consumer else Rejection("PersistentVolume had no name")
