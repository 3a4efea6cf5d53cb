"""Why a pod has no node, in the form of kube-scheduler's message, and which of several nodes it gets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sandbox.scheduler.checks import Objection

NO_NODES: Final = "no nodes available to schedule pods"
LONGEST_NOTE: Final = 1024
_CUT: Final = " ..."
_EXTENDER_POINTS: Final = 10
"""An extender scores 0-10 where plugins score 0-100."""


@dataclass(frozen=True)
class Scores:
    """What one extender gives each host, and how much that weighs."""

    weight: int
    points: Mapping[str, int]


@dataclass(frozen=True)
class Diagnosis:
    """What each node of the cluster objects; nodes that say nothing are counted, not explained."""

    nodes: int
    objections: Mapping[str, Objection] = field(default_factory=dict)
    preemption: str = ""

    @property
    def message(self) -> str:
        """`0/4 nodes are available: 1 Insufficient cpu, 3 node(s) were unschedulable. preemption: …`."""
        if not self.nodes:
            return NO_NODES
        reasons = Counter(reason for each in self.objections.values() for reason in each.reasons)
        # Sorted as text, the count included.
        listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
        parts = [f"0/{self.nodes} nodes are available:", f"{listed}." if listed else "", self.preemption]
        return " ".join(part for part in parts if part)


def cut(note: str) -> str:
    """A message as an event holds it: at most 1024 characters."""
    return note if len(note) <= LONGEST_NOTE else note[: LONGEST_NOTE - len(_CUT)] + _CUT


def choose(nodes: Sequence[str], scores: Sequence[Scores], pods: Mapping[str, int]) -> str:
    """The node with the highest score; of equals the one with the fewest pods, then the first by name."""
    totals = dict.fromkeys(nodes, 0)
    for each in scores:
        for host, points in each.points.items():
            if host in totals:
                totals[host] += points * each.weight * _EXTENDER_POINTS
    return min(nodes, key=lambda node: (-totals[node], pods.get(node, 0), node))
