"""What makes one feasible node better than another for the pod's storage: one file each, and here the weighted table.

Each judges 0 to 100, or not at all where the pod gives it nothing to judge; the extender answers their weighted mean
as 0 to 10, the scale of the protocol.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from extender.masks import Mask, Ranks
from extender.scores import attached, capacity_fit, headroom
from extender.snapshot import Snapshot
from extender.verdict import Verdicts
from model.workloads import Pod

MAX_SCORE: Final = 10


@dataclass(frozen=True)
class Score:
    """A pure function from verdicts to 0–100 for the feasible nodes; None: nothing to judge."""

    judge: Callable[[Pod, Verdicts, Snapshot], Ranks | None]
    weight: int


SCORES: Final[Mapping[str, Score]] = {
    "CapacityFit": Score(capacity_fit.judge, 1),
    "AttachHeadroom": Score(headroom.judge, 1),
    "AttachedAlready": Score(attached.judge, 1),
}


def prioritize(pod: Pod, verdicts: Verdicts, snapshot: Snapshot) -> dict[int, Mask]:
    """The feasible nodes by their scores, 0 to 10, the more the better; all 0 where nothing was to be judged."""
    judged = [(each.judge(pod, verdicts, snapshot), each.weight) for each in SCORES.values()]
    opinions = [(ranks, weight) for ranks, weight in judged if ranks is not None]
    total = sum(weight for _, weight in opinions) * 100
    sums: Ranks = {0: verdicts.feasible}
    for ranks, weight in opinions:
        sums = _added(sums, ranks, weight)
    scores = dict[int, Mask]()
    for each, nodes in sums.items():
        score = _rounded(MAX_SCORE * each, total)
        scores[score] = scores.get(score, 0) | nodes
    return scores


def _added(sums: Ranks, ranks: Ranks, weight: int) -> dict[int, Mask]:
    """The sums with the weighted ranks of the same nodes."""
    found = dict[int, Mask]()
    for so_far, nodes in sums.items():
        left = nodes
        for rank, ranked in ranks.items():
            if here := left & ranked:
                found[so_far + rank * weight] = found.get(so_far + rank * weight, 0) | here
                left &= ~here
        if left:
            found[so_far] = found.get(so_far, 0) | left
    return found


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator) if denominator else 0
