"""The one change that would let a rejected node take the pod, by the fact that its filter stated."""

from typing import Final, assert_never

from extender.facts import (
    ClaimInUse,
    DiskInUse,
    DriverMissing,
    Fact,
    NoCsiNode,
    NotEnoughSpace,
    NoVolume,
    PinnedElsewhere,
    Reserved,
    SlotsFull,
    TopologyNotAllowed,
    Unreachable,
    VolumeMissing,
    WrongZone,
)
from extender.verdict import Objection, Reason
from model import names, quantity

_BY_REASON: Final = {
    Reason.UNBOUND_IMMEDIATE: "wait until its claims are bound, and see what `kubectl describe pvc` says of those that "
    "are not; a class with volumeBindingMode WaitForFirstConsumer would bind with the pod",
    Reason.NODE_UNKNOWN: "wait: the node is not in the extender's cache yet",
}


def advice(objection: Objection) -> str:
    """What to change, in the imperative."""
    return _for_fact(objection.fact) if objection.fact else _for_reason(objection.reason)


def _for_reason(reason: str) -> str:
    if known := next((said for each, said in _BY_REASON.items() if each == reason), None):
        return known
    if reason.startswith("waiting for ephemeral volume controller"):
        return "wait, or see whether the ephemeral-volume-controller runs"
    if reason.endswith("is being deleted"):
        return "wait until the claim is gone, then make it anew"
    if "bound to non-existent" in reason:
        return "restore the volume, or delete the claim and make it anew"
    if "not owner" in reason:
        return "delete the claim of that name: it belongs to something else than this pod"
    return "make what is missing, or correct the name in the pod"


def _for_fact(fact: Fact) -> str:
    match fact:
        case DiskInUse(disk):
            return f"delete the pod that holds disk {disk} there"
        case ClaimInUse(claim, pod, node):
            return f"delete pod {pod} on {node}, or give claim {claim} an access mode that lets pods share it"
        case SlotsFull(driver):
            return f"move a pod with a volume of {driver} off the node, or add a node with free slots"
        case DriverMissing(driver):
            return f"run driver {driver} on the node: its CSINode does not list it"
        case Unreachable(_, volume, _):
            return f"add a node that volume {volume} reaches, or let the node's labels say that it does"
        case NoCsiNode(driver):
            return f"wait until kubelet has made the node's CSINode, and see that driver {driver} runs there"
        case WrongZone(_, volume, constraint):
            return f"add a node with {constraint.key} {' or '.join(sorted(constraint.values))}, where {volume} is"
        case VolumeMissing(claim, volume):
            return f"restore volume {volume}, or delete claim {claim} and make it anew"
        case PinnedElsewhere(claim, node):
            return f"remove annotation {names.SELECTED_NODE} of claim {claim} if node {node or '(none)'} is given up"
        case Reserved(claim, volume):
            return f"remove spec.claimRef of volume {volume}, or add a node that it reaches, for claim {claim}"
        case NoVolume() | TopologyNotAllowed() | NotEnoughSpace():
            return _for_storage(fact)
        case _:
            assert_never(fact)


def _for_storage(fact: NoVolume | TopologyNotAllowed | NotEnoughSpace) -> str:
    match fact:
        case NoVolume(claim, storage_class, size):
            wanted = f" of at least {quantity.format_bytes(size)}" if size else ""
            return (
                f"make a volume of class {storage_class or '(none)'}{wanted} that the node reaches, for claim {claim}"
            )
        case TopologyNotAllowed(_, storage_class, _):
            return f"add the node's part of the cluster to allowedTopologies of class {storage_class}"
        case NotEnoughSpace(_, storage_class, size):
            return f"free {quantity.format_bytes(size)} in one pool of class {storage_class} that the node reaches"
        case _:
            assert_never(fact)
