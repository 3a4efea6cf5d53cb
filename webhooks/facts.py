"""The facts of the rules, from informer caches; where a decision rests on an absence, from the server itself."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from kube.caches import Caches
from kube.client import Client
from kube.errors import NotFound
from model.csi import CSIDriver, CSINode, CSIStorageCapacity, VolumeSnapshotClass
from model.grants import ReferenceGrant
from model.resources import (
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_DRIVERS,
    CSI_NODES,
    NAMESPACES,
    NODES,
    REFERENCE_GRANTS,
    SNAPSHOT_CLASSES,
    VOLUMES,
    Resource,
)
from model.selectors import Labels
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Node
from webhooks.rules.facts import ClaimNeed, Facts, GrantsNeed, Need, NodeNeed, handle_key
from webhooks.rules.policy import Policy

CACHED: Final[tuple[Resource[Any], ...]] = (NODES, CLAIMS, VOLUMES, CLASSES, CSI_NODES, CSI_DRIVERS, CAPACITIES)
"""The caches that the rules ask."""

HANDLE: Final = "handle"
"""The index of volumes by `handle_key`."""


class FactsSource(Protocol):
    """Where a service gets the facts of each request."""

    def complaint(self) -> str | None:
        """Why there are no facts to rely on at present; None when there are."""
        ...

    def now(self) -> Facts:
        """What is known at this moment."""
        ...

    async def confirmed(self, needs: Collection[Need]) -> Facts:
        """What is known at this moment, these read from the server."""
        ...

    async def namespace_labels(self, name: str) -> Labels:
        """The labels of a namespace; none where it does not exist."""
        ...


@dataclass(frozen=True)
class CachedFacts:
    """Facts that look into the caches at each question: of one moment only as long as nobody awaits."""

    caches: Caches
    policy: Policy
    complete: bool = True
    live_claims: Mapping[str, PersistentVolumeClaim | None] = field(default_factory=dict)
    live_grants: Mapping[str, Sequence[ReferenceGrant] | None] = field(default_factory=dict)
    live_nodes: Mapping[str, Node | None] = field(default_factory=dict)

    def nodes(self) -> Collection[Node]:
        return self.caches.nodes.values()

    def node(self, name: str) -> Node | None:
        return self.live_nodes[name] if name in self.live_nodes else self.caches.nodes.get(name)

    def csi_nodes(self) -> Collection[CSINode]:
        return self.caches.csi_nodes.values()

    def csi_driver(self, name: str) -> CSIDriver | None:
        return self.caches.csi_drivers.get(name)

    def storage_classes(self) -> Collection[StorageClass]:
        return self.caches.classes.values()

    def storage_class(self, name: str) -> StorageClass | None:
        return self.caches.classes.get(name)

    def volume(self, name: str) -> PersistentVolume | None:
        return self.caches.volumes.get(name)

    def volumes_of_class(self, name: str) -> Sequence[PersistentVolume]:
        return self.caches.volumes.by("class", name)

    def volumes_with_handle(self, driver: str, handle: str) -> Sequence[PersistentVolume]:
        return self.caches.volumes.by(HANDLE, f"{driver}/{handle}")

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        key = f"{namespace}/{name}"
        return self.live_claims[key] if key in self.live_claims else self.caches.claims.get(key)

    def claims_of_class(self, name: str) -> Sequence[PersistentVolumeClaim]:
        return self.caches.claims.by("class", name)

    def capacities(self, class_name: str) -> Sequence[CSIStorageCapacity]:
        return self.caches.capacities.by("class", class_name)

    def grants(self, namespace: str) -> Sequence[ReferenceGrant] | None:
        return self.live_grants.get(namespace)

    def snapshot_classes(self) -> Collection[VolumeSnapshotClass]:
        return self.caches.of(SNAPSHOT_CLASSES).values()


class ClusterFacts:
    """The facts of one cluster. The caches are run by whoever made them."""

    def __init__(self, client: Client, caches: Caches, policy: Policy | None = None) -> None:
        """`caches` holds at least those of `CACHED`; an index is added to the volumes."""
        self._client = client
        self._caches = caches
        self._facts = CachedFacts(caches, policy or Policy())
        caches.volumes.add_index(HANDLE, lambda volume: [key] if (key := handle_key(volume)) else [])

    def complaint(self) -> str | None:
        return self._caches.complaint()

    def now(self) -> Facts:
        return self._facts

    async def confirmed(self, needs: Collection[Need]) -> Facts:
        """What is known at this moment, these read from the server.

        Raises:
            KubeError: the server can not be asked.
        """
        claims: dict[str, PersistentVolumeClaim | None] = {}
        grants: dict[str, Sequence[ReferenceGrant] | None] = {}
        nodes: dict[str, Node | None] = {}
        for need in needs:
            match need:
                case ClaimNeed(namespace, name):
                    claims[f"{namespace}/{name}"] = await self._claim(namespace, name)
                case GrantsNeed(namespace):
                    grants[namespace] = await self._grants(namespace)
                case NodeNeed(name):
                    nodes[name] = await self._node(name)
        return replace(self._facts, live_claims=claims, live_grants=grants, live_nodes=nodes)

    async def namespace_labels(self, name: str) -> Labels:
        """The labels of a namespace, from the cache or, of one that is new to it, from the server.

        Raises:
            KubeError: the server can not be asked.
        """
        namespace = self._caches.of(NAMESPACES).get(name)
        if namespace is not None:
            return namespace.labels
        try:
            return (await self._client.get(NAMESPACES, name)).labels
        except NotFound:
            return {}

    async def _node(self, name: str) -> Node | None:
        try:
            return await self._client.get(NODES, name)
        except NotFound:
            return None

    async def _claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        try:
            return await self._client.get(CLAIMS, name, namespace)
        except NotFound:
            return None

    async def _grants(self, namespace: str) -> Sequence[ReferenceGrant] | None:
        try:
            return await self._client.list(REFERENCE_GRANTS, namespace)
        except NotFound:
            return None  # no such resource: the definition is not installed
