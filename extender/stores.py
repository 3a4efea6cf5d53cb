"""What the filters read objects from: informer caches, or plain tables, with our own reservations laid over them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from model.csi import CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment
from model.meta import Object
from model.resources import ObjectT
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass, VolumePhase
from model.workloads import Pod, PodVolume
from storage.restrictions import disks

ShownT_co = TypeVar("ShownT_co", bound=Object, covariant=True)
Index = Callable[[Any], Iterable[str]]


class Store(Protocol[ShownT_co]):
    """Objects by key and by index; `kube.cache.Cache` is one."""

    def get(self, key: str) -> ShownT_co | None:
        """The object, or None."""

    def values(self) -> Collection[ShownT_co]:
        """All objects."""

    def by(self, index: str, value: str) -> Sequence[ShownT_co]:
        """The objects that an index has under the value."""


def on_a_node(pod: Pod) -> bool:
    """Whether the pod counts on a node: placed and not run to its end. One being deleted counts until it is gone."""
    return bool(pod.spec.node_name) and not pod.terminated


def disk(pod: Pod) -> Iterable[str]:
    """The inline disks that a pod on a node holds."""
    return [name for volume in pod.volumes for name in disks(volume)] if on_a_node(pod) else ()


def free(volume: PersistentVolume) -> Iterable[str]:
    """The class of a volume that any claim may take."""
    available = volume.status.phase == VolumePhase.AVAILABLE and volume.spec.claim_ref is None and not volume.deleting
    return (volume.storage_class,) if available else ()


def being_made(claim: PersistentVolumeClaim) -> Iterable[str]:
    """The class of a claim whose volume was asked for on a node and is not there yet."""
    return (claim.storage_class,) if claim.selected_node and not claim.spec.volume_name and not claim.deleting else ()


INDEXES: Final[Mapping[str, Mapping[str, Index]]] = {
    "pods": {"disk": disk},
    "claims": {"being made": being_made},
    "volumes": {"free": free},
}
"""What the filters ask by beyond the indexes that `kube.caches.Caches` brings along."""

COMMON_INDEXES: Final[Mapping[str, Mapping[str, Index]]] = {
    "pods": {
        "node": lambda pod: (pod.spec.node_name,),
        "claim": lambda pod: [f"{pod.namespace}/{name}" for each in pod.volumes if (name := pod.claim_name(each))],
    },
    "claims": {"class": lambda claim: (claim.storage_class,), "volume": lambda claim: (claim.spec.volume_name,)},
    "volumes": {"claim": lambda volume: (f"{ref.namespace}/{ref.name}",) if (ref := volume.spec.claim_ref) else ()},
    "capacities": {"class": lambda capacity: (capacity.storage_class_name,)},
    "attachments": {
        "node": lambda attachment: (attachment.spec.node_name,),
        "volume": lambda attachment: (attachment.spec.source.persistent_volume_name or "",),
    },
}
"""Those that it brings along, for stores that are no caches of it."""


def indexes(store: str) -> dict[str, Index]:
    """All indexes of a store."""
    return {**INDEXES.get(store, {}), **COMMON_INDEXES.get(store, {})}


class Overlay(Generic[ObjectT]):
    """A store with objects of ours over it, from the decision until the store itself shows them."""

    def __init__(self, base: Store[ObjectT], indexes: Mapping[str, Index] | None = None) -> None:
        self._base = base
        self._indexes = indexes or {}
        self._held: dict[str, ObjectT] = {}
        """What is shown, by key: the last of the holds."""
        self._holds: dict[str, list[ObjectT]] = {}

    def hold(self, obj: ObjectT) -> None:
        """Show this object in place of the store's, until this very one is released: others may hold it too."""
        self._holds.setdefault(obj.key, []).append(obj)
        self._held[obj.key] = obj

    def release(self, obj: ObjectT) -> None:
        """Show what others hold, or the store's again. What was released already stays so."""
        if left := [each for each in self._holds.pop(obj.key, ()) if each is not obj]:
            self._holds[obj.key], self._held[obj.key] = left, left[-1]
        else:
            self._held.pop(obj.key, None)

    @property
    def held(self) -> Mapping[str, ObjectT]:
        """What is shown in place of the store's, by key."""
        return self._held

    def get(self, key: str) -> ObjectT | None:
        """The object, ours before the store's."""
        return (self._held and self._held.get(key)) or self._base.get(key)

    def values(self) -> Collection[ObjectT]:
        """All objects."""
        return [*(obj for obj in self._base.values() if obj.key not in self._held), *self._held.values()]

    def by(self, index: str, value: str) -> Sequence[ObjectT]:
        """The objects under a value of an index."""
        found = self._base.by(index, value)
        if not self._held:
            return found
        of = self._indexes[index]
        ours = [obj for obj in self._held.values() if value in of(obj)]
        return [*(obj for obj in found if obj.key not in self._held), *ours]


@dataclass(frozen=True)
class Stores:
    """All objects that a filter may look at."""

    pods: Store[Pod]
    """Indexes: disk (those it holds on a node), node, claim (keys of those it uses)."""
    claims: Store[PersistentVolumeClaim]
    """Indexes: volume (the one it names), being made (its class)."""
    volumes: Store[PersistentVolume]
    """Indexes: free (its class), claim (key of its claimRef)."""
    classes: Store[StorageClass]
    csi_nodes: Store[CSINode]
    csi_drivers: Store[CSIDriver]
    capacities: Store[CSIStorageCapacity]
    """Index: class."""
    attachments: Store[VolumeAttachment]
    """Indexes: node, volume."""

    def placed_on(self, node: str) -> list[Pod]:
        """The pods that count on a node."""
        return [pod for pod in self.pods.by("node", node) if on_a_node(pod)]

    def users_of(self, claim: str) -> list[Pod]:
        """The pods on nodes that use the claim of this key."""
        return [pod for pod in self.pods.by("claim", claim) if on_a_node(pod)]

    def pod_claims(self, pod: Pod) -> Iterator[tuple[PodVolume, str, PersistentVolumeClaim | None]]:
        """The pod's volumes that have a claim behind them, in order: volume, claim's name, claim if it exists."""
        for volume in pod.volumes:
            name = pod.claim_name(volume)
            if name is not None:
                yield volume, name, self.claims.get(f"{pod.namespace}/{name}")

    def class_of(self, claim: PersistentVolumeClaim) -> StorageClass | None:
        """The object of the claim's class."""
        name = claim.storage_class
        return self.classes.get(name) if name else None

    def volume_of(self, claim: PersistentVolumeClaim) -> PersistentVolume | None:
        """The volume that the claim names."""
        return self.volumes.get(claim.spec.volume_name) if claim.spec.volume_name else None
