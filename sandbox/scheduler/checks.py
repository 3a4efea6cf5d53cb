"""What the scheduler itself asks of a node, in kube-scheduler's words and order; the rest is for extenders.

Sources: the plugins NodeUnschedulable, TaintToleration, NodeAffinity and NodeResourcesFit. The taint of a node that is
not ready, which kube-controller-manager would write, is read off the Ready condition: nobody writes it here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.selectors import NodeSelector, NodeSelectorTerm
from sandbox.scheduler.resources import Amounts, Usage, room_of, short_of
from sandbox.scheduler.views import Node, Pod, Taint, Toleration

UNSCHEDULABLE: Final = "node(s) were unschedulable"
TAINTED: Final = "node(s) had untolerated taint(s)"
AFFINITY: Final = "node(s) didn't match Pod's node affinity/selector"

_CORDONED: Final = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
_NOT_READY: Final = {
    "False": Taint("node.kubernetes.io/not-ready", "", "NoSchedule"),
    "Unknown": Taint("node.kubernetes.io/unreachable", "", "NoSchedule"),
}


@dataclass(frozen=True)
class Objection:
    """Why a pod does not go to a node; `resolvable` says that evicting pods could help."""

    reasons: tuple[str, ...]
    resolvable: bool = False


def objection(pod: Pod, requests: Amounts, node: Node, used: Usage, ignored: frozenset[str]) -> Objection | None:
    """The first thing that keeps the pod from the node. `ignored` resources are left to extenders."""
    tolerations = pod.spec.tolerations or ()
    if node.spec.unschedulable and not _tolerated(_CORDONED, tolerations):
        return Objection((UNSCHEDULABLE,))
    if not all(_tolerated(taint, tolerations) for taint in _taints(node)):
        return Objection((TAINTED,))
    if not matches_affinity(pod, node):
        return Objection((AFFINITY,))
    reasons, curable = short_of(requests, room_of(node), used, ignored)
    return Objection(reasons, resolvable=curable) if reasons else None


def matches_affinity(pod: Pod, node: Node) -> bool:
    """Whether the node is one that nodeSelector and required node affinity allow."""
    labels = node.labels
    if any(labels.get(key) != value for key, value in (pod.spec.node_selector or {}).items()):
        return False
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    return affinity is None or affinity.required is None or _selects(affinity.required, node)


def _selects(selector: NodeSelector, node: Node) -> bool:
    return any(_accepts(term, node) for term in selector.node_selector_terms or ())


def _accepts(term: NodeSelectorTerm, node: Node) -> bool:
    """Expressions are about labels, fields about the name; a term with neither accepts nothing."""
    expressions, fields = term.match_expressions or (), term.match_fields or ()
    if not expressions and not fields:
        return False
    named = {"metadata.name": node.name}
    return all(each.holds(node.labels) for each in expressions) and all(each.holds(named) for each in fields)


def _taints(node: Node) -> Iterator[Taint]:
    """The taints that keep new pods away."""
    for taint in node.spec.taints or ():
        if taint.effect in ("NoSchedule", "NoExecute"):
            yield taint
    for condition in node.status.conditions or ():
        if condition.type == "Ready" and condition.status in _NOT_READY:
            yield _NOT_READY[condition.status]


def _tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    return any(
        (not each.effect or each.effect == taint.effect)
        and (not each.key or each.key == taint.key)
        and (each.operator == "Exists" or (each.operator in ("", "Equal") and each.value == taint.value))
        for each in tolerations
    )
