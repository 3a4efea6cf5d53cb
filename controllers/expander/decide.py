"""Who is to grow the volume of a claim that asks for more than it has.

Mostly all that is to be said is for whom the claim waits; where an in-tree volume is served by a CSI driver, that
driver's resizer must be named on the claim. A FlexVolume driver grows its volumes on the node, and only there, so here
the volume is given the size that is asked for: kubelet follows. Rule: "Expanding Persistent Volumes Claims" in the
Kubernetes concept page on persistent volumes, and what kube-controller-manager is seen to do.
"""

from dataclasses import dataclass

from controllers.csi.resizer.decide import Resizer, target
from model.names import PRE_RESIZE_CAPACITY
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim
from storage.migrated import plugin_behind
from storage.translation import Plugin


@dataclass(frozen=True)
class Nothing:
    """There is nothing to grow."""


@dataclass(frozen=True)
class NotBound:
    """The claim's volume is not there, or does not point back: to be looked at again."""

    why: str


@dataclass(frozen=True)
class LeaveToOthers:
    """Say that whoever serves the volume is waited for."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True)
class LeaveToDriver:
    """Say so, and name the driver that took over from the volume's in-tree plugin."""

    claim: PersistentVolumeClaim
    plugin: Plugin


@dataclass(frozen=True)
class Grow:
    """Give the volume its new size, and leave the rest to the node, if there is a file system to grow."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume
    driver: str
    size: str


@dataclass(frozen=True)
class Grown:
    """The node has done its part: forget what the claim had before."""

    volume: PersistentVolume


Action = Nothing | NotBound | LeaveToOthers | LeaveToDriver | Grow | Grown


def wakes(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim) -> bool:
    """Whether a change of a claim is worth a look: a Bound one that is new, asks for more or has got more."""
    if new.status.phase != ClaimPhase.BOUND:
        return False
    return old is None or new.requested_nanos > old.requested_nanos or new.capacity_nanos > old.capacity_nanos


def decide(claim: PersistentVolumeClaim, volume: PersistentVolume | None) -> Action:
    """What to do about a Bound claim; `volume` is the one it names."""
    if volume is None:
        return NotBound(f"there is no volume {claim.spec.volume_name!r}")
    if not volume.belongs_to(claim):
        return NotBound(f"volume {volume.name} is not bound to the claim")
    if claim.requested_nanos <= claim.capacity_nanos and PRE_RESIZE_CAPACITY not in volume.annotations:
        return Nothing()
    if volume.spec.flex_volume is not None:
        return _of_flex_volume(claim, volume, str(volume.spec.flex_volume.get("driver", "")))
    plugin = plugin_behind(volume)
    return LeaveToDriver(claim, plugin) if plugin else LeaveToOthers(claim)


def _of_flex_volume(claim: PersistentVolumeClaim, volume: PersistentVolume, driver: str) -> Action:
    if claim.capacity_nanos >= max(claim.requested_nanos, volume.capacity_nanos):
        return Grown(volume)
    size = target(claim, volume, Resizer(driver))
    return Nothing() if size is None else Grow(claim, volume, driver, size)
