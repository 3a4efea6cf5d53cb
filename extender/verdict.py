"""What the filters say of nodes: the reason in the words that users of kube-scheduler know, and the fact behind it.

The wording is part of the interface: it appears in the pod's events, counted by equal strings, and is searched for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce
from operator import or_

from extender.facts import Fact
from extender.masks import Mask
from extender.plan import NOTHING, Plan


class Reason(StrEnum):
    """The reasons that need no name in them."""

    DISK_CONFLICT = "node(s) had no available disk"
    CLAIM_IN_USE = (
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "
        "already in-use by another pod"
    )
    MAX_VOLUME_COUNT = "node(s) exceed max volume count"
    NO_CSI_NODE = "node(s) had no CSINode yet"
    NODE_AFFINITY = "node(s) didn't match PersistentVolume's node affinity"
    NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
    NOT_ENOUGH_SPACE = "node(s) did not have enough free storage"
    VOLUME_MISSING = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
    UNBOUND_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"
    ZONE_CONFLICT = "node(s) had no available volume zone"
    NODE_UNKNOWN = "node(s) were not known to the extender yet"


class EvaluationError(Exception):
    """The question can not be answered; the whole attempt fails and is tried again."""


@dataclass(frozen=True)
class Objection:
    """Nodes that a filter rejects for one reason and one fact."""

    reason: str
    resolvable: bool
    """Whether evicting other pods could help."""
    nodes: Mask
    fact: Fact | None = None
    rule: str = ""
    """The filter that objects: a node's objections are all of one, since others are not asked about it any more."""


@dataclass(frozen=True)
class Findings:
    """What one filter found: objections to nodes and, for those without, what it chose for them."""

    objections: tuple[Objection, ...] = ()
    plan: Plan = NOTHING


@dataclass(frozen=True)
class Rejection:
    """A verdict of preparation: it holds for every node."""

    reason: str
    resolvable: bool = False
    fact: Fact | None = None


@dataclass(frozen=True)
class Group:
    """Nodes that were rejected alike."""

    resolvable: bool
    nodes: Mask
    message: str
    """The reasons in one line, as kube-scheduler joins them."""
    rule: str = ""


@dataclass(frozen=True)
class Verdicts:
    """What all filters say of the nodes asked about."""

    asked: Mask
    objections: tuple[Objection, ...] = ()
    plan: Plan = NOTHING

    @property
    def rejected(self) -> Mask:
        """The nodes with an objection."""
        return reduce(or_, (objection.nodes for objection in self.objections), 0)

    @property
    def feasible(self) -> Mask:
        """The nodes without one."""
        return self.asked & ~self.rejected

    def among(self, nodes: Mask) -> "Verdicts":
        """The part that is about these nodes."""
        objections = (replace(each, nodes=each.nodes & nodes) for each in self.objections)
        return Verdicts(self.asked & nodes, tuple(each for each in objections if each.nodes), self.plan)

    def groups(self) -> list[Group]:
        """The rejected nodes by all their reasons, in the order in which these were found; no node is in two."""
        groups = [Group(resolvable=True, nodes=self.rejected, message="")] if self.rejected else []
        for objection in self.objections:
            groups = [part for group in groups for part in _split(group, objection) if part.nodes]
        alike = dict[tuple[bool, str, str], Mask]()
        for group in groups:
            key = group.resolvable, group.message, group.rule
            alike[key] = alike.get(key, 0) | group.nodes
        return [Group(resolvable, nodes, message, rule) for (resolvable, message, rule), nodes in alike.items()]


def _split(group: Group, objection: Objection) -> Iterable[Group]:
    yield Group(
        group.resolvable and objection.resolvable,
        group.nodes & objection.nodes,
        f"{group.message}, {objection.reason}" if group.message else objection.reason,
        objection.rule,
    )
    yield Group(group.resolvable, group.nodes & ~objection.nodes, group.message, group.rule)
