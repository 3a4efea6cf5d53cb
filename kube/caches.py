"""The informers of one process, with the indexes that several parts ask by; only the chosen ones run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NoReturn

from kube.cache import Cache
from kube.client import Client
from model.csi import CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment
from model.resources import (
    ATTACHMENTS,
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_DRIVERS,
    CSI_NODES,
    NODES,
    PODS,
    VOLUMES,
    Resource,
)
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Node, Pod

ALL: Final[tuple[Resource[Any], ...]] = (
    PODS,
    NODES,
    CLAIMS,
    VOLUMES,
    CLASSES,
    CSI_NODES,
    CSI_DRIVERS,
    CAPACITIES,
    ATTACHMENTS,
)


class Caches:
    """The chosen informers. Asking for one that was not chosen is a LookupError: it would be empty for ever."""

    pods: Cache[Pod]
    """Indexes: `node` (spec.nodeName), `claim` (keys of the claims it uses)."""
    nodes: Cache[Node]
    claims: Cache[PersistentVolumeClaim]
    """Indexes: `class`, `volume` (spec.volumeName)."""
    volumes: Cache[PersistentVolume]
    """Indexes: `class`, `claim` (key of its claimRef)."""
    classes: Cache[StorageClass]
    csi_nodes: Cache[CSINode]
    csi_drivers: Cache[CSIDriver]
    capacities: Cache[CSIStorageCapacity]
    """Index: `class`."""
    attachments: Cache[VolumeAttachment]
    """Indexes: `node`, `volume` (the volume's name)."""

    def __init__(self, client: Client, resources: Collection[Resource[Any]] = ALL) -> None:
        raise NotImplementedError

    async def run(self) -> NoReturn:
        """Run them all for ever."""
        raise NotImplementedError

    @property
    def has_synced(self) -> bool:
        """Whether every one has."""
        raise NotImplementedError

    async def wait_synced(self) -> None:
        """Return when every one has."""
        raise NotImplementedError

    def complaint(self, max_age_seconds: float = 180.0) -> str | None:
        """Why they are not to be relied on (not synced, or no word from the server for long); None when they are."""
        raise NotImplementedError
