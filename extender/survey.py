"""What every filter says of every node, also of those that an earlier filter rejects: the ground of an explanation.

It asks the very functions that decide; kube-scheduler stops at a node's first rejection, whoever mends a cluster wants
to know them all.
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

from extender.filters import FILTERS
from extender.masks import Mask
from extender.plan import NOTHING, Plan
from extender.snapshot import Snapshot
from extender.verdict import EvaluationError, Findings, Objection, Rejection
from model.workloads import Pod

_NONE: Final = Findings()


@dataclass(frozen=True)
class Opinion:
    """What one filter says. `concerned` is False where the pod has nothing that it looks at."""

    rule: str
    concerned: bool = True
    findings: Findings = _NONE
    error: str = ""

    @property
    def rejected(self) -> Mask:
        """The nodes that it objects to."""
        return reduce(or_, (objection.nodes for objection in self.findings.objections), 0)


@dataclass(frozen=True)
class Survey:
    """The opinions in the order in which the filters are asked."""

    asked: Mask
    opinions: tuple[Opinion, ...]

    @property
    def feasible(self) -> Mask:
        """The nodes to which nobody objects; none where somebody can not tell."""
        if any(opinion.error for opinion in self.opinions):
            return 0
        return self.asked & ~reduce(or_, (opinion.rejected for opinion in self.opinions), 0)

    @property
    def plan(self) -> Plan:
        """What is to be done for the pod's claims."""
        return next((each.findings.plan for each in self.opinions if each.findings.plan is not NOTHING), NOTHING)


def survey(pod: Pod, snapshot: Snapshot, nodes: Mask) -> Survey:
    """Ask all filters about these nodes. What can not be judged is said, not raised."""
    snapshot.slots.refresh()
    return Survey(nodes, tuple(_ask(rule, pod, snapshot, nodes) for rule in FILTERS))


def _ask(rule: str, pod: Pod, snapshot: Snapshot, nodes: Mask) -> Opinion:
    asked = FILTERS[rule]
    try:
        facts = asked.prepare(pod, snapshot)
        if facts is None:
            return Opinion(rule, concerned=False)
        if isinstance(facts, Rejection):
            everywhere = Objection(facts.reason, facts.resolvable, nodes, facts.fact)
            return Opinion(rule, findings=Findings((everywhere,) if nodes else ()))
        return Opinion(rule, findings=asked.check(facts, snapshot, nodes))
    except EvaluationError as error:
        return Opinion(rule, error=str(error))
