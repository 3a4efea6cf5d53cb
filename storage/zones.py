"""Zone and region labels of volumes as constraints on nodes (the scheduler's VolumeZone).

Each label is a constraint of its own, its value a set joined by two underscores. A volume's beta label is compared
with the node's GA label where the node lacks the beta one; never the other way round. Rule: "Well-Known Labels",
`topology.kubernetes.io/zone`, and the VolumeZone scheduler plugin.
"""

from dataclasses import dataclass
from typing import Final

from model import names
from model.selectors import Labels

LABELS: Final = (names.BETA_ZONE, names.BETA_REGION, names.ZONE, names.REGION)
"""In the order in which they are checked."""
SEPARATOR: Final = "__"

_GA: Final = {names.BETA_ZONE: names.ZONE, names.BETA_REGION: names.REGION}


@dataclass(frozen=True)
class ZoneConstraint:
    """One label of one volume: the node's label must have one of the values."""

    key: str
    values: frozenset[str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The node labels to look at; the first one present counts."""
        return (self.key, _GA[self.key]) if self.key in _GA else (self.key,)

    def holds(self, node_labels: Labels) -> bool:
        """Whether a node with these labels, which has any zone or region label, satisfies this."""
        return self.found(node_labels) in self.values

    def found(self, node_labels: Labels) -> str | None:
        """The value that the node shows for this constraint; None where it shows none."""
        return next((node_labels[key] for key in self.keys if key in node_labels), None)


def constraints(volume_labels: Labels) -> tuple[ZoneConstraint, ...]:
    """What a volume's labels demand of nodes. A label with an empty element is ignored."""
    parsed = ((key, parse(volume_labels[key])) for key in LABELS if key in volume_labels)
    return tuple(ZoneConstraint(key, values) for key, values in parsed if values)


def parse(value: str) -> frozenset[str]:
    """The zones of `a__b`, trimmed; none at all if one is empty. A third underscore belongs to the next element."""
    elements = frozenset(element.strip() for element in value.split(SEPARATOR))
    return frozenset() if "" in elements else elements


def is_zoned(node_labels: Labels) -> bool:
    """Whether the node has any zone or region label; one that has none satisfies every constraint."""
    return any(key in node_labels for key in LABELS)
