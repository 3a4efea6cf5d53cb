"""Verdicts about masks as the lists and maps of names that the wire carries."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from extender import masks
from extender.nodes import NodeIndex
from extender.verdict import Reason, Verdicts


@dataclass
class Answer:
    """The nodes of one request, sorted by verdict. Messages join a node's reasons as kube-scheduler does."""

    feasible: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Evicting pods could help."""
    unresolvable: dict[str, str] = field(default_factory=dict)


def answer(names: Sequence[str], verdicts: Verdicts, nodes: NodeIndex) -> Answer:
    """Sort the names as they were sent. A node that is not known can not be judged, and waits for its event."""
    result = Answer()
    groups = verdicts.groups()
    codes = masks.codes((group.nodes for group in groups), nodes.size)
    for name in names:
        position = nodes.position.get(name)
        code = codes[position] if position is not None else None
        if code == 0:
            result.feasible.append(name)
        elif code is None:
            result.unresolvable[name] = Reason.NODE_UNKNOWN
        else:
            group = groups[code - 1]
            (result.failed if group.resolvable else result.unresolvable)[name] = group.message
    return result
