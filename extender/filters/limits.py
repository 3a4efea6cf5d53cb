"""NodeVolumeLimits: attach slots per driver, as the node's CSINode limits them.

A volume that pods of the node use already takes no further slot. A node without a CSINode, a driver without an entry
and an entry without a count are unlimited; a count of 0 admits nothing new.
"""

from collections import Counter
from dataclasses import dataclass

from extender.facts import DriverMissing, SlotsFull
from extender.masks import Mask, bit
from extender.slots import SlotError, pod_slots
from extender.snapshot import Snapshot
from extender.verdict import EvaluationError, Findings, Objection, Reason, Rejection
from model.workloads import Pod
from storage.limits import must_be_registered, overfull
from storage.translation import plugin_of


@dataclass(frozen=True)
class Facts:
    """The slots that the pod asks for: key to driver."""

    migrated: dict[str, str]
    """On nodes with a CSINode, which serve in-tree volumes through CSI."""
    unmigrated: dict[str, str]
    """On the others."""
    error: str
    """Why it can not be said what the pod takes on a node with a CSINode."""


def prepare(pod: Pod, snapshot: Snapshot) -> Facts | Rejection | None:
    """What the pod would take. A claim that does not exist is left to the filters that reject the pod for it."""
    if not any(pod.claim_name(volume) is not None or plugin_of(volume) for volume in pod.volumes):
        return None
    try:
        migrated, error = pod_slots(pod, snapshot.stores, migrated=True), ""
    except SlotError as problem:
        migrated, error = {}, str(problem)
    return Facts(migrated, pod_slots(pod, snapshot.stores, migrated=False), error)


def check(facts: Facts, snapshot: Snapshot, nodes: Mask) -> Findings:
    """The nodes with too few free slots."""
    if facts.error and nodes & snapshot.slots.with_csi_node:
        raise EvaluationError(facts.error)
    missing = _missing_drivers(facts, snapshot, nodes)
    for objection in missing:
        nodes &= ~objection.nodes
    return Findings((*missing, *_full(facts.migrated, snapshot, nodes)))


def _full(new: dict[str, str], snapshot: Snapshot, nodes: Mask) -> list[Objection]:
    slots = snapshot.slots
    nodes &= slots.limited
    if not new or not nodes:
        return []
    if broken := nodes & slots.broken:
        raise EvaluationError(slots.on(snapshot.nodes.names_of(broken)[0]).error)
    sharing = nodes & slots.sharing(new)
    left, full = nodes & ~sharing, dict[str, Mask]()
    for driver, wanted in Counter(new.values()).items():
        full[driver] = left & slots.lacking(driver, wanted)
        left &= ~full[driver]
    for name in snapshot.nodes.names_of(sharing):
        held = slots.on(name)
        added = {key: driver for key, driver in new.items() if key not in held.present}
        for over in overfull(held.limits, held.taken, added)[:1]:
            full[over.driver] = full.get(over.driver, 0) | bit(snapshot.nodes.position[name])
    return [
        Objection(Reason.MAX_VOLUME_COUNT, resolvable=True, nodes=mask, fact=SlotsFull(driver))
        for driver, mask in full.items()
        if mask
    ]


def _missing_drivers(facts: Facts, snapshot: Snapshot, nodes: Mask) -> list[Objection]:
    """The nodes on which a driver that asks to be waited for has not registered."""
    if not snapshot.rules.wait_for_drivers:
        return []
    objections, left = [], nodes
    with_csi_node = snapshot.slots.with_csi_node
    for new, part in ((facts.migrated, nodes & with_csi_node), (facts.unmigrated, nodes & ~with_csi_node)):
        for driver in sorted(set(new.values())):
            missing = left & part & ~snapshot.slots.registered(driver)
            if missing and must_be_registered(snapshot.stores.csi_drivers.get(driver)):
                reason = f"{driver} CSI driver is not installed on the node"
                objections.append(Objection(reason, resolvable=True, nodes=missing, fact=DriverMissing(driver)))
                left &= ~missing
    return objections
