"""Where a volume can be reached and where one may be made: node affinity of volumes, allowedTopologies of classes.

Both look at the node's labels alone: its name is not known here, so `matchFields` in a volume's affinity is not
evaluated. Rules: `VolumeNodeAffinity` and `TopologySelectorTerm` of the Kubernetes API reference.
"""

from collections.abc import Iterable

from model.selectors import Labels, NodeSelector, NodeSelectorTerm
from model.volumes import PersistentVolume, TopologyTerm


def written_affinity(volume: PersistentVolume) -> NodeSelector | None:
    """What the volume demands of nodes, as written; None when it demands nothing."""
    return volume.spec.node_affinity.required if volume.spec.node_affinity else None


def required_affinity(volume: PersistentVolume) -> NodeSelector | None:
    """What the volume demands of nodes; None when every node reaches it.

    A term with a value that no label can have is left out: it accepts no node, whatever its operator.
    """
    written = written_affinity(volume)
    if written is None or all(map(_is_readable, written.node_selector_terms or ())):
        return written
    return NodeSelector(tuple(filter(_is_readable, written.node_selector_terms or ())))


def reachable(volume: PersistentVolume, node_labels: Labels) -> bool:
    """Whether a node with these labels reaches the volume."""
    required = required_affinity(volume)
    return required is None or required.matches_labels(node_labels)


def allows(terms: Iterable[TopologyTerm] | None, node_labels: Labels) -> bool:
    """Whether a class with these allowedTopologies makes volumes for a node with these labels.

    No terms allow all; terms are alternatives; an empty term matches nothing; keys are compared as they are written.
    """
    terms = tuple(terms or ())
    return not terms or any(term_allows(term, node_labels) for term in terms)


def term_allows(term: TopologyTerm, node_labels: Labels) -> bool:
    """Whether one alternative accepts the labels: every key's values hold the label's value."""
    expressions = term.match_label_expressions or ()
    return bool(expressions) and all(node_labels.get(each.key) in (each.values or ()) for each in expressions)


def _is_readable(term: NodeSelectorTerm) -> bool:
    return all(expression.readable for expression in term.match_expressions or ())
