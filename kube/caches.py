"""The informers of one process, with the indexes that several parts ask by; only the chosen ones run."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NoReturn

from kube.cache import Cache
from kube.client import Client
from model.csi import CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment
from model.resources import (
    ATTACHMENTS,
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_DRIVERS,
    CSI_NODES,
    NODES,
    PODS,
    VOLUMES,
    ObjectT,
    Resource,
)
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Node, Pod

ALL: Final[tuple[Resource[Any], ...]] = (
    PODS,
    NODES,
    CLAIMS,
    VOLUMES,
    CLASSES,
    CSI_NODES,
    CSI_DRIVERS,
    CAPACITIES,
    ATTACHMENTS,
)


class Caches:
    """The chosen informers. Asking for one that was not chosen is a LookupError: it would be empty for ever."""

    def __init__(self, client: Client, resources: Collection[Resource[Any]] = ALL) -> None:
        self._caches: dict[str, Cache[Any]] = {
            resource.plural: Cache(client, resource, indexes=_INDEXES.get(resource.plural)) for resource in resources
        }

    async def run(self) -> NoReturn:
        """Run them all for ever."""
        async with asyncio.TaskGroup() as group:
            for plural, cache in self._caches.items():
                group.create_task(cache.run(), name=f"cache of {plural}")
        raise AssertionError("caches run for ever")

    @property
    def has_synced(self) -> bool:
        """Whether every one has."""
        return all(cache.has_synced for cache in self._caches.values())

    async def wait_synced(self) -> None:
        """Return when every one has."""
        for cache in self._caches.values():
            await cache.wait_synced()

    @contextmanager
    def subscriptions(self) -> Iterator[None]:
        """Handlers that subscribe to any of them while the block runs are called no more once it has ended."""
        with ExitStack() as stack:
            for cache in self._caches.values():
                stack.enter_context(cache.subscriptions())
            yield

    def complaint(self, max_age_seconds: float = 180.0) -> str | None:
        """Why they are not to be relied on: which are not synced or out of touch; None when all are well."""
        complaints = (cache.complaint(max_age_seconds) for cache in self._caches.values())
        return "; ".join(complaint for complaint in complaints if complaint) or None

    @property
    def pods(self) -> Cache[Pod]:
        """Indexes: `node` (spec.nodeName), `claim` (keys of the claims it uses)."""
        return self._of(PODS)

    @property
    def nodes(self) -> Cache[Node]:
        """No indexes."""
        return self._of(NODES)

    @property
    def claims(self) -> Cache[PersistentVolumeClaim]:
        """Indexes: `volume` (spec.volumeName), `class` (annotation before field, "" for none)."""
        return self._of(CLAIMS)

    @property
    def volumes(self) -> Cache[PersistentVolume]:
        """Indexes: `claim` (key of the claimRef), `class` (annotation before field, "" for none)."""
        return self._of(VOLUMES)

    @property
    def classes(self) -> Cache[StorageClass]:
        """No indexes."""
        return self._of(CLASSES)

    @property
    def csi_nodes(self) -> Cache[CSINode]:
        """No indexes."""
        return self._of(CSI_NODES)

    @property
    def csi_drivers(self) -> Cache[CSIDriver]:
        """No indexes."""
        return self._of(CSI_DRIVERS)

    @property
    def capacities(self) -> Cache[CSIStorageCapacity]:
        """Index: `class`."""
        return self._of(CAPACITIES)

    @property
    def attachments(self) -> Cache[VolumeAttachment]:
        """Indexes: `node`, `volume` (the volume's name; none for inline ones)."""
        return self._of(ATTACHMENTS)

    def __contains__(self, resource: Resource[Any]) -> bool:
        """Whether the resource is cached here."""
        return resource.plural in self._caches

    def of(self, resource: Resource[ObjectT]) -> Cache[ObjectT]:
        """The cache of any resource that is cached here."""
        return self._of(resource)

    def _of(self, resource: Resource[ObjectT]) -> Cache[ObjectT]:
        try:
            return self._caches[resource.plural]
        except KeyError:
            raise LookupError(f"{resource.plural} are not cached here: name them when making the caches") from None


def _one(value: str | None) -> Iterable[str]:
    return (value,) if value else ()


def _claims_of(pod: Pod) -> Iterable[str]:
    names = (pod.claim_name(volume) for volume in pod.volumes)
    return (f"{pod.namespace}/{name}" for name in names if name)


def _claim_of(volume: PersistentVolume) -> Iterable[str]:
    claim = volume.spec.claim_ref
    return (f"{claim.namespace}/{claim.name}",) if claim else ()


_INDEXES: Final[Mapping[str, Mapping[str, Callable[[Any], Iterable[str]]]]] = {
    PODS.plural: {"node": lambda pod: _one(pod.spec.node_name), "claim": _claims_of},
    CLAIMS.plural: {
        "volume": lambda claim: _one(claim.spec.volume_name),
        "class": lambda claim: (claim.storage_class,),
    },
    VOLUMES.plural: {"claim": _claim_of, "class": lambda volume: (volume.storage_class,)},
    CAPACITIES.plural: {"class": lambda capacity: _one(capacity.storage_class_name)},
    ATTACHMENTS.plural: {
        "node": lambda attachment: _one(attachment.spec.node_name),
        "volume": lambda attachment: _one(attachment.spec.source.persistent_volume_name),
    },
}
