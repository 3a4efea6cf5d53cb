"""The volumes that claims may take, kept in the order in which they are tried, so that a choice is no scan.

A shelf holds the volumes that agree in class, volume mode, attributes class and access modes, smallest first; beside
them the same once more for each label, for claims with a selector. The rules themselves are in `storage.binding`.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from model.quantity import QuantityError
from model.selectors import LabelSelector
from model.volumes import PersistentVolume, PersistentVolumeClaim, VolumePhase
from storage.binding import by_access_modes, reserved_for, suits, takeable

Kind = tuple[str, str, str]
"""Class, volume mode and attributes class: what must be equal on both sides."""
Modes = frozenset[str]
Label = tuple[str, str]
Place = tuple[int, str]
"""Where a volume stands on its shelf: its size, then its name."""


def kind_of(object_: PersistentVolume | PersistentVolumeClaim) -> Kind:
    """What a claim and a volume that nobody reserved must agree in."""
    return (object_.storage_class, object_.volume_mode, object_.spec.volume_attributes_class_name or "")


@dataclass
class _Shelf:
    """Volumes alike, smallest first, all of them and those with each label."""

    all: list[Place] = field(default_factory=list)
    labelled: dict[Label, list[Place]] = field(default_factory=dict)

    def add(self, volume: PersistentVolume, place: Place) -> None:
        insort(self.all, place)
        for label in volume.labels.items():
            insort(self.labelled.setdefault(label, []), place)

    def remove(self, volume: PersistentVolume, place: Place) -> None:
        _remove(self.all, place)
        for label in volume.labels.items():
            _remove(self.labelled[label], place)
            if not self.labelled[label]:
                del self.labelled[label]

    def row(self, selector: LabelSelector | None) -> list[Place]:
        """The shortest row that holds all that the selector may accept."""
        rows = [self.labelled.get(label, []) for label in _demanded(selector)] if selector else []
        return min(rows, key=len, default=self.all)


class FreeVolumes:
    """Available volumes that nobody has reserved or is about to take."""

    def __init__(self) -> None:
        self._volumes: dict[str, PersistentVolume] = {}
        self._shelves: dict[Kind, dict[Modes, _Shelf]] = {}

    def __len__(self) -> int:
        return len(self._volumes)

    def get(self, name: str) -> PersistentVolume | None:
        """The volume, if it is free."""
        return self._volumes.get(name)

    def put(self, name: str, volume: PersistentVolume | None) -> bool:
        """This is how a volume is now; whether it is free, and was not or was another before."""
        before = self._volumes.get(name)
        free = volume is not None and _is_free(volume)
        if before is not None:
            if free and volume is not None and before.metadata.resource_version == volume.metadata.resource_version:
                return False
            self.take(name)
        if not free or volume is None:
            return False
        self._volumes[name] = volume
        shelf = self._shelves.setdefault(kind_of(volume), {}).setdefault(volume.access_modes, _Shelf())
        shelf.add(volume, _place(volume))
        return True

    def take(self, name: str) -> None:
        """The volume is not free any more."""
        volume = self._volumes.pop(name, None)
        if volume is None:
            return
        kind = kind_of(volume)
        shelves = self._shelves[kind]
        shelves[volume.access_modes].remove(volume, _place(volume))
        if not shelves[volume.access_modes].all:
            del shelves[volume.access_modes]
        if not shelves:
            del self._shelves[kind]

    def choose(
        self, claim: PersistentVolumeClaim, reserved: Iterable[PersistentVolume], *, delay_binding: bool
    ) -> PersistentVolume | None:
        """The volume that the claim gets; of `reserved`, those with a claimRef for its name, first of its modes.

        `delay_binding` leaves what is free to whoever schedules.
        """
        own = _by_modes(volume for volume in reserved if reserved_for(volume, claim) and suits(volume, claim))
        shelves = {} if delay_binding else self._shelves.get(kind_of(claim), {})
        for modes in by_access_modes(claim, own.keys() | shelves.keys()):
            if modes in own:
                return min(own[modes], key=_place)
            if (volume := self._smallest(claim, shelves[modes])) is not None:
                return volume
        return None

    def _smallest(self, claim: PersistentVolumeClaim, shelf: _Shelf) -> PersistentVolume | None:
        row = shelf.row(claim.spec.selector)
        for position in range(bisect_left(row, (claim.requested_nanos, "")), len(row)):
            volume = self._volumes[row[position][1]]
            if suits(volume, claim) and takeable(volume, claim):
                return volume
        return None


def _is_free(volume: PersistentVolume) -> bool:
    if volume.spec.claim_ref is not None or volume.deleting or volume.status.phase != VolumePhase.AVAILABLE:
        return False
    try:
        return volume.capacity_nanos >= 0
    except QuantityError:
        return False


def _place(volume: PersistentVolume) -> Place:
    return (volume.capacity_nanos, volume.name)


def _by_modes(volumes: Iterable[PersistentVolume]) -> dict[Modes, list[PersistentVolume]]:
    grouped: dict[Modes, list[PersistentVolume]] = {}
    for volume in volumes:
        grouped.setdefault(volume.access_modes, []).append(volume)
    return grouped


def _demanded(selector: LabelSelector) -> Sequence[Label]:
    """Labels that every volume has which the selector accepts."""
    single = (
        (each.key, each.values[0])
        for each in selector.match_expressions or ()
        if each.operator == "In" and each.values is not None and len(each.values) == 1
    )
    return [*(selector.match_labels or {}).items(), *single]


def _remove(row: list[Place], place: Place) -> None:
    position = bisect_left(row, place)
    assert row[position] == place, "a row holds what was put into it"
    del row[position]
