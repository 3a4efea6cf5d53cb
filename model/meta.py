"""What every object has: metadata, owners, and the base of all kinds."""

from typing import Any

import msgspec


class OwnerReference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Who an object belongs to; `controller` marks the one that manages it."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    controller: bool | None = None


class ObjectReference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A pointer at another object, as claimRef and events carry it."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""


class Metadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """ObjectMeta, as far as Lading reads it. Times are RFC 3339 strings as the server wrote them."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: tuple[str, ...] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class Object(msgspec.Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """A Kubernetes object: an immutable view of the fields that Lading reads, never written back as a whole."""

    metadata: Metadata = Metadata()

    @property
    def name(self) -> str:
        """metadata.name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """metadata.namespace, "" for cluster-scoped kinds."""
        return self.metadata.namespace

    @property
    def key(self) -> str:
        """`namespace/name`, or the name alone for cluster-scoped kinds: the key of caches and queues."""
        return f"{self.metadata.namespace}/{self.metadata.name}" if self.metadata.namespace else self.metadata.name

    @property
    def uid(self) -> str:
        """metadata.uid."""
        return self.metadata.uid

    @property
    def labels(self) -> dict[str, str]:
        """metadata.labels, empty when absent."""
        return self.metadata.labels or {}

    @property
    def annotations(self) -> dict[str, str]:
        """metadata.annotations, empty when absent."""
        return self.metadata.annotations or {}

    @property
    def deleting(self) -> bool:
        """Whether deletion has begun and waits for finalizers or grace."""
        return self.metadata.deletion_timestamp is not None

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that manages this object, if any."""
        return next((owner for owner in self.metadata.owner_references or () if owner.controller), None)


def split_key(key: str) -> tuple[str, str]:
    """Namespace ("" for cluster-scoped kinds) and name of a key."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


JSON = dict[str, Any]
"""A JSON object as orjson reads it: patches and bodies, which are never modelled."""
