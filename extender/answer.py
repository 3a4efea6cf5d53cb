"""Verdicts about masks as the answer on the wire: the nodes of one request sorted, counted and encoded.

Thousands of names are asked for as a whole, and joined, never taken one by one: what they cost is the memory that is
touched for each, and would be more than the decision itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

from extender.nodes import NodeIndex
from extender.verdict import Group, Reason, Verdicts
from extender.wire import Candidates, Messages, filter_result, messages

_MAPS_KEPT: Final = 32
"""Of rejected nodes, encoded: some 100 bytes a node each."""


@dataclass(frozen=True)
class Answer:
    """An ExtenderFilterResult, and how many nodes are in which part of it."""

    body: bytes
    feasible: int
    failed: int
    """Evicting pods could help them."""
    unresolvable: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    """How many by message."""
    rules: Mapping[str, int] = field(default_factory=dict)
    """How many by the filter that rejects them."""


class Answers:
    """Makes them. Maps of rejected nodes are kept encoded: a scheduler that asks about all nodes asks again."""

    def __init__(self, nodes: NodeIndex) -> None:
        self._nodes = nodes
        self._generation = -1
        self._maps: dict[Group, Messages] = {}

    def of(self, asked: Candidates, verdicts: Verdicts) -> Answer:
        """Sort the nodes as they were sent. One that is not known can not be judged, and waits for its event.

        The verdicts may be about further nodes.
        """
        groups = verdicts.groups()
        if not groups and self._nodes.know(asked.names):
            return _encoded(asked, [])
        flags = self._nodes.flags(asked.names, verdicts.feasible)
        if flags.count(1) == asked.count:
            return _encoded(asked, [])
        left = asked.only(flags)
        if left.count == verdicts.feasible.bit_count() and asked.count - left.count == verdicts.rejected.bit_count():
            # They are all that was judged. (One unknown in a rejected one's place is in no list: not feasible anyway.)
            return _encoded(left, [(group, group.nodes.bit_count(), self._map(group)) for group in groups])
        return _encoded(left, *self._rejected(asked, groups))

    def _rejected(
        self, asked: Candidates, groups: Sequence[Group]
    ) -> tuple[list[tuple[Group, int, Messages]], list[str]]:
        """The groups with as many of the nodes asked about as are in them, and the names that nobody knows."""
        found = list[tuple[Group, int, Messages]]()
        for group in groups:
            names = list(compress(asked.names, self._nodes.flags(asked.names, group.nodes)))
            if names:
                found.append((group, len(names), messages(names, group.message, plain=self._nodes.are_plain)))
        return found, [name for name in asked.names if name not in self._nodes.position]

    def _map(self, group: Group) -> Messages:
        if self._generation != self._nodes.generation:
            self._generation = self._nodes.generation
            self._maps.clear()
        found = self._maps.get(group)
        if found is None:
            while len(self._maps) >= _MAPS_KEPT:
                del self._maps[next(iter(self._maps))]
            names = self._nodes.names_of(group.nodes)
            found = self._maps[group] = messages(names, group.message, plain=self._nodes.are_plain)
        return found


def _encoded(left: Candidates, groups: Sequence[tuple[Group, int, Messages]], unknown: Sequence[str] = ()) -> Answer:
    said: dict[bool, list[Messages]] = {True: [], False: []}
    counts, rejected, rules = {True: 0, False: len(unknown)}, dict[str, int](), dict[str, int]()
    for group, count, encoded in groups:
        counts[group.resolvable] += count
        rejected[group.message] = rejected.get(group.message, 0) + count
        rules[group.rule] = rules.get(group.rule, 0) + count
        said[group.resolvable].append(encoded)
    if unknown:
        rejected[Reason.NODE_UNKNOWN] = len(unknown)
        said[False].append(messages(unknown, Reason.NODE_UNKNOWN, plain=False))
    body = filter_result(left, failed=said[True], unresolvable=said[False])
    return Answer(body, left.count, counts[True], counts[False], rejected, rules)
