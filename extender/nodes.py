"""The nodes of the cluster by position, and their labels as masks.

Kept current one node at a time; a selector is then answered by looking at distinct label values, never at every node.
"""

import re
from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import compress
from operator import and_, or_
from typing import Final

from extender import masks
from extender.masks import Mask
from model.selectors import Labels, LabelSelector, NodeSelector, NodeSelectorTerm, Requirement
from model.volumes import TopologyTerm
from model.workloads import Node
from storage import zones
from storage.zones import ZoneConstraint

_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]*")
_SETS_KEPT: Final = 64


class NodeIndex:
    """Positions of nodes and, for every label, who has it. A position is reused when its node is gone."""

    def __init__(self, *, reads_match_fields: bool = False) -> None:
        """`reads_match_fields`: whether a term's matchFields bind, which kube-scheduler passes over."""
        self._reads_match_fields = reads_match_fields
        self.names: list[str] = []
        """By position; "" where no node is."""
        self.position: dict[str, int] = {}
        self.all: Mask = 0
        self._labels: dict[str, dict[str, Mask]] = {}
        self._having: dict[str, Mask] = {}
        self._shown: dict[str, Labels] = {}
        self._free: list[int] = []
        self._escaped: set[str] = set()
        self._known: set[str] = set()
        self.generation = 0
        """Grows whenever a node comes or goes."""
        self._name_sets: dict[Mask, frozenset[str]] = {}

    @property
    def size(self) -> int:
        """One more than the highest position."""
        return len(self.names)

    def update(self, old: Node | None, new: Node | None) -> None:
        """Take in one change: a cache's handler."""
        if new is None:
            if old is not None:
                self._remove(old.name)
        elif new.name not in self.position:
            self._add(new)
        elif new.labels != self._shown[new.name]:
            self._relabel(new.name, new.labels)

    def mask_of(self, names: Iterable[str]) -> Mask:
        """The nodes of these names; unknown names are left out."""
        known = (self.position[name] for name in names if name in self.position)
        return masks.of(known, self.size)

    def names_of(self, mask: Mask) -> list[str]:
        """The names in the mask, by position."""
        if mask.bit_count() < self.size // 16:
            return [self.names[position] for position in masks.positions(mask)]
        return list(compress(self.names, masks.flags(mask, self.size)))

    def flags(self, names: Iterable[str], mask: Mask) -> bytes:
        """One byte a name: 1 where its node is in the mask, 0 where it is not, or is not known.

        The set that is asked is kept for the next time: verdicts repeat from pod to pod.
        """
        found = self._name_sets.get(mask)
        if found is None:
            while len(self._name_sets) >= _SETS_KEPT:
                del self._name_sets[next(iter(self._name_sets))]
            found = self._name_sets[mask] = frozenset(self.names_of(mask))
        return bytes(map(found.__contains__, names))

    def know(self, names: Iterable[str]) -> bool:
        """Whether every name is that of a node."""
        return self._known.issuperset(names)

    @property
    def are_plain(self) -> bool:
        """Whether every name is in JSON as it is, as the API server sees to: between quotes, and nothing escaped."""
        return not self._escaped

    def labels(self, name: str) -> Labels:
        """The labels of a known node."""
        return self._shown[name]

    # --- who has it ---

    def having(self, key: str) -> Mask:
        """The nodes with this label, whatever its value."""
        return self._having.get(key, 0)

    def with_value(self, key: str, values: Iterable[str]) -> Mask:
        """The nodes whose label has one of the values."""
        present = self._labels.get(key, {})
        return reduce(or_, (present.get(value, 0) for value in values), 0)

    def satisfying(self, requirement: Requirement) -> Mask:
        """The nodes on which the requirement holds (`Requirement.holds`)."""
        key, values = requirement.key, requirement.values or ()
        match requirement.operator:
            case "In":
                return self.with_value(key, values)
            case "NotIn":
                return self.all & ~self.with_value(key, values)
            case "Exists":
                return self.having(key)
            case "DoesNotExist":
                return self.all & ~self.having(key)
            case _:  # comparisons: asked once per distinct value
                present = self._labels.get(key, {})
                return reduce(or_, (mask for value, mask in present.items() if requirement.holds({key: value})), 0)

    def selected(self, selector: LabelSelector | None) -> Mask:
        """The nodes that a label selector matches; an absent one matches none."""
        if selector is None:
            return 0
        exact = (self.with_value(key, (value,)) for key, value in (selector.match_labels or {}).items())
        more = (self.satisfying(requirement) for requirement in selector.match_expressions or ())
        return reduce(and_, (*exact, *more), self.all)

    def reaching(self, required: NodeSelector | None) -> Mask:
        """The nodes that a volume's required affinity accepts (`storage.topology.reachable`)."""
        if required is None:
            return self.all
        return reduce(or_, (self._term(term) for term in required.node_selector_terms or ()), 0)

    def allowed(self, terms: Iterable[TopologyTerm] | None) -> Mask:
        """The nodes that a class's allowedTopologies accept (`storage.topology.allows`)."""
        terms = tuple(terms or ())
        return reduce(or_, (self._topology_term(term) for term in terms), 0) if terms else self.all

    def zoned(self) -> Mask:
        """The nodes with any zone or region label."""
        return reduce(or_, (self.having(key) for key in zones.LABELS), 0)

    def in_zone(self, constraint: ZoneConstraint) -> Mask:
        """The nodes whose own label satisfies the constraint; unlabelled ones are not among them."""
        found, unlabelled = 0, self.all
        for key in constraint.keys:
            found |= unlabelled & self.with_value(key, constraint.values)
            unlabelled &= ~self.having(key)
        return found

    def values(self, key: str, mask: Mask) -> Mapping[str, Mask]:
        """The distinct values of a label among some nodes, each with those that have it."""
        present = self._labels.get(key, {})
        return {value: having & mask for value, having in present.items() if having & mask}

    # --- keeping it current ---

    def _term(self, term: NodeSelectorTerm) -> Mask:
        if not term.match_expressions and not term.match_fields:
            return 0
        found = reduce(and_, (self.satisfying(each) for each in term.match_expressions or ()), self.all)
        return found & self._of_fields(term) if self._reads_match_fields else found

    def _of_fields(self, term: NodeSelectorTerm) -> Mask:
        """The nodes that matchFields accept; the API knows one field, metadata.name, with In or NotIn and one value."""
        found = self.all
        for each in term.match_fields or ():
            named = self.mask_of(each.values or ())
            found &= self.all & ~named if each.operator == "NotIn" else named
        return found

    def _topology_term(self, term: TopologyTerm) -> Mask:
        expressions = term.match_label_expressions or ()
        accepting = (self.with_value(each.key, each.values or ()) for each in expressions)
        return reduce(and_, accepting, self.all) if expressions else 0

    def _add(self, node: Node) -> None:
        self.generation += 1
        self._name_sets.clear()
        if self._free:
            position = self._free.pop()
            self.names[position] = node.name
        else:
            position = len(self.names)
            self.names.append(node.name)
        self.position[node.name] = position
        self._known.add(node.name)
        if not _PLAIN.fullmatch(node.name):
            self._escaped.add(node.name)
        self.all |= masks.bit(position)
        self._shown[node.name] = {}
        self._relabel(node.name, node.labels)

    def _remove(self, name: str) -> None:
        if name not in self.position:
            return
        self.generation += 1
        self._name_sets.clear()
        self._relabel(name, {})
        position = self.position.pop(name)
        self._escaped.discard(name)
        self._known.discard(name)
        del self._shown[name]
        self.names[position] = ""
        self.all &= ~masks.bit(position)
        self._free.append(position)

    def _relabel(self, name: str, labels: Labels) -> None:
        old, own = self._shown[name], masks.bit(self.position[name])
        for key, value in old.items() - labels.items():
            self._clear(self._labels[key], value, own)
        for key, value in labels.items() - old.items():
            present = self._labels.setdefault(key, {})
            present[value] = present.get(value, 0) | own
        for key in old.keys() - labels.keys():
            self._clear(self._having, key, own)
        for key in labels.keys() - old.keys():
            self._having[key] = self._having.get(key, 0) | own
        self._shown[name] = labels

    @staticmethod
    def _clear(sets: dict[str, Mask], name: str, own: Mask) -> None:
        sets[name] &= ~own
        if not sets[name]:
            del sets[name]
