"""Which nodes a volume can be made for: the second half of VolumeBinding's verdict on waiting claims."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from extender.facts import Fact, NotEnoughSpace, NoVolume, TopologyNotAllowed
from extender.masks import Mask
from extender.plan import Provision
from extender.snapshot import Snapshot
from extender.verdict import Objection, Reason
from model import names
from model.csi import CSIStorageCapacity
from model.volumes import PersistentVolumeClaim, StorageClass
from storage import capacity


@dataclass(frozen=True)
class Wanted:
    """A claim without a volume on these nodes; `fact` says why none that exists will do."""

    claim: PersistentVolumeClaim
    nodes: Mask
    fact: Fact | None = None


def provision(
    wanted: Iterable[Wanted], snapshot: Snapshot, nodes: Mask
) -> tuple[list[Objection], list[Objection], list[Provision]]:
    """Objections for want of a volume, for want of space, and what is to be made. A node's first objection ends it."""
    unbindable, full, provisions, left = list[Objection](), list[Objection](), list[Provision](), nodes
    wanted = tuple(wanted)
    own = frozenset(each.claim.key for each in wanted)
    for each in wanted:
        here = each.nodes & left
        storage_class = snapshot.stores.class_of(each.claim)
        if not here or storage_class is None:
            continue
        refused = _refused(each, here, storage_class, snapshot)
        if refused:
            unbindable.append(refused)
            here &= ~refused.nodes
        made = _room(each.claim, here, storage_class, snapshot, own=own, before=provisions)
        provisions += made
        short = here
        for part in made:
            short &= ~part.nodes
        if short:
            size = capacity.request_bytes(each.claim) or 0
            fact = NotEnoughSpace(each.claim.name, storage_class.name, size)
            full.append(Objection(Reason.NOT_ENOUGH_SPACE, resolvable=False, nodes=short, fact=fact))
        left &= ~(short | (refused.nodes if refused else 0))
    return unbindable, full, provisions


def _refused(each: Wanted, nodes: Mask, storage_class: StorageClass, snapshot: Snapshot) -> Objection | None:
    """The nodes for which the class makes no volume at all."""
    fact: Fact
    if storage_class.provisioner in ("", names.NO_PROVISIONER):
        refused = nodes
        fact = each.fact or NoVolume(each.claim.name, storage_class.name, capacity.request_bytes(each.claim))
    else:
        refused = nodes & ~snapshot.nodes.allowed(storage_class.allowed_topologies)
        fact = TopologyNotAllowed(each.claim.name, storage_class.name, storage_class.allowed_topologies or ())
    return Objection(Reason.NO_VOLUME, resolvable=False, nodes=refused, fact=fact) if refused else None


def _room(
    claim: PersistentVolumeClaim,
    nodes: Mask,
    storage_class: StorageClass,
    snapshot: Snapshot,
    *,
    own: frozenset[str],
    before: Sequence[Provision],
) -> list[Provision]:
    """The nodes with room for the claim, by the report that says so where the driver reports.

    `own` are the keys of the pod's claims, `before` what was chosen for them so far.
    """
    driver = snapshot.stores.csi_drivers.get(storage_class.provisioner)
    size = capacity.request_bytes(claim)
    if not capacity.is_checked(claim, driver) or size is None:
        return [Provision(claim, nodes)] if nodes else []
    reports = snapshot.stores.capacities.by("class", storage_class.name)
    made, left = list[Provision](), nodes
    for report in sorted((each for each in reports if capacity.is_sufficient(each, size)), key=lambda each: each.key):
        here = left & snapshot.nodes.selected(report.node_topology)
        if here and snapshot.rules.counts_claims_under_way:
            here = _with_room(report, claim, here, snapshot, own=own, before=before)
        if here:
            made.append(Provision(claim, here, report))
        left &= ~here
    return made


def _with_room(
    report: CSIStorageCapacity,
    claim: PersistentVolumeClaim,
    nodes: Mask,
    snapshot: Snapshot,
    *,
    own: frozenset[str],
    before: Sequence[Provision],
) -> Mask:
    """Those of the nodes for which the pool has room beside what is under way and the pod's other claims."""
    parts = {snapshot.ledger.spoken_for(report, own): nodes}
    chosen = dict[str, tuple[int, Mask]]()
    for each in before:
        # One that two of the pod's volumes name is there twice, and is made once.
        if each.capacity is report and each.claim.key != claim.key:
            elsewhere = chosen.get(each.claim.key, (0, 0))[1]
            chosen[each.claim.key] = capacity.request_bytes(each.claim) or 0, elsewhere | each.nodes
    for more, there in chosen.values():
        parts = _split(parts, there, more)
    size = capacity.request_bytes(claim) or 0
    return reduce(or_, (mask for spoken, mask in parts.items() if capacity.has_room(report, size, spoken)), 0)


def _split(parts: Mapping[int, Mask], nodes: Mask, more: int) -> dict[int, Mask]:
    """The parts by bytes spoken for, with so many more on these nodes."""
    split = dict[int, Mask]()
    for spoken, mask in parts.items():
        for key, part in ((spoken + more, mask & nodes), (spoken, mask & ~nodes)):
            if part:
                split[key] = split.get(key, 0) | part
    return split
