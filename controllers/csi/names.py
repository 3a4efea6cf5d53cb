"""The controllers beside a driver: their names, and what each reads. Apart from `table`, as this loads no gRPC."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.resources import (
    ATTACHMENTS,
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_NODES,
    NODES,
    VOLUMES,
    Resource,
)

CACHES: Final[Mapping[str, tuple[Resource[Any], ...]]] = {
    "csi-provisioner": (CLAIMS, VOLUMES, CLASSES, NODES, CSI_NODES, ATTACHMENTS),
    "csi-attacher": (ATTACHMENTS, VOLUMES, CSI_NODES),
    "csi-resizer": (CLAIMS, VOLUMES),
    "csi-capacity": (CAPACITIES, CLASSES, NODES, CSI_NODES, CLAIMS),
}
"""What each reads, by name, in the order in which they start."""
NAMES: Final = tuple(CACHES)


def cached(names: Sequence[str]) -> tuple[Resource[Any], ...]:
    """The caches that the controllers of these names need."""
    return tuple(dict.fromkeys(resource for name in names for resource in CACHES[name]))
