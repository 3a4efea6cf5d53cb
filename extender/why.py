"""Why a pod's volumes let it run where they do, in one sentence for people, from the facts of those who decided."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, assert_never

from extender.facts import (
    ClaimInUse,
    DiskInUse,
    DriverMissing,
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
from extender.masks import Mask
from extender.slots import NodeSlots
from extender.snapshot import Snapshot
from extender.verdict import Objection, Reason, Verdicts
from model import names, quantity
from model.selectors import Requirement
from storage.limits import UNBOUND

Lacking = (
    DiskInUse
    | ClaimInUse
    | DriverMissing
    | NoCsiNode
    | VolumeMissing
    | PinnedElsewhere
    | NoVolume
    | Reserved
    | NotEnoughSpace
)

SHORT: Final[Mapping[str, str]] = {
    names.ZONE: "zone",
    names.BETA_ZONE: "zone",
    names.REGION: "region",
    names.BETA_REGION: "region",
    names.HOSTNAME: "host",
}
"""What people call these labels."""
_LISTED: Final = 5
"""Names listed before "and N more"."""


def why(verdicts: Verdicts, snapshot: Snapshot, unknown: int = 0) -> str:
    """`1/4 nodes fit: 2 can not reach volume data (zone b wanted, node in a), 1 has all 2 attach slots …`.

    `unknown` nodes were asked about besides, of which nothing is known.
    """
    fitting = f"{verdicts.feasible.bit_count()}/{verdicts.asked.bit_count() + unknown} nodes fit"
    said = [clause for objection in verdicts.objections for clause in clauses(objection, snapshot)]
    said += [f"{unknown} {Reason.NODE_UNKNOWN}"] if unknown else []
    return f"{fitting}: {', '.join(dict.fromkeys(said))}" if said else fitting


def clauses(objection: Objection, snapshot: Snapshot) -> Iterator[str]:
    """The parts of a sentence whose subject is the number of nodes objected to."""
    nodes = objection.nodes
    match objection.fact:
        case None:
            yield objection.reason
        case SlotsFull(driver):
            yield from _slots(driver, nodes, snapshot)
        case Unreachable() | WrongZone() | TopologyNotAllowed() as fact:
            yield f"{nodes.bit_count()} {_out_of_reach(fact, nodes, snapshot)}"
        case fact:
            yield f"{nodes.bit_count()} {_lacking(fact, 'has' if nodes.bit_count() == 1 else 'have')}"


def _out_of_reach(fact: Unreachable | WrongZone | TopologyNotAllowed, nodes: Mask, snapshot: Snapshot) -> str:
    match fact:
        case Unreachable(_, volume, required):
            terms = [term.match_expressions or () for term in required.node_selector_terms or ()]
            return f"can not reach volume {volume} ({_wanted(terms, nodes, snapshot)})"
        case WrongZone(_, volume, constraint):
            requirement = Requirement(constraint.key, "In", tuple(sorted(constraint.values)))
            found = {value for key in constraint.keys for value in snapshot.nodes.values(key, nodes)}
            return f"can not reach volume {volume} ({_requirement(requirement)} wanted, {_found(found, nodes)})"
        case TopologyNotAllowed(claim, storage_class, allowed):
            terms = [
                tuple(Requirement(each.key, "In", each.values) for each in term.match_label_expressions or ())
                for term in allowed
            ]
            wanted = _wanted(terms, nodes, snapshot)
            return f"can not get a volume of class {storage_class} for claim {claim} ({wanted})"
        case _:
            assert_never(fact)


def _lacking(fact: Lacking, has: str) -> str:
    match fact:
        case DiskInUse(disk):
            return f"{has} disk {disk} in use by another pod"
        case ClaimInUse(claim, pod, node):
            return f"must wait for pod {pod} on {node}, which has claim {claim} for itself (ReadWriteOncePod)"
        case DriverMissing(driver):
            return f"{has} no driver {driver}"
        case NoCsiNode(driver):
            return f"{has} no CSINode yet, for volumes of driver {driver}"
        case VolumeMissing(claim, volume):
            return f"can not run it: claim {claim} is bound to volume {volume}, which does not exist"
        case PinnedElsewhere(claim, node):
            return f"can not run it: storage for claim {claim} is being made for node {node or '(none)'}"
        case NoVolume(claim, storage_class, size):
            return f"{has} no free volume of class {storage_class} for claim {claim}{_sized(size)}"
        case Reserved(claim, volume):
            return f"can not reach volume {volume}, which is reserved for claim {claim}"
        case NotEnoughSpace(claim, storage_class, size):
            return f"{has} too little free storage of class {storage_class} for claim {claim}{_sized(size)}"
        case _:
            assert_never(fact)


def _wanted(terms: Sequence[Sequence[Requirement]], nodes: Mask, snapshot: Snapshot) -> str:
    """What the terms ask, and what the nodes show for the label that the first asks about."""
    wanted = " or ".join(" and ".join(_requirement(each) for each in term) or "nothing" for term in terms)
    keys = [each.key for term in terms for each in term]
    return f"{wanted} wanted, {_found(snapshot.nodes.values(keys[0], nodes), nodes)}" if keys else "no node can"


def _requirement(requirement: Requirement) -> str:
    label, values = SHORT.get(requirement.key, requirement.key), _list(requirement.values or (), " or ")
    match requirement.operator:
        case "In":
            return f"{label} {values}"
        case "NotIn":
            return f"{label} other than {values}"
        case "Exists":
            return f"a {label}"
        case "DoesNotExist":
            return f"no {label}"
        case _:
            return f"{label} {'above' if requirement.operator == 'Gt' else 'below'} {values}"


def _found(values: Iterable[str], nodes: Mask) -> str:
    subject = "node" if nodes.bit_count() == 1 else "nodes"
    shown = sorted(values)
    return f"{subject} in {_list(shown, ', ')}" if shown else f"{subject} without that label"


def _slots(driver: str, nodes: Mask, snapshot: Snapshot) -> Iterator[str]:
    """One clause for each number of slots used and limit; what fills them, where it is one node."""
    counted = Counter[tuple[int, int]]()
    last = dict[tuple[int, int], NodeSlots]()
    for name in snapshot.nodes.names_of(nodes):
        held = snapshot.slots.on(name)
        state = held.limits[driver], held.taken.get(driver, 0)
        counted[state] += 1
        last[state] = held
    for (limit, taken), count in counted.items():
        has = "has" if count == 1 else "have"
        used = f"all {limit}" if taken == limit else f"{taken} of {limit}"
        filling = f" ({_filling(driver, last[limit, taken])})" if count == 1 and taken else ""
        yield f"{count} {has} {used} attach slots of driver {driver} in use{filling}"


def _filling(driver: str, held: NodeSlots) -> str:
    return _list(filling(driver, held), ", ")


def filling(driver: str, held: NodeSlots) -> list[str]:
    """What takes the slots of a driver on a node, for people."""
    handles = sorted(key.removeprefix(f"{driver}/") for key, each in held.present.items() if each == driver)
    shown = [f"claim {each.removeprefix(UNBOUND)}" if each.startswith(UNBOUND) else each for each in handles]
    left_over = held.taken.get(driver, 0) - len(shown)
    return [*shown, *([f"{left_over} attached without a pod"] if left_over else [])]


def _sized(size: int | None) -> str:
    return "" if size is None else f" ({quantity.format_bytes(size)} wanted)"


def _list(values: Iterable[str], separator: str) -> str:
    values = list(values)
    more = [f"{len(values) - _LISTED} more"] if len(values) > _LISTED else []
    return separator.join([*values[:_LISTED], *more])
