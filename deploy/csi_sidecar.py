"""What the controllers beside a driver may do with the API server, by name: the calls they make, no more and no less.

Secrets are another matter: classes name them, in any namespace, so that only a grant on all of them lets a driver have
those that it is meant to. None is granted unless it is asked for; a Role on the very Secrets does as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controllers.csi.names import NAMES, journal, lease
from controllers.csi.names import cached as caches_of
from deploy.grants import TELLS, Grant, Place, cached, grant, own
from model.resources import (
    ATTACHMENTS,
    ATTRIBUTES_CLASSES,
    CAPACITIES,
    CLAIMS,
    CONFIG_MAPS,
    CSI_NODES,
    LEASES,
    NODES,
    PODS,
    SECRETS,
    SNAPSHOT_CONTENTS,
    SNAPSHOTS,
    VOLUMES,
)


@dataclass(frozen=True)
class Sidecar:
    """A driver, and what runs beside it."""

    driver: str = "hostpath.csi.lading"
    controllers: tuple[str, ...] = tuple(NAMES)
    secrets: bool = False
    """Whether it may read every Secret of the cluster."""


CONTROLLERS: Final[Mapping[str, tuple[Grant, ...]]] = {
    "csi-provisioner": (
        grant(NODES, "get"),
        grant(CSI_NODES, "get"),
        grant(CLAIMS, "patch"),
        grant(VOLUMES, "get create patch delete"),
        grant(ATTRIBUTES_CLASSES, "get"),
        grant(SNAPSHOTS, "get list patch"),
        grant(SNAPSHOT_CONTENTS, "get"),
        *TELLS,
    ),
    "csi-attacher": (
        grant(VOLUMES, "patch"),
        grant(ATTACHMENTS, "patch"),
        grant(ATTACHMENTS, "patch", "status"),
    ),
    "csi-resizer": (
        grant(VOLUMES, "patch"),
        grant(CLAIMS, "patch", "status"),
        *TELLS,
    ),
    "csi-modifier": (
        grant(VOLUMES, "patch"),
        grant(CLAIMS, "patch", "status"),
        grant(ATTRIBUTES_CLASSES, "get"),
        *TELLS,
    ),
    "csi-snapshotter": (
        grant(SNAPSHOT_CONTENTS, "get patch"),
        grant(SNAPSHOT_CONTENTS, "patch", "status"),
        *TELLS,
    ),
    "snapshot-controller": (
        grant(SNAPSHOTS, "patch"),
        grant(SNAPSHOTS, "patch", "status"),
        grant(SNAPSHOT_CONTENTS, "get create patch delete"),
        grant(CLAIMS, "patch"),
        *TELLS,
    ),
    "csi-capacity": (
        grant(CAPACITIES, "create patch delete", place=Place.OWN),
        grant(PODS, "get", place=Place.OWN),
    ),
}
"""What they do besides watching."""


def controller(name: str, driver: str = Sidecar.driver) -> tuple[Grant, ...]:
    """What one of them needs.

    Raises:
        KeyError: none has that name.
    """
    recorded = (own(CONFIG_MAPS, "create"), own(CONFIG_MAPS, "get patch", journal(driver)))
    calls = recorded if name == "csi-provisioner" else ()
    return (*cached(caches_of([name], pods=True)), *CONTROLLERS[name], *calls)


def sidecar(beside: Sidecar) -> tuple[Grant, ...]:
    """All that the process needs.

    Raises:
        KeyError: no controller has that name.
    """
    needed = tuple(each for name in beside.controllers for each in controller(name, beside.driver))
    leads = (own(LEASES, "create"), own(LEASES, "get patch", lease(beside.driver)))
    read = (grant(SECRETS, "get"),) if beside.secrets else ()
    return (*needed, *leads, *read)
