"""VolumeBinding: every claim of the pod has, or can get, a volume that the node reaches.

Bound claims ask whether the node reaches their volume. Claims that wait for the pod ask, in this order, for the node
that storage is already being made for, for a free volume, and for one to be made. The verdict is never one that
eviction could cure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from extender.facts import PinnedElsewhere, Unreachable, VolumeMissing
from extender.filters import matching, provisioning
from extender.masks import Mask
from extender.plan import Plan
from extender.slots import not_owned, owns
from extender.snapshot import Snapshot
from extender.verdict import EvaluationError, Findings, Objection, Reason, Rejection
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim
from model.workloads import Pod
from storage.topology import required_affinity
from storage.translation import TranslationError, plugin_of, to_csi


@dataclass(frozen=True)
class Facts:
    """The pod's claims, in the order of its volumes; one that two volumes share is there twice."""

    bound: tuple[PersistentVolumeClaim, ...]
    delayed: tuple[PersistentVolumeClaim, ...]


def prepare(pod: Pod, snapshot: Snapshot) -> Facts | Rejection | None:
    """Sort the claims into bound and delayed.

    Raises:
        EvaluationError: a class without a binding mode.
    """
    claims = list[PersistentVolumeClaim]()
    for volume, name, claim in snapshot.stores.pod_claims(pod):
        if claim is None:
            return Rejection(_missing(name, ephemeral=volume.ephemeral is not None))
        if reason := _unusable(pod, claim, ephemeral=volume.ephemeral is not None):
            return Rejection(reason)
        claims.append(claim)
    unbound = [claim for claim in claims if not claim.fully_bound]
    if not all([_is_delayed(claim, snapshot) for claim in unbound]):  # noqa: C419 - each is to be asked: it may raise
        return Rejection(Reason.UNBOUND_IMMEDIATE)
    return Facts(tuple(claim for claim in claims if claim.fully_bound), tuple(unbound)) if claims else None


def check(facts: Facts, snapshot: Snapshot, nodes: Mask) -> Findings:
    """All reasons of a node, in the order affinity, volumes to bind, space, missing volumes."""
    unreachable, missing = _bound(facts.bound, snapshot, nodes)
    pinned, left = _pinned(facts.delayed, snapshot, nodes)
    started = [provisioning.Wanted(claim, left) for claim in facts.delayed if claim.selected_node is not None]
    matches, unmatched = matching.match(
        [claim for claim in facts.delayed if claim.selected_node is None], snapshot, left
    )
    unbindable, full, provisions = provisioning.provision([*started, *unmatched], snapshot, left)
    return Findings((*unreachable, *pinned, *unbindable, *full, *missing), Plan(tuple(matches), tuple(provisions)))


# --- the pod's claims ---


def _missing(name: str, *, ephemeral: bool) -> str:
    if ephemeral:
        return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
    return f'persistentvolumeclaim "{name}" not found'


def _unusable(pod: Pod, claim: PersistentVolumeClaim, *, ephemeral: bool) -> str | None:
    if claim.status.phase == ClaimPhase.LOST:
        volume = claim.spec.volume_name
        return f'persistentvolumeclaim "{claim.name}" bound to non-existent persistentvolume "{volume}"'
    if claim.deleting:
        return f'persistentvolumeclaim "{claim.name}" is being deleted'
    return not_owned(pod, claim) if ephemeral and not owns(pod, claim) else None


def _is_delayed(claim: PersistentVolumeClaim, snapshot: Snapshot) -> bool:
    """Whether an unbound claim waits for its pod; one bound by its user, unconfirmed as yet, does not."""
    storage_class = snapshot.stores.class_of(claim)
    if storage_class is None:
        return False
    if not storage_class.volume_binding_mode:
        raise EvaluationError(f'VolumeBindingMode not set for StorageClass "{storage_class.name}"')
    return storage_class.waits_for_consumer and not claim.spec.volume_name


# --- bound claims ---


def _bound(
    claims: Iterable[PersistentVolumeClaim], snapshot: Snapshot, nodes: Mask
) -> tuple[list[Objection], list[Objection]]:
    """Objections for volumes out of reach and for missing ones; a node's first ends its part."""
    unreachable, missing, left = list[Objection](), list[Objection](), nodes
    for claim in claims:
        volume = snapshot.stores.volume_of(claim)
        if volume is None:
            fact = VolumeMissing(claim.name, claim.spec.volume_name)
            missing.append(Objection(Reason.VOLUME_MISSING, resolvable=False, nodes=left, fact=fact))
            break
        for seen, part in _as_seen(volume, snapshot, left):
            required = required_affinity(seen)
            outside = part & ~snapshot.nodes.reaching(required)
            if required and outside:
                away = Unreachable(claim.name, volume.name, required)
                unreachable.append(Objection(Reason.NODE_AFFINITY, resolvable=False, nodes=outside, fact=away))
            left &= ~outside
    return unreachable, [objection for objection in missing if objection.nodes]


def _as_seen(volume: PersistentVolume, snapshot: Snapshot, nodes: Mask) -> list[tuple[PersistentVolume, Mask]]:
    """The volume as these nodes see it: translated where they have migrated its plugin.

    Raises:
        EvaluationError: a node has migrated the plugin, but the volume has no translation.
    """
    plugin = plugin_of(volume.spec)
    migrated = nodes & snapshot.slots.migrated(plugin.name) if plugin else 0
    if not migrated:
        return [(volume, nodes)]
    try:
        return [(volume, nodes & ~migrated), (to_csi(volume), migrated)]
    except TranslationError as error:
        raise EvaluationError(f"could not translate pv: {error}") from error


def _pinned(claims: Iterable[PersistentVolumeClaim], snapshot: Snapshot, nodes: Mask) -> tuple[list[Objection], Mask]:
    """Objections for storage that is being made for another node, and the nodes left."""
    objections, left = list[Objection](), nodes
    for claim in claims:
        if claim.selected_node is None:
            continue
        elsewhere = left & ~snapshot.nodes.mask_of((claim.selected_node,))
        if elsewhere:
            fact = PinnedElsewhere(claim.name, claim.selected_node)
            objections.append(Objection(Reason.NO_VOLUME, resolvable=False, nodes=elsewhere, fact=fact))
        left &= ~elsewhere
    return objections, left
