"""The facts behind a verdict: which claim, volume, label or driver is at fault, said by the code that decided."""

from dataclasses import dataclass

from model.selectors import NodeSelector
from model.volumes import TopologyTerm
from storage.zones import ZoneConstraint


@dataclass(frozen=True)
class DiskInUse:
    """An inline disk that a pod on the node holds."""

    disk: str


@dataclass(frozen=True)
class ClaimInUse:
    """A claim for one pod alone that another pod has."""

    claim: str
    pod: str
    node: str


@dataclass(frozen=True)
class SlotsFull:
    """Too few attach slots of a driver for the volumes that the pod brings."""

    driver: str


@dataclass(frozen=True)
class DriverMissing:
    """A driver that has not registered on the node."""

    driver: str


@dataclass(frozen=True)
class NoCsiNode:
    """A node that has no CSINode yet, so that nobody knows how many volumes of the driver it takes."""

    driver: str


@dataclass(frozen=True)
class Unreachable:
    """A bound volume whose affinity the node does not satisfy; `required` is what was evaluated."""

    claim: str
    volume: str
    required: NodeSelector


@dataclass(frozen=True)
class VolumeMissing:
    """A claim bound to a volume that does not exist."""

    claim: str
    volume: str


@dataclass(frozen=True)
class PinnedElsewhere:
    """A claim whose storage is being made for another node."""

    claim: str
    node: str


@dataclass(frozen=True)
class NoVolume:
    """No free volume fits the claim, and its class makes none."""

    claim: str
    storage_class: str
    size_bytes: int | None


@dataclass(frozen=True)
class Reserved:
    """The claim's own reserved volume is out of the node's reach, and its class makes none."""

    claim: str
    volume: str


@dataclass(frozen=True)
class TopologyNotAllowed:
    """The class makes no volumes for this part of the cluster."""

    claim: str
    storage_class: str
    terms: tuple[TopologyTerm, ...]


@dataclass(frozen=True)
class NotEnoughSpace:
    """No report of capacity for the node is large enough."""

    claim: str
    storage_class: str
    size_bytes: int


@dataclass(frozen=True)
class WrongZone:
    """A bound volume's zone or region label that the node does not satisfy."""

    claim: str
    volume: str
    constraint: ZoneConstraint


Fact = (
    DiskInUse
    | ClaimInUse
    | SlotsFull
    | DriverMissing
    | NoCsiNode
    | Unreachable
    | VolumeMissing
    | PinnedElsewhere
    | NoVolume
    | Reserved
    | TopologyNotAllowed
    | NotEnoughSpace
    | WrongZone
)
