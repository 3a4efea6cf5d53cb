"""Verdicts about masks as the lists and maps of names that the wire carries."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from extender.nodes import NodeIndex
from extender.verdict import Reason, Verdicts


@dataclass
class Answer:
    """The nodes of one request, sorted by verdict. Messages join a node's reasons as kube-scheduler does."""

    feasible: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Evicting pods could help."""
    unresolvable: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    """How many by message."""


def answer(names: Sequence[str], verdicts: Verdicts, nodes: NodeIndex) -> Answer:
    """Sort the names as they were sent. A node that is not known can not be judged, and waits for its event.

    The verdicts may be about further nodes. Sets of names keep the work of thousands of them out of Python's hands.
    """
    result = Answer(list(filter(nodes.name_set(verdicts.feasible).__contains__, names)))
    left = len(names) - len(result.feasible)
    for group in verdicts.groups():
        if not left:
            break
        here = dict.fromkeys(filter(nodes.name_set(group.nodes).__contains__, names), group.message)
        (result.failed if group.resolvable else result.unresolvable).update(here)
        if here:
            result.rejected[str(group.message)] = len(here)
        left -= len(here)
    if left and (unknown := [name for name in names if name not in nodes.position]):
        result.unresolvable |= dict.fromkeys(unknown, Reason.NODE_UNKNOWN)
        result.rejected[str(Reason.NODE_UNKNOWN)] = len(unknown)
    return result
