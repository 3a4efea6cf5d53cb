"""Who destroys the storage of a volume whose claim is gone, and what is done with one that nobody destroys.

Rule: "Reclaiming" in the Kubernetes concept page on persistent volumes, and the order in which kube-controller-manager
looks for a deleter.
"""

from enum import Enum, auto
from typing import Protocol

from controllers.migration import IN_TREE
from model import names
from model.volumes import PersistentVolume
from plugins.protocol import Deleter, Provisioner


class Deleters(Protocol):
    """The plugins that can destroy storage."""

    def provisioner(self, name: str) -> Provisioner | None:
        """Who makes volumes for classes with this provisioner."""

    def deleter(self, volume: PersistentVolume) -> Deleter | None:
        """Who destroys the storage of this volume."""


class Destroyer(Enum):
    """Who is to destroy a volume's storage."""

    EXTERNAL = auto()
    """A program of its own, which watches the volume."""
    NOBODY = auto()
    """A plugin that is not there."""


def destroyer_of(volume: PersistentVolume, plugins: Deleters) -> Deleter | Destroyer:
    """Who destroys the storage of a volume with policy Delete."""
    provisioner = volume.annotations.get(names.PROVISIONED_BY)
    if provisioner:
        if plugins.provisioner(provisioner) is not None:
            return plugins.deleter(volume) or Destroyer.NOBODY
        return Destroyer.NOBODY if provisioner.startswith(IN_TREE) else Destroyer.EXTERNAL
    if names.MIGRATED_TO in volume.annotations or volume.spec.csi is not None:
        return Destroyer.EXTERNAL
    return plugins.deleter(volume) or Destroyer.NOBODY


class Reclaim(Enum):
    """What follows when a volume's claim is gone."""

    KEEP = auto()
    RECYCLE = auto()
    DESTROY = auto()
    """Somebody destroys the storage and then the volume."""
    NO_DELETER = auto()
    UNKNOWN_POLICY = auto()


def reclaim_of(volume: PersistentVolume, plugins: Deleters) -> Reclaim:
    """What follows for this volume."""
    if volume.annotations.get(names.MIGRATED_TO):
        return Reclaim.KEEP
    match volume.spec.persistent_volume_reclaim_policy:
        case "Retain":
            return Reclaim.KEEP
        case "Recycle":
            return Reclaim.RECYCLE
        case "Delete":
            nobody = destroyer_of(volume, plugins) is Destroyer.NOBODY
            return Reclaim.NO_DELETER if nobody else Reclaim.DESTROY
        case _:
            return Reclaim.UNKNOWN_POLICY
