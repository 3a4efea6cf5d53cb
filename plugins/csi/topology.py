"""Where a driver is asked to make a volume, and where the volume it made can be reached: pure.

Rule: the external provisioner's topology. `for_node` and `for_any` are the whole of it; `requirement` is for callers
that know one node alone, and asks as with `--strict-topology` where a class names no place.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from model.volumes import TopologyTerm
from plugins.csi import csi_pb2 as pb
from plugins.errors import Exhausted, Failed

Segments = Mapping[str, str]
Elsewhere = Callable[[Sequence[str]], Sequence[Segments]]
"""By keys, the places that the cluster's nodes with all of these labels are in; sorted, each once."""

_ORDINAL: Final = re.compile(r"(?P<stem>.*)-(?P<ordinal>[0-9]+)")
_MAX_ORDINAL: Final = (1 << 32) - 1
_FNV_BASIS: Final = 2166136261
_FNV_PRIME: Final = 16777619


@dataclass(frozen=True)
class Spot:
    """The node that was selected, as far as the driver's topology goes."""

    node: str
    keys: Sequence[str]
    """The driver's, on this node."""
    labels: Mapping[str, str]


def for_node(
    spot: Spot, allowed: Sequence[TopologyTerm], elsewhere: Elsewhere, *, strict: bool
) -> pb.TopologyRequirement:
    """Where a volume for a pod of a node must be, and best is: the node's own place first.

    Raises:
        Failed: the driver has no topology there, the node lacks labels of it, or the class makes none for the node.
    """
    own = _own(spot.keys, spot.node, spot.labels)
    terms: Sequence[Segments] = flattened(allowed)
    if not own:
        raise Failed(f"node {spot.node!r}: the driver is registered there without topology, or not yet")
    if strict:
        if terms and not any(_within(term, own) for term in terms):
            raise Failed(f"node {spot.node!r} is in no topology that the class allows")
        return _asked([own])
    terms = terms or elsewhere(sorted(spot.keys))
    first = next((place for place, term in enumerate(terms) if _within(term, own)), None)
    if first is None:
        raise Failed(f"node {spot.node!r} is in no topology that volumes are made in")
    return _asked(terms, _rotated(terms, first))


def for_any(
    claim: str, allowed: Sequence[TopologyTerm], elsewhere: Callable[[], Sequence[Segments]]
) -> pb.TopologyRequirement:
    """Where a volume must be that is wanted on no node yet. Claims of a set begin with places next to each other.

    Raises:
        Failed: there is no place.
    """
    terms = flattened(allowed) or elsewhere()
    if not terms:
        raise Failed("no node has the driver registered with its topology yet")
    return _asked(terms, _rotated(terms, turn(claim, len(terms))))


def turn(claim: str, places: int) -> int:
    """Which of so many places is the first for a claim of this name: of `data-web-3`, by its set and its ordinal."""
    match = _ORDINAL.fullmatch(claim)
    if match is None or int(match["ordinal"]) > _MAX_ORDINAL:
        return _fnv1(claim) % places
    start = _fnv1(match["stem"].rpartition("-")[2])
    return (start + int(match["ordinal"])) % (_MAX_ORDINAL + 1) % places


def requirement(
    keys: Iterable[str], node: str, labels: Mapping[str, str], allowed: Sequence[TopologyTerm]
) -> pb.TopologyRequirement | None:
    """Where the volume must be, and best is; None where anywhere will do.

    Raises:
        Failed: the node has not all labels that the driver's topology is made of.
        Exhausted: the class makes no volumes for the node.
    """
    terms = flattened(allowed)
    if not node:
        return _asked(terms) if terms else None
    own = _own(keys, node, labels)
    if not terms:
        return _asked([own]) if own else None
    first = next((place for place, term in enumerate(terms) if _within(term, labels)), None)
    if first is None:
        raise Exhausted(f"node {node!r} is in no topology that the class allows")
    # The driver takes the first that it can: the node's own.
    return _asked(terms, _rotated(terms, first))


def flattened(allowed: Iterable[TopologyTerm]) -> list[dict[str, str]]:
    """Every combination of values as a term of its own; sorted, each once."""
    found = set()
    for term in allowed:
        keys = [each.key for each in term.match_label_expressions or ()]
        values = [each.values or () for each in term.match_label_expressions or ()]
        found |= {tuple(sorted(zip(keys, chosen, strict=True))) for chosen in product(*values)}
    return [dict(term) for term in sorted(found) if term]


def affinity_of(topologies: Iterable[pb.Topology]) -> NodeSelector | None:
    """Where a volume can be reached: one term for each topology; None for everywhere."""
    terms = [
        NodeSelectorTerm(tuple(Requirement(key, "In", (value,)) for key, value in sorted(each.segments.items())))
        for each in topologies
        if each.segments
    ]
    return NodeSelector(tuple(terms)) if terms else None


def _within(term: Segments, place: Mapping[str, str]) -> bool:
    return all(place.get(key) == value for key, value in term.items())


def _rotated(terms: Sequence[Segments], first: int) -> list[Segments]:
    return [*terms[first:], *terms[:first]]


def _fnv1(text: str) -> int:
    """FNV-1, 32 bits: multiply, then mix in."""
    value = _FNV_BASIS
    for byte in text.encode():
        value = value * _FNV_PRIME & _MAX_ORDINAL ^ byte
    return value


def _own(keys: Iterable[str], node: str, labels: Mapping[str, str]) -> dict[str, str]:
    keys = sorted(keys)
    missing = [key for key in keys if key not in labels]
    if missing:
        raise Failed(f"node {node!r} lacks labels that the driver's topology is made of: {', '.join(missing)}")
    return {key: labels[key] for key in keys}


def _asked(requisite: Sequence[Segments], preferred: Sequence[Segments] | None = None) -> pb.TopologyRequirement:
    return pb.TopologyRequirement(
        requisite=[pb.Topology(segments=segments) for segments in requisite],
        preferred=[pb.Topology(segments=segments) for segments in preferred or requisite],
    )
