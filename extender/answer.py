"""Verdicts about masks as the lists and maps of names that the wire carries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from extender.nodes import NodeIndex
from extender.verdict import Group, Reason, Verdicts

_MAPS_KEPT: Final = 16
"""Of rejected nodes, encoded: some 400 kB each with 5,000 nodes."""

Rejected = Mapping[str, str] | orjson.Fragment
"""Message by node, as a mapping or encoded already."""


@dataclass
class Answer:
    """The nodes of one request, sorted by verdict. Messages join a node's reasons as kube-scheduler does."""

    feasible: list[str] = field(default_factory=list)
    failed: Rejected = field(default_factory=dict)
    """Evicting pods could help."""
    unresolvable: Rejected = field(default_factory=dict)
    failed_count: int = 0
    unresolvable_count: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    """How many by message."""


def answer(names: Sequence[str], verdicts: Verdicts, nodes: NodeIndex) -> Answer:
    """Sort the names as they were sent. A node that is not known can not be judged, and waits for its event.

    The verdicts may be about further nodes. Sets of names keep the work of thousands of them out of Python's hands.
    """
    return _sorted(_feasible(names, verdicts, nodes), names, verdicts, nodes)


class Answers:
    """The same, with the maps of rejected nodes kept encoded: a scheduler that asks about all nodes asks again."""

    def __init__(self, nodes: NodeIndex) -> None:
        self._nodes = nodes
        self._generation = -1
        self._maps: dict[tuple[Group, ...], tuple[orjson.Fragment, orjson.Fragment]] = {}

    def of(self, names: Sequence[str], verdicts: Verdicts) -> Answer:
        """Sort the names as they were sent."""
        feasible = _feasible(names, verdicts, self._nodes)
        rejected = verdicts.rejected.bit_count()
        if len(names) - len(feasible) != rejected or len(feasible) != verdicts.feasible.bit_count():
            return _sorted(feasible, names, verdicts, self._nodes)
        # They are all that was judged. (One unknown in a rejected one's place is in no list: not feasible either way.)
        groups = tuple(verdicts.groups())
        failed, unresolvable = self._encoded(groups)
        result = Answer(feasible, failed, unresolvable)
        for group in groups:
            count = group.nodes.bit_count()
            result.rejected[str(group.message)] = count
            result.failed_count += count if group.resolvable else 0
            result.unresolvable_count += 0 if group.resolvable else count
        return result

    def _encoded(self, groups: tuple[Group, ...]) -> tuple[orjson.Fragment, orjson.Fragment]:
        if self._generation != self._nodes.generation:
            self._generation = self._nodes.generation
            self._maps.clear()
        if groups not in self._maps:
            while len(self._maps) >= _MAPS_KEPT:
                del self._maps[next(iter(self._maps))]
            self._maps[groups] = self._encode(groups, resolvable=True), self._encode(groups, resolvable=False)
        return self._maps[groups]

    def _encode(self, groups: Sequence[Group], *, resolvable: bool) -> orjson.Fragment:
        messages = dict[str, str]()
        for group in groups:
            if group.resolvable is resolvable:
                messages |= dict.fromkeys(self._nodes.names_of(group.nodes), str(group.message))
        return orjson.Fragment(orjson.dumps(messages))


def _feasible(names: Sequence[str], verdicts: Verdicts, nodes: NodeIndex) -> list[str]:
    return list(filter(nodes.name_set(verdicts.feasible).__contains__, names))


def _sorted(feasible: list[str], names: Sequence[str], verdicts: Verdicts, nodes: NodeIndex) -> Answer:
    failed, unresolvable, rejected = dict[str, str](), dict[str, str](), dict[str, int]()
    left = len(names) - len(feasible)
    for group in verdicts.groups():
        if not left:
            break
        here = dict.fromkeys(filter(nodes.name_set(group.nodes).__contains__, names), group.message)
        (failed if group.resolvable else unresolvable).update(here)
        if here:
            rejected[str(group.message)] = len(here)
        left -= len(here)
    if left and (unknown := [name for name in names if name not in nodes.position]):
        unresolvable |= dict.fromkeys(unknown, Reason.NODE_UNKNOWN)
        rejected[str(Reason.NODE_UNKNOWN)] = len(unknown)
    return Answer(feasible, failed, unresolvable, len(failed), len(unresolvable), rejected)
