"""What is to be done for a pod's unbound claims: volumes to take and volumes to have made, each on some nodes."""

from dataclasses import dataclass, replace
from typing import Final

from extender.masks import Mask
from model.csi import CSIStorageCapacity
from model.volumes import PersistentVolume, PersistentVolumeClaim


@dataclass(frozen=True)
class Match:
    """An existing volume chosen for a claim, on these nodes."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume
    nodes: Mask

    def with_volume(self, volume: PersistentVolume) -> "Match":
        """The same, with a newer state of the volume."""
        return replace(self, volume=volume)


@dataclass(frozen=True)
class Provision:
    """A claim whose volume is to be made, on these nodes; `capacity` is the report with room, where one is needed."""

    claim: PersistentVolumeClaim
    nodes: Mask
    capacity: CSIStorageCapacity | None = None

    def with_claim(self, claim: PersistentVolumeClaim) -> "Provision":
        """The same, with a newer state of the claim."""
        return replace(self, claim=claim)


@dataclass(frozen=True)
class Plan:
    """All of it, for every node that was asked about."""

    matches: tuple[Match, ...] = ()
    provisions: tuple[Provision, ...] = ()

    def on(self, node: Mask) -> "Plan":
        """The part of one node."""
        return Plan(
            tuple(match for match in self.matches if match.nodes & node),
            tuple(provision for provision in self.provisions if provision.nodes & node),
        )


NOTHING: Final = Plan()
