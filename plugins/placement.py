"""Where storage that is made for a node can be reached: the affinity of the new volume, as a pure function.

A directory of a node is reached from that node alone, so its volume follows the node's host name. A class whose
allowedTopologies name other keys (a zone, say) states how far its storage reaches: the volume then follows the node's
values of those very keys and nothing narrower. Rule: `allowedTopologies` of the Kubernetes API reference.
"""

from collections.abc import Iterable, Mapping

from model import names
from model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from model.volumes import TopologyTerm
from plugins.errors import Exhausted
from plugins.protocol import ProvisionRequest
from storage.topology import term_allows


def affinity_of(request: ProvisionRequest) -> NodeSelector | None:
    """The affinity of a directory made for the request; None where it can be reached from everywhere.

    Without a node that is what the class allows, as nothing narrower is known.

    Raises:
        Exhausted: the class makes no volumes for the chosen node.
    """
    if not request.node:
        return _anywhere_in(request.allowed_topologies)
    keys = _keys(request.node, request.node_labels, request.allowed_topologies)
    labels = {names.HOSTNAME: request.node, **request.node_labels}
    return _one_of((tuple(Requirement(key, "In", (labels[key],)) for key in keys),))


def _keys(node: str, labels: Mapping[str, str], allowed: tuple[TopologyTerm, ...]) -> list[str]:
    """The keys that tell where the node's storage reaches, sorted."""
    if not allowed:
        if labels and names.HOSTNAME not in labels:
            raise Exhausted(f"node {node!r} has no label {names.HOSTNAME!r} that a volume of it could name")
        return [names.HOSTNAME]
    term = next((each for each in allowed if term_allows(each, labels)), None)
    if term is None:
        raise Exhausted(f"node {node!r} is in no topology that the class allows")
    return sorted({each.key for each in term.match_label_expressions or ()})


def _anywhere_in(allowed: Iterable[TopologyTerm]) -> NodeSelector | None:
    terms = tuple(
        tuple(Requirement(each.key, "In", each.values) for each in term.match_label_expressions or ())
        for term in allowed
    )
    return _one_of(terms) if terms else None


def _one_of(terms: Iterable[tuple[Requirement, ...]]) -> NodeSelector:
    return NodeSelector(tuple(NodeSelectorTerm(match_expressions=term) for term in terms))
