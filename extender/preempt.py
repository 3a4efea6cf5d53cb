"""The preempt verb: on which nodes evicting pods makes the pod's volumes fit, and which pods those are.

The scheduler's own dry run has chosen victims for what it filters itself; it never asks an extender. So its choice is
kept, and pods of lower priority are added where the pod's volumes need more: all that hold a disk or claim which can
not be shared, and for attach slots as few as do, the lowest first. A node that eviction can not help is left out. Pods
that a PodDisruptionBudget protects are spared before others, and counted: the scheduler takes the node with the fewest.
Source: the extender's ProcessPreemption, and the way DefaultPreemption chooses victims.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from extender.budgets import Budgets
from extender.facts import DriverMissing
from extender.filters import FILTERS, restrictions
from extender.masks import Mask
from extender.slots import SlotError, pod_slots
from extender.snapshot import Snapshot
from extender.verdict import EvaluationError, Rejection
from model.policy import PodDisruptionBudget
from model.workloads import Pod
from storage.limits import overfull, used
from storage.restrictions import disks, is_exclusive


@dataclass(frozen=True)
class Candidate:
    """A node and who is to be evicted there, by uid."""

    node: str
    victims: tuple[str, ...]
    pdb_violations: int = 0


def preempt(
    pod: Pod,
    candidates: Sequence[Candidate],
    snapshot: Snapshot,
    budgets: Sequence[PodDisruptionBudget] = (),
) -> list[Candidate]:
    """The candidates on which eviction helps, their victims completed.

    What the scheduler counted of its own victims stays; what is added is counted by `budgets`, after its victims.

    Raises:
        EvaluationError: the pod, or one on such a node, can not be judged.
    """
    snapshot.slots.refresh()
    curable = _curable(pod, snapshot, snapshot.nodes.mask_of(each.node for each in candidates))
    blocking = _blocking(pod, snapshot)
    chosen = list[Candidate]()
    for each in candidates:
        if each.node in curable and (victims := _victims(pod, each, blocking, snapshot, Budgets(budgets))):
            chosen.append(victims)
    return chosen


def _curable(pod: Pod, snapshot: Snapshot, nodes: Mask) -> frozenset[str]:
    """The nodes to which nothing is objected that would remain with every other pod gone."""
    for each in FILTERS.values():
        facts = each.prepare(pod, snapshot)
        if isinstance(facts, Rejection):
            if not facts.resolvable:
                return frozenset()
        elif facts is not None:
            for objection in each.check(facts, snapshot, nodes).objections:
                if not objection.resolvable or isinstance(objection.fact, DriverMissing):
                    nodes &= ~objection.nodes
    return frozenset(snapshot.nodes.names_of(nodes))


def _blocking(pod: Pod, snapshot: Snapshot) -> dict[str, Pod]:
    """The pods, by uid, that hold what this one can not share: on their node they must all go.

    One that has a claim for itself alone must go wherever it is.
    """
    found = dict[str, Pod]()
    for volume in pod.volumes:
        if disks(volume):
            found |= {each.uid: each for each in restrictions.holders(pod, volume, snapshot)}
    for each in _claim_holders(pod, snapshot):
        found[each.uid] = each
    return found


def _claim_holders(pod: Pod, snapshot: Snapshot) -> Iterator[Pod]:
    for volume, name, claim in snapshot.stores.pod_claims(pod):
        if volume.persistent_volume_claim is not None and claim is not None and is_exclusive(claim):
            yield from restrictions.users(pod, name, snapshot)


def _victims(
    pod: Pod, candidate: Candidate, blocking: Mapping[str, Pod], snapshot: Snapshot, budgets: Budgets
) -> Candidate | None:
    """All who must go, the scheduler's choice first; None where nobody needs to, or that would not help."""
    going = set(candidate.victims)
    here = [each for each in snapshot.stores.placed_on(candidate.node) if each.uid != pod.uid]
    elsewhere = (each for each in _claim_holders(pod, snapshot) if each.spec.node_name != candidate.node)
    if any(not _leaving(each) for each in elsewhere):
        return None
    must = [each for each in here if each.uid in blocking and each.uid not in going and not _leaving(each)]
    if not all(_evictable(each, pod, snapshot) for each in must):
        return None
    budgets.evict(each for each in here if each.uid in going)
    violating = budgets.evict(must)
    going |= {each.uid for each in must}
    staying = [each for each in here if each.uid not in going and not _leaving(each)]
    lower = sorted((each for each in staying if _evictable(each, pod, snapshot)), key=_rank, reverse=True)
    violating |= budgets.evict(lower)
    more = _for_slots(pod, candidate.node, staying, sorted(lower, key=lambda each: each.uid not in violating), snapshot)
    if more is None:
        return None
    added = [each.uid for each in (*must, *more)]
    victims = (*candidate.victims, *added)
    return Candidate(candidate.node, victims, candidate.pdb_violations + len(violating & {*added})) if victims else None


def _for_slots(
    pod: Pod, node: str, staying: Sequence[Pod], lower: Sequence[Pod], snapshot: Snapshot
) -> Sequence[Pod] | None:
    """Which of those who stay must go for the attach slots; None if not even all of the lower ones are enough.

    The lower ones come in the order in which they are to be spared.
    """
    if not snapshot.slots.on(node).limits:
        return ()  # nothing is counted there
    room = _Room(pod, node, snapshot)
    if room.suffices(staying):
        return ()
    may_go = {each.uid for each in lower}
    kept = [each for each in staying if each.uid not in may_go]
    if not room.suffices(kept):
        return None
    going = list[Pod]()
    for each in lower:
        if room.suffices([*kept, each]):
            kept.append(each)
        else:
            going.append(each)
    return going


class _Room:
    """The attach slots of one node, with some of its pods gone and their volumes detached."""

    def __init__(self, pod: Pod, node: str, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._held = snapshot.slots.on(node)
        self._wanted = self._slots(pod)
        self._known = dict[str, Mapping[str, str]]()
        pods = snapshot.stores.placed_on(node) if self._wanted else ()
        present = {key for each in pods for key in self._of(each)}
        attached = snapshot.slots.attached(node)
        self._lingering = {key: driver for key, driver in attached.items() if key not in present}

    def suffices(self, pods: Iterable[Pod]) -> bool:
        """Whether the pod's volumes fit beside those of these pods."""
        if not self._wanted:
            return True
        present = dict[str, str]()
        for each in pods:
            present.update(self._of(each))
        there = {**self._lingering, **present} if self._snapshot.rules.attached_is_present else present
        new = {key: driver for key, driver in self._wanted.items() if key not in there}
        return not overfull(self._held.limits, used(present, self._lingering), new)

    def _of(self, pod: Pod) -> Mapping[str, str]:
        if pod.uid not in self._known:
            self._known[pod.uid] = self._slots(pod)
        return self._known[pod.uid]

    def _slots(self, pod: Pod) -> dict[str, str]:
        try:
            return pod_slots(pod, self._snapshot.stores, migrated=True)
        except SlotError as error:
            raise EvaluationError(str(error)) from error


def _evictable(one: Pod, other: Pod, snapshot: Snapshot) -> bool:
    """Whether it may go for the other. One that is being bound is nowhere yet for whoever would evict it."""
    return (one.spec.priority or 0) < (other.spec.priority or 0) and not snapshot.slots.is_promised(one)


def _rank(pod: Pod) -> tuple[int, str, str]:
    """Who goes first: the lowest priority; among equals who came last is first to go."""
    return pod.spec.priority or 0, _inverted(pod.metadata.creation_timestamp or ""), pod.uid


def _inverted(time: str) -> str:
    """A key that sorts times of one form from late to early."""
    return time.translate(_DIGITS_INVERTED)


def _leaving(pod: Pod) -> bool:
    """Whether it goes without being evicted."""
    return pod.deleting


_DIGITS_INVERTED = str.maketrans("0123456789", "9876543210")
