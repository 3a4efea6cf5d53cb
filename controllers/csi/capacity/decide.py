"""Which CSIStorageCapacities there are to be, and what they say. Pure.

Rule: KEP-1472 (storage capacity tracking), as external-provisioner publishes it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from model import names, quantity
from model.csi import CSIStorageCapacity
from model.meta import JSON, OwnerReference
from model.selectors import NodeSelectorTerm
from model.volumes import PersistentVolume, StorageClass
from storage.topology import required_affinity

MANAGER: Final = "external-provisioner"
"""Who keeps the objects up, as their label says: whoever comes after another provisioner takes over its objects."""

Segment = tuple[tuple[str, str], ...]
"""Labels by key, sorted; () is everywhere."""


@dataclass(frozen=True)
class Pair:
    """What one object is about. Neither half of it can be changed in an object."""

    storage_class: str
    segment: Segment

    def __str__(self) -> str:
        """Its key in the queue."""
        return f"{self.storage_class}|{','.join(f'{key}={value}' for key, value in self.segment)}"

    @classmethod
    def read(cls, key: str) -> "Pair":
        """From its key."""
        storage_class, _, labels = key.partition("|")
        pairs = (label.partition("=") for label in labels.split(",") if label)
        return cls(storage_class, tuple((name, value) for name, _, value in pairs))


@dataclass(frozen=True)
class Room:
    """What a driver says of a pair."""

    capacity_bytes: int
    largest_bytes: int | None = None
    """The largest volume, where the driver tells."""


def pairs(
    classes: Iterable[StorageClass], segments: Iterable[Segment], driver: str, *, immediate: bool
) -> frozenset[Pair]:
    """All that there are to be."""
    places = list(segments)
    return frozenset(
        Pair(each.name, place)
        for each in classes
        if each.provisioner == driver and (immediate or each.waits_for_consumer)
        for place in places
    )


def is_ours(found: CSIStorageCapacity, driver: str, namespace: str) -> bool:
    """Whether we keep this object up, or an earlier one of our kind did."""
    said = (found.labels.get(names.CAPACITY_DRIVER), found.labels.get(names.CAPACITY_MANAGER))
    return said == (driver, MANAGER) and found.namespace == namespace


def pair_of(found: CSIStorageCapacity) -> Pair | None:
    """What an object is about; None where it is about what none of ours is."""
    place = found.node_topology
    if place is None or place.match_expressions:
        return None
    return Pair(found.storage_class_name, tuple(sorted((place.match_labels or {}).items())))


def body(pair: Pair, room: Room, driver: str, owners: Sequence[JSON]) -> JSON:
    """A new object."""
    labels = {names.CAPACITY_DRIVER: driver, names.CAPACITY_MANAGER: MANAGER}
    metadata: JSON = {"generateName": "csisc-", "labels": labels}
    if owners:
        metadata["ownerReferences"] = list(owners)
    place: JSON = {"matchLabels": dict(pair.segment)} if pair.segment else {}
    said = {key: value for key, value in _said(room).items() if value is not None}
    return {"metadata": metadata, "storageClassName": pair.storage_class, "nodeTopology": place, **said}


def change(found: CSIStorageCapacity, room: Room, owners: Sequence[JSON]) -> JSON | None:
    """What is to be changed in an object; None if nothing. An owner that is to be none is left as it is."""
    changes: JSON = {}
    if _bytes(found.capacity) != room.capacity_bytes or _bytes(found.maximum_volume_size) != room.largest_bytes:
        changes = _said(room)
    if owners and tuple(found.metadata.owner_references or ()) != _as_views(owners):
        changes["metadata"] = {"ownerReferences": list(owners)}
    return changes or None


class Known:
    """Pairs by class and by place: a cluster may have thousands, and its volumes come and go all the time."""

    def __init__(self, known: Iterable[Pair] = ()) -> None:
        self.pairs = frozenset(known)
        self._of_class: dict[str, list[Pair]] = {}
        self._at: dict[tuple[str, str], list[Pair]] = {}
        self.everywhere = [each for each in self.pairs if not each.segment]
        for each in self.pairs:
            self._of_class.setdefault(each.storage_class, []).append(each)
            for label in each.segment:
                self._at.setdefault(label, []).append(each)

    def of_class(self, storage_class: str) -> Sequence[Pair]:
        """Those of a class."""
        return self._of_class.get(storage_class, ())

    def near(self, term: NodeSelectorTerm) -> Iterable[Pair]:
        """Those that the term may accept, and hardly others."""
        for each in term.match_expressions or ():
            if each.operator == "In":
                return (pair for value in each.values or () for pair in self._at.get((each.key, value), ()))
        return self.pairs


def touched(volume: PersistentVolume, known: Known) -> list[Pair]:
    """The pairs whose room a volume takes: all of its place; all of its class where it can be reached everywhere."""
    required = required_affinity(volume)
    if required is None:
        return list(known.of_class(volume.storage_class))
    near = {pair for term in required.node_selector_terms or () for pair in known.near(term)}
    within = (each for each in near if required.matches_labels(dict(each.segment)))
    return list(dict.fromkeys([*known.everywhere, *within]))


def _said(room: Room) -> JSON:
    largest = None if room.largest_bytes is None else quantity.format_bytes(room.largest_bytes)
    return {"capacity": quantity.format_bytes(room.capacity_bytes), "maximumVolumeSize": largest}


def _bytes(said: str | None) -> int | None:
    return None if said is None else quantity.whole(said)


def _as_views(owners: Sequence[JSON]) -> tuple[OwnerReference, ...]:
    return tuple(msgspec.convert(each, OwnerReference) for each in owners)
