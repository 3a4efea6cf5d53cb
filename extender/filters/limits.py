"""NodeVolumeLimits: attach slots per driver, as the node's CSINode limits them.

A volume that pods of the node use already takes no further slot. A node without a CSINode, a driver without an entry
and an entry without a count are unlimited; a count of 0 admits nothing new.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from extender.facts import DriverMissing, NoCsiNode, SlotsFull
from extender.masks import Mask, bit
from extender.slots import SlotError, pod_slots
from extender.snapshot import Snapshot
from extender.verdict import EvaluationError, Findings, Objection, Reason, Rejection
from model.workloads import Pod
from storage.limits import must_be_registered, overfull
from storage.translation import plugin_of


@dataclass(frozen=True)
class Facts:
    """The pod, which asks for other slots on nodes with a CSINode, where in-tree volumes are served through CSI."""

    pod: Pod


def prepare(pod: Pod, _snapshot: Snapshot) -> Facts | Rejection | None:
    """What the pod would take. A claim that does not exist is left to the filters that reject the pod for it."""
    if not any(pod.claim_name(volume) is not None or plugin_of(volume) for volume in pod.volumes):
        return None
    return Facts(pod)


def check(facts: Facts, snapshot: Snapshot, nodes: Mask) -> Findings:
    """The nodes with too few free slots.

    Raises:
        EvaluationError: it can not be told what the pod, or one on such a node, takes.
    """
    without = nodes & ~snapshot.slots.with_csi_node
    missing, slots = list[Objection](), dict[str, str]()
    if served := nodes & ~without:
        slots = _wanted(facts.pod, snapshot, migrated=True)
        missing += _missing_drivers(slots, snapshot, served)
    if without:
        unserved = _wanted(facts.pod, snapshot, migrated=False)
        missing += _missing_drivers(unserved, snapshot, without)
        missing += _unready(unserved, snapshot, without)
    for objection in missing:
        nodes &= ~objection.nodes
    return Findings((*missing, *_full(slots, snapshot, nodes)))


def _wanted(pod: Pod, snapshot: Snapshot, *, migrated: bool) -> dict[str, str]:
    """The slots that the pod asks for: key to driver."""
    try:
        return pod_slots(pod, snapshot.stores, migrated=migrated)
    except SlotError as error:
        raise EvaluationError(str(error)) from error


def _missing_drivers(slots: Mapping[str, str], snapshot: Snapshot, nodes: Mask) -> list[Objection]:
    """The nodes on which a driver that asks to be waited for has not registered."""
    if not snapshot.rules.wait_for_drivers:
        return []
    objections, left = [], nodes
    for driver in sorted(set(slots.values())):
        missing = left & ~snapshot.slots.registered(driver)
        if missing and must_be_registered(snapshot.stores.csi_drivers.get(driver)):
            reason = f"{driver} CSI driver is not installed on the node"
            objections.append(Objection(reason, resolvable=True, nodes=missing, fact=DriverMissing(driver)))
            left &= ~missing
    return objections


def _unready(slots: Mapping[str, str], snapshot: Snapshot, nodes: Mask) -> list[Objection]:
    """Nodes without a CSINode, where such nodes are not taken for unlimited."""
    if not (slots and nodes and snapshot.rules.unready_without_csi_node):
        return []
    fact = NoCsiNode(min(slots.values()))
    return [Objection(Reason.NO_CSI_NODE, resolvable=False, nodes=nodes, fact=fact)]


def _full(new: Mapping[str, str], snapshot: Snapshot, nodes: Mask) -> list[Objection]:
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
