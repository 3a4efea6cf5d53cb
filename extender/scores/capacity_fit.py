"""CapacityFit: how much room the volumes chosen for the pod leave, class by class.

By the default shape the most room left wins: the largest volume, the emptiest pool. Source: the scheduler's
StorageCapacityScoring and `shape` of VolumeBindingArgs.
"""

from collections.abc import Iterator
from itertools import pairwise

from extender import masks
from extender.masks import Ranks, positions
from extender.snapshot import Shape, Snapshot
from extender.verdict import Verdicts
from model import quantity
from model.workloads import Pod
from storage.capacity import request_bytes

_Use = dict[str, tuple[int, int]]
"""class → (bytes requested, bytes there)"""


def judge(_pod: Pod, verdicts: Verdicts, snapshot: Snapshot) -> Ranks | None:
    """The mean over the classes of what is used of them; 0 for nodes where nothing is known of any."""
    uses = dict[int, _Use]()
    for position, storage_class, requested, there in _made(verdicts):
        # Not added up: several claims are made from one pool.
        use = uses.setdefault(position, {})
        use[storage_class] = (use.get(storage_class, (0, 0))[0] + requested, there)
    uses |= _taken(verdicts)
    if not uses:
        return None
    ranks = dict[int, list[int]]()
    for position, use in uses.items():
        ranks.setdefault(_mean(use, snapshot.rules.shape), []).append(position)
    return {rank: masks.of(ranked, snapshot.nodes.size) for rank, ranked in ranks.items()}


def at(shape: Shape, utilization: int) -> int:
    """The score of a utilization."""
    for (left, low), (right, high) in pairwise(shape):
        if left < utilization <= right:
            return low + int((high - low) * (utilization - left) / (right - left))
    return shape[0][1] if utilization <= shape[0][0] else shape[-1][1]


def _made(verdicts: Verdicts) -> Iterator[tuple[int, str, int, int]]:
    """Volumes to be made from a pool that reported: node, class, bytes requested, bytes in the pool."""
    for provision in verdicts.plan.provisions:
        if provision.capacity is None:
            continue
        requested, stated = request_bytes(provision.claim) or 0, provision.capacity.capacity
        there = quantity.whole(stated) if stated is not None else 0
        for position in positions(provision.nodes & verdicts.feasible):
            yield position, provision.claim.spec.storage_class_name or "", requested, there


def _taken(verdicts: Verdicts) -> dict[int, _Use]:
    """Existing volumes chosen; on a node with any of them they alone count."""
    uses = dict[int, _Use]()
    for match in verdicts.plan.matches:
        requested = request_bytes(match.claim) or 0
        there = -(-match.volume.capacity_nanos // quantity.NANO)
        for position in positions(match.nodes & verdicts.feasible):
            use = uses.setdefault(position, {})
            before = use.get(match.volume.spec.storage_class_name, (0, 0))
            use[match.volume.spec.storage_class_name] = (before[0] + requested, before[1] + there)
    return uses


def _mean(use: _Use, shape: Shape) -> int:
    scores = [at(shape, _utilization(requested, there)) for requested, there in use.values()]
    return (2 * sum(scores) + len(scores)) // (2 * len(scores))


def _utilization(requested: int, there: int) -> int:
    return 100 if there == 0 or requested > there else requested * 100 // there
