"""What makes one feasible node better than another for the pod's storage: one file each, and here the weighted table.

Each judges 0 to 100, or not at all where the pod gives it nothing to judge; the extender answers their weighted mean
as 0 to 10, the scale of the protocol.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from extender.scores import attached, capacity_fit, headroom
from extender.snapshot import Snapshot
from extender.verdict import Verdicts
from model.workloads import Pod

MAX_SCORE: Final = 10


@dataclass(frozen=True)
class Score:
    """A pure function from verdicts to 0–100 by name of feasible nodes, 0 for the others; None: nothing to judge."""

    judge: Callable[[Pod, Verdicts, Snapshot], Mapping[str, int] | None]
    weight: int


SCORES: Final[Mapping[str, Score]] = {
    "CapacityFit": Score(capacity_fit.judge, 1),
    "AttachHeadroom": Score(headroom.judge, 1),
    "AttachedAlready": Score(attached.judge, 1),
}


def prioritize(pod: Pod, verdicts: Verdicts, snapshot: Snapshot) -> dict[str, int]:
    """The feasible nodes with their scores, 0 to 10, the more the better; all 0 where nothing was to be judged."""
    judged = [(each.judge(pod, verdicts, snapshot), each.weight) for each in SCORES.values()]
    opinions = [(scores, weight) for scores, weight in judged if scores is not None]
    total = sum(weight for _, weight in opinions) * 100
    return {
        name: _rounded(MAX_SCORE * sum(scores.get(name, 0) * weight for scores, weight in opinions), total)
        for name in snapshot.nodes.names_of(verdicts.feasible)
    }


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator) if denominator else 0
