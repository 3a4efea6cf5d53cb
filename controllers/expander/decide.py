"""Who is to grow the volume of a claim that asks for more than it has.

No in-tree plugin can grow a volume any more, so all that is left to say is for whom the claim waits; where an in-tree
volume is served by a CSI driver, that driver's resizer must be named on the claim. Rule: "Expanding Persistent Volumes
Claims" in the Kubernetes concept page on persistent volumes.
"""

from dataclasses import dataclass

from model.names import PRE_RESIZE_CAPACITY
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim
from storage.translation import PLUGINS, Plugin


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


Action = Nothing | NotBound | LeaveToOthers | LeaveToDriver


def wakes(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim) -> bool:
    """Whether a change of a claim is worth a look: a Bound one that is new, asks for more or has got more."""
    if new.status.phase != ClaimPhase.BOUND:
        return False
    return old is None or new.requested_nanos > old.requested_nanos or new.capacity_nanos > old.capacity_nanos


def decide(claim: PersistentVolumeClaim, volume: PersistentVolume | None) -> Action:
    """What to do about a Bound claim; `volume` is the one it names."""
    if volume is None:
        return NotBound(f"there is no volume {claim.spec.volume_name!r}")
    reference = volume.spec.claim_ref
    if reference is None or (reference.namespace, reference.uid) != (claim.namespace, claim.uid):
        return NotBound(f"volume {volume.name} is not bound to the claim")
    if claim.requested_nanos <= claim.capacity_nanos and PRE_RESIZE_CAPACITY not in volume.annotations:
        return Nothing()
    plugin = next((plugin for plugin in PLUGINS if getattr(volume.spec, plugin.source) is not None), None)
    return LeaveToDriver(claim, plugin) if plugin else LeaveToOthers(claim)
