"""The controllers beside a driver: their names, and what each reads. Apart from `table`, as this loads no gRPC."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from controllers import select
from model.resources import (
    ATTACHMENTS,
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_NODES,
    NODES,
    PODS,
    SNAPSHOT_CLASSES,
    SNAPSHOT_CONTENTS,
    SNAPSHOTS,
    VOLUMES,
    Resource,
)

CACHES: Final[Mapping[str, tuple[Resource[Any], ...]]] = {
    "csi-provisioner": (CLAIMS, VOLUMES, CLASSES, NODES, CSI_NODES, ATTACHMENTS),
    "csi-attacher": (ATTACHMENTS, VOLUMES, CSI_NODES),
    "csi-resizer": (CLAIMS, VOLUMES),
    "csi-modifier": (CLAIMS, VOLUMES),
    "csi-snapshotter": (SNAPSHOT_CONTENTS, SNAPSHOT_CLASSES),
    "snapshot-controller": (SNAPSHOTS, SNAPSHOT_CONTENTS, SNAPSHOT_CLASSES, CLAIMS, VOLUMES),
    "csi-capacity": (CAPACITIES, CLASSES, NODES, CSI_NODES, VOLUMES, CLAIMS),
}
"""What each reads, by name, in the order in which they start."""
NAMES: Final = tuple(CACHES)
SNAPSHOTTER: Final = "csi-snapshotter"
SNAPSHOT_CONTROLLER: Final = "snapshot-controller"
REGISTRAR: Final = "node-driver-registrar"
"""Is none of them: it belongs on every node, asks the API server nothing, and works whoever holds the Lease."""
BY_NAME: Final = (SNAPSHOT_CONTROLLER, REGISTRAR)
"""Those that `*` does not mean: a cluster has the former once, whatever drivers it has, and a node the latter."""


def named(expression: str) -> frozenset[str]:
    """Those that `--controllers` names: what can not work of them is complained of, what `*` means is left out."""
    return frozenset(item.strip() for item in expression.split(","))


def chosen(expression: str) -> tuple[tuple[str, ...], bool]:
    """Those that `--controllers` asks for, and whether the registrar is among them.

    Raises:
        ValueError: an unknown name.
    """
    said = named(expression)
    names = [name for name in select(expression, (*NAMES, REGISTRAR)) if name not in BY_NAME or name in said]
    return tuple(name for name in names if name != REGISTRAR), REGISTRAR in names


def plain(driver: str) -> str:
    """A driver's name as a part of an object's name."""
    return re.sub(r"[^a-z0-9.]", "-", driver.lower()).strip("-.")


def lease(driver: str) -> str:
    """The Lease that the leader of a driver's sidecars holds, unless it is said otherwise."""
    return f"lading-csi-{plain(driver)}"


def journal(driver: str) -> str:
    """The ConfigMap in which a driver's calls under way are written down."""
    return f"lading-csi-{plain(driver)}-calls"


def cached(names: Sequence[str], *, pods: bool = False) -> tuple[Resource[Any], ...]:
    """The caches that the controllers of these names need; `pods`: whether the resizer must know who uses a volume."""
    needed = dict.fromkeys(resource for name in names for resource in CACHES[name])
    return (*needed, PODS) if pods and "csi-resizer" in names and PODS not in needed else tuple(needed)
