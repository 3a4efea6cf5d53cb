"""Where a driver is asked to make a volume, and where the volume it made can be reached: pure.

Rule: the external provisioner's topology, with `--strict-topology` where a class names none: which other nodes there
are is not known here.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from model.volumes import TopologyTerm
from plugins.csi import csi_pb2 as pb
from plugins.errors import Exhausted, Failed

Segments = Mapping[str, str]


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
    first = next((place for place, term in enumerate(terms) if all(labels.get(k) == v for k, v in term.items())), None)
    if first is None:
        raise Exhausted(f"node {node!r} is in no topology that the class allows")
    # The driver takes the first that it can: the node's own.
    return _asked(terms, [*terms[first:], *terms[:first]])


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
