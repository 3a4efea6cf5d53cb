"""Whether a volume may go: not while it is Bound. Nothing else counts, not even a reservation.

Rule: "Storage Object in Use Protection" in the Kubernetes concept page on persistent volumes.
"""

from dataclasses import dataclass

from controllers.finalizers import holds_up, wants
from model.names import VOLUME_PROTECTION
from model.volumes import PersistentVolume, VolumePhase


@dataclass(frozen=True)
class Nothing:
    """The volume has its finalizer and stays, or goes without our help."""


@dataclass(frozen=True)
class Protect:
    """Put the finalizer on."""

    volume: PersistentVolume


@dataclass(frozen=True)
class Keep:
    """The volume is to go, but a claim has it."""

    volume: PersistentVolume


@dataclass(frozen=True)
class Release:
    """Take the finalizer off: the volume may go."""

    volume: PersistentVolume


Action = Nothing | Protect | Keep | Release


def decide(volume: PersistentVolume) -> Action:
    """What to do about a volume."""
    if wants(volume, VOLUME_PROTECTION):
        return Protect(volume)
    if not holds_up(volume, VOLUME_PROTECTION):
        return Nothing()
    return Keep(volume) if volume.status.phase == VolumePhase.BOUND else Release(volume)
