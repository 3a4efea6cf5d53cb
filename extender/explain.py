"""Why a pod may or may not run where: per rule, node and claim, with the values at fault and the change that helps.

Nodes that a rule rejects for one reason and fact are one entry, so that thousands of them read as a few lines.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from extender.advice import advice
from extender.decisions import Decision
from extender.facts import Fact, NotEnoughSpace, SlotsFull, TopologyNotAllowed, Unreachable, WrongZone
from extender.filters import evaluate
from extender.masks import Mask
from extender.plan import Plan
from extender.slots import NodeSlots
from extender.snapshot import Snapshot
from extender.survey import Opinion, survey
from extender.verdict import EvaluationError, Objection
from extender.why import clauses, filling, why
from model.meta import JSON
from model.volumes import PersistentVolumeClaim
from model.workloads import Pod
from storage.capacity import limit_bytes

NAMED: Final = 5
"""Names listed of a group of nodes, unless all are asked for."""


class Nodes(msgspec.Struct, frozen=True):
    """Some nodes: how many, and their names or the first of them."""

    count: int
    names: list[str]


class SlotUse(msgspec.Struct, frozen=True, rename="camel"):
    """The attach slots of a driver on nodes that are alike."""

    nodes: Nodes
    limit: int
    used: int
    filled_by: list[str]
    """On the first of them: volume handles, unbound claims, and how many are attached without a pod."""


class Entry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Nodes that one rule rejects alike."""

    reason: str
    """In the words that kube-scheduler's users know."""
    resolvable: bool
    """Whether evicting pods could help."""
    nodes: Nodes
    told: list[str]
    fix: str
    fact: JSON | None = None
    found: dict[str, dict[str, int]] | None = None
    """Labels that the rule looked at: the values most of these nodes have, and how many each; "" where it is absent."""
    slots: list[SlotUse] | None = None
    largest_pool_bytes: int | None = None
    """The most that one pool reports of which these nodes can have a volume; None without any report."""


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule's opinion: `passes`, `rejects`, `error`, or `not concerned` where the pod has nothing it looks at."""

    name: str
    verdict: str
    rejects: list[Entry] = []
    error: str = ""


class ClaimState(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A claim of the pod as it stands."""

    name: str
    state: str
    storage_class: str = ""
    requested: str = ""
    volume: str = ""
    selected_node: str = ""


class Placement(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a claim would get on some of the nodes that suit."""

    claim: str
    nodes: Nodes
    volume: str = ""
    """The volume it would take; "" where one is to be made by its class."""
    storage_class: str = ""


class Explanation(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The whole answer."""

    pod: str
    summary: str
    feasible: Nodes
    asked: int
    rules: list[Rule]
    node: str = ""
    """Where it runs already; "" while it does not."""
    claims: list[ClaimState] = []
    placements: list[Placement] = []
    decisions: list[Decision] = []
    """What the scheduler was answered of late, the oldest first."""


def explain(
    pod: Pod, snapshot: Snapshot, nodes: Mask, *, named: int | None = NAMED, decisions: Iterable[Decision] = ()
) -> Explanation:
    """Explain these nodes for the pod. `named` limits the names listed of a group; None lists all."""
    found = survey(pod, snapshot, nodes)
    explainer = _Explainer(snapshot, named)
    return Explanation(
        pod=pod.key,
        summary=_summary(pod, snapshot, nodes),
        feasible=explainer.nodes(found.feasible),
        asked=nodes.bit_count(),
        rules=[explainer.rule(opinion) for opinion in found.opinions],
        node=pod.spec.node_name,
        claims=[_claim_state(name, claim) for _, name, claim in snapshot.stores.pod_claims(pod)],
        placements=list(explainer.placements(found.plan, found.feasible)),
        decisions=list(decisions),
    )


def _summary(pod: Pod, snapshot: Snapshot, nodes: Mask) -> str:
    try:
        return why(evaluate(pod, snapshot, nodes), snapshot)
    except EvaluationError as error:
        return f"can not be judged: {error}"


class _Explainer:
    def __init__(self, snapshot: Snapshot, named: int | None) -> None:
        self._snapshot = snapshot
        self._named = named

    def nodes(self, mask: Mask) -> Nodes:
        return Nodes(mask.bit_count(), sorted(self._snapshot.nodes.names_of(mask))[: self._named])

    def rule(self, opinion: Opinion) -> Rule:
        if opinion.error:
            return Rule(opinion.rule, "error", error=opinion.error)
        if not opinion.concerned:
            return Rule(opinion.rule, "not concerned")
        entries = [self._entry(objection) for objection in opinion.findings.objections]
        return Rule(opinion.rule, "rejects" if entries else "passes", entries)

    def placements(self, plan: Plan, feasible: Mask) -> Iterator[Placement]:
        for match in plan.matches:
            if here := match.nodes & feasible:
                yield Placement(match.claim.name, self.nodes(here), volume=match.volume.name)
        for provision in plan.provisions:
            if here := provision.nodes & feasible:
                yield Placement(provision.claim.name, self.nodes(here), storage_class=provision.claim.storage_class)

    def _entry(self, objection: Objection) -> Entry:
        fact, nodes = objection.fact, objection.nodes
        return Entry(
            objection.reason,
            objection.resolvable,
            self.nodes(nodes),
            list(clauses(objection, self._snapshot)),
            advice(objection),
            fact=_as_json(fact) if fact else None,
            found=self._found(fact, nodes),
            slots=list(self._slots(fact.driver, nodes)) if isinstance(fact, SlotsFull) else None,
            largest_pool_bytes=self._largest_pool(fact, nodes) if isinstance(fact, NotEnoughSpace) else None,
        )

    def _found(self, fact: Fact | None, nodes: Mask) -> dict[str, dict[str, int]] | None:
        keys = _labels_asked(fact)
        return {key: self._values(key, nodes) for key in keys} if keys else None

    def _values(self, key: str, nodes: Mask) -> dict[str, int]:
        counts = ((value, mask.bit_count()) for value, mask in self._snapshot.nodes.values(key, nodes).items())
        present = sorted(counts, key=lambda each: (-each[1], each[0]))[: self._named]
        absent = (nodes & ~self._snapshot.nodes.having(key)).bit_count()
        return {**dict(sorted(present)), **({"": absent} if absent else {})}

    def _slots(self, driver: str, nodes: Mask) -> Iterator[SlotUse]:
        alike = dict[tuple[int, int], list[str]]()
        for name in sorted(self._snapshot.nodes.names_of(nodes)):
            alike.setdefault(_use(driver, self._snapshot.slots.on(name)), []).append(name)
        for (limit, used), here in alike.items():
            filled_by = filling(driver, self._snapshot.slots.on(here[0]))
            yield SlotUse(Nodes(len(here), here[: self._named]), limit, used, filled_by)

    def _largest_pool(self, fact: NotEnoughSpace, nodes: Mask) -> int | None:
        reports = self._snapshot.stores.capacities.by("class", fact.storage_class)
        reached = (each for each in reports if self._snapshot.nodes.selected(each.node_topology) & nodes)
        return max((room for each in reached if (room := limit_bytes(each)) is not None), default=None)


def _use(driver: str, held: NodeSlots) -> tuple[int, int]:
    return held.limits[driver], held.taken.get(driver, 0)


def _labels_asked(fact: Fact | None) -> tuple[str, ...]:
    match fact:
        case Unreachable(_, _, required):
            terms = required.node_selector_terms or ()
            return tuple(dict.fromkeys(each.key for term in terms for each in term.match_expressions or ()))
        case TopologyNotAllowed(_, _, terms):
            return tuple(dict.fromkeys(each.key for term in terms for each in term.match_label_expressions or ()))
        case WrongZone(_, _, constraint):
            return constraint.keys
        case _:
            return ()


def _as_json(fact: Fact) -> JSON:
    fields: dict[str, Any] = msgspec.to_builtins(fact, str_keys=True)
    return {"kind": type(fact).__name__, **fields}


def _claim_state(name: str, claim: PersistentVolumeClaim | None) -> ClaimState:
    if claim is None:
        return ClaimState(name, "missing")
    return ClaimState(
        name,
        _state(claim),
        claim.storage_class,
        (claim.spec.resources.requests or {}).get("storage", ""),
        claim.spec.volume_name,
        claim.selected_node or "",
    )


def _state(claim: PersistentVolumeClaim) -> str:
    if claim.deleting:
        return "being deleted"
    if claim.status.phase == "Lost":
        return "lost its volume"
    if claim.fully_bound:
        return "bound"
    if claim.spec.volume_name:
        return "names its volume, not confirmed yet"
    return "storage is being made" if claim.selected_node else "unbound"
