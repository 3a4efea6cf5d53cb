"""The volume filters of kube-scheduler: one file each, and here the table in the order in which they are asked.

All prepare before any checks: a verdict of preparation holds for every node. Then each checks the nodes that the ones
before it left; the first that rejects a node decides its status and reasons. Source: the scheduling framework's
PreFilter and Filter extension points.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from extender.filters import binding, limits, restrictions, zone
from extender.masks import Mask
from extender.plan import NOTHING, Plan
from extender.snapshot import Snapshot
from extender.verdict import Findings, Objection, Rejection, Verdicts
from model.workloads import Pod
from storage.restrictions import disks
from storage.translation import plugin_of


@dataclass(frozen=True)
class Filter:
    """Two pure functions; what the first makes of the pod, the second is given for nodes."""

    prepare: Callable[[Pod, Snapshot], Any | Rejection | None]
    """Facts about the pod; a rejection on every node; or None when this filter has nothing to say of it."""
    check: Callable[[Any, Snapshot, Mask], Findings]
    """Objections to some of these nodes. Raises EvaluationError where one of them can not be judged."""


FILTERS: Final[Mapping[str, Filter]] = {
    "VolumeRestrictions": Filter(restrictions.prepare, restrictions.check),
    "NodeVolumeLimits": Filter(limits.prepare, limits.check),
    "VolumeBinding": Filter(binding.prepare, binding.check),
    "VolumeZone": Filter(zone.prepare, zone.check),
}


def concern(pod: Pod) -> bool:
    """Whether any filter has anything to say of the pod: it has a claim, an inline disk or an in-tree source."""
    return any(pod.claim_name(each) is not None or disks(each) or plugin_of(each) for each in pod.volumes)


def evaluate(pod: Pod, snapshot: Snapshot, nodes: Mask) -> Verdicts:
    """What all filters say of these nodes for this pod, and what is to be done for its claims on the feasible ones.

    Raises:
        EvaluationError: one of the nodes, or the pod, can not be judged.
    """
    snapshot.slots.refresh()
    prepared = list[tuple[str, Any]]()
    remembered: Verdicts | None = None
    for rule, each in FILTERS.items():
        facts = each.prepare(pod, snapshot)
        if isinstance(facts, Rejection):
            remembered = remembered or _everywhere(facts, rule, nodes)
            if not facts.resolvable:
                return _everywhere(facts, rule, nodes)
        elif facts is not None:
            prepared.append((rule, facts))
    return remembered or _check(prepared, snapshot, nodes)


def _everywhere(rejection: Rejection, rule: str, nodes: Mask) -> Verdicts:
    objection = Objection(rejection.reason, rejection.resolvable, nodes, rejection.fact, rule)
    return Verdicts(nodes, (objection,) if nodes else ())


def _check(prepared: list[tuple[str, Any]], snapshot: Snapshot, nodes: Mask) -> Verdicts:
    left, objections, plan = nodes, list[Objection](), NOTHING
    for rule, facts in prepared:
        found = FILTERS[rule].check(facts, snapshot, left)
        objections += (replace(objection, rule=rule) for objection in found.objections)
        plan = Plan((*plan.matches, *found.plan.matches), (*plan.provisions, *found.plan.provisions))
        for objection in found.objections:
            left &= ~objection.nodes
    return Verdicts(nodes, tuple(objections), plan)
