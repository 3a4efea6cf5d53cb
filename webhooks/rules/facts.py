"""What a rule may look at besides the request: the other objects, as of one moment.

The server answers from caches, the offline check from the manifests it was given. Only where `complete` holds does
an object's absence prove anything.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from model.csi import CSIDriver, CSINode, CSIStorageCapacity, VolumeSnapshotClass
from model.grants import ReferenceGrant
from model.meta import Object
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Node
from webhooks.rules.policy import Policy


@dataclass(frozen=True)
class ClaimNeed:
    """A claim that must be read live: a decision rests on its absence."""

    namespace: str
    name: str


@dataclass(frozen=True)
class GrantsNeed:
    """The ReferenceGrants of a namespace, which no cache holds."""

    namespace: str


@dataclass(frozen=True)
class NodeNeed:
    """A node that must be read live: a decision rests on its absence."""

    name: str


Need = ClaimNeed | GrantsNeed | NodeNeed


class Facts(Protocol):
    """The look-ups of all rules. Each answers at once, from memory."""

    @property
    def complete(self) -> bool:
        """Whether what is absent here is absent in truth."""
        ...

    @property
    def policy(self) -> Policy:
        """What the operator set."""
        ...

    def nodes(self) -> Collection[Node]:
        """All nodes."""
        ...

    def node(self, name: str) -> Node | None:
        """The node of that name, read live where a rule said so."""
        ...

    def csi_nodes(self) -> Collection[CSINode]:
        """All CSINodes."""
        ...

    def csi_driver(self, name: str) -> CSIDriver | None:
        """The CSIDriver of that name."""
        ...

    def storage_classes(self) -> Collection[StorageClass]:
        """All classes."""
        ...

    def storage_class(self, name: str) -> StorageClass | None:
        """The class of that name."""
        ...

    def volume(self, name: str) -> PersistentVolume | None:
        """The volume of that name."""
        ...

    def volumes_of_class(self, name: str) -> Sequence[PersistentVolume]:
        """The volumes whose class, by annotation before field, this is."""
        ...

    def volumes_with_handle(self, driver: str, handle: str) -> Sequence[PersistentVolume]:
        """The CSI volumes of the driver whose handle, trimmed, this is."""
        ...

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        """The claim of that name, read live where a rule said so."""
        ...

    def claims_of_class(self, name: str) -> Sequence[PersistentVolumeClaim]:
        """The claims whose class, by annotation before field, this is."""
        ...

    def capacities(self, class_name: str) -> Sequence[CSIStorageCapacity]:
        """What drivers published for the class."""
        ...

    def grants(self, namespace: str) -> Sequence[ReferenceGrant] | None:
        """The ReferenceGrants of the namespace; None where the cluster has no such API."""
        ...

    def snapshot_classes(self) -> Collection[VolumeSnapshotClass]:
        """All classes of snapshots."""
        ...


ObjectT = TypeVar("ObjectT", bound=Object)
DEFAULT_POLICY: Final = Policy()


def handle_key(volume: PersistentVolume) -> str | None:
    """What identifies a CSI volume's disk: driver and trimmed handle; None for other volumes and blank handles."""
    csi = volume.spec.csi
    return f"{csi.driver}/{csi.volume_handle.strip()}" if csi and csi.volume_handle.strip() else None


@dataclass(frozen=True)
class Snapshot:
    """Facts from a list of objects."""

    objects: Sequence[Object]
    complete: bool = True
    policy: Policy = DEFAULT_POLICY
    _by: Mapping[tuple[str, str], Sequence[Object]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for each in self.objects:
            for key in _index_keys(each):
                by[key].append(each)
        object.__setattr__(self, "_by", by)

    def nodes(self) -> Collection[Node]:
        return self._find(Node, "kind", "Node")

    def node(self, name: str) -> Node | None:
        return self._one(Node, name)

    def csi_nodes(self) -> Collection[CSINode]:
        return self._find(CSINode, "kind", "CSINode")

    def csi_driver(self, name: str) -> CSIDriver | None:
        return self._one(CSIDriver, name)

    def storage_classes(self) -> Collection[StorageClass]:
        return self._find(StorageClass, "kind", "StorageClass")

    def storage_class(self, name: str) -> StorageClass | None:
        return self._one(StorageClass, name)

    def volume(self, name: str) -> PersistentVolume | None:
        return self._one(PersistentVolume, name)

    def volumes_of_class(self, name: str) -> Sequence[PersistentVolume]:
        return self._find(PersistentVolume, "class", name)

    def volumes_with_handle(self, driver: str, handle: str) -> Sequence[PersistentVolume]:
        return self._find(PersistentVolume, "handle", f"{driver}/{handle}")

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        return self._one(PersistentVolumeClaim, f"{namespace}/{name}")

    def claims_of_class(self, name: str) -> Sequence[PersistentVolumeClaim]:
        return self._find(PersistentVolumeClaim, "class", name)

    def capacities(self, class_name: str) -> Sequence[CSIStorageCapacity]:
        return self._find(CSIStorageCapacity, "class", class_name)

    def grants(self, namespace: str) -> Sequence[ReferenceGrant]:
        return self._find(ReferenceGrant, "namespace", namespace)

    def snapshot_classes(self) -> Collection[VolumeSnapshotClass]:
        return self._find(VolumeSnapshotClass, "kind", "VolumeSnapshotClass")

    def _find(self, kind: type[ObjectT], index: str, value: str) -> list[ObjectT]:
        return [each for each in self._by.get((index, value), ()) if isinstance(each, kind)]

    def _one(self, kind: type[ObjectT], key: str) -> ObjectT | None:
        return next(iter(self._find(kind, "key", key)), None)


def _index_keys(each: Object) -> Iterable[tuple[str, str]]:
    yield "kind", type(each).__name__
    yield "key", each.key
    yield "namespace", each.namespace
    match each:
        case PersistentVolume():
            yield "class", each.storage_class
            if key := handle_key(each):
                yield "handle", key
        case PersistentVolumeClaim():
            yield "class", each.storage_class
        case CSIStorageCapacity():
            yield "class", each.storage_class_name
