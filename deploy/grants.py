"""What a grant is: verbs on a resource, somewhere; and who is granted what, by which names."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from controllers.csi.names import plain
from model.resources import EVENTS, Resource


class Component(StrEnum):
    """What runs under a service account of its own."""

    EXTENDER = "extender"
    WEBHOOKS = "webhooks"
    CONTROLLERS = "controllers"
    CSI_SIDECAR = "csi-sidecar"


class Mode(StrEnum):
    """How Lading stands to the stock components."""

    BESIDE = "beside"
    """The stock ones stay; the extender filters and scores."""
    INSTEAD = "instead"
    """The stock ones are off; the extender binds, the controllers run."""


@dataclass(frozen=True)
class Names:
    """What objects of one installation are called."""

    release: str = "lading"
    namespace: str = "lading"
    recycler: str = "default"
    """The namespace of the pods that empty recycled volumes."""

    def account(self, component: Component) -> str:
        """The service account, and the roles bound to it."""
        return f"{self.release}-{component}"

    @property
    def secret(self) -> str:
        """The Secret that keeps the authorities."""
        return f"{self.release}-webhook-ca"

    @property
    def registration(self) -> str:
        """The mutating and the validating webhook configuration."""
        return self.release

    def lease(self, component: Component) -> str:
        """The Lease that the leader of a component's replicas holds."""
        return self.account(component)

    def sidecar(self, driver: str) -> str:
        """The service account beside a driver, and the roles bound to it."""
        return f"{self.release}-csi-{plain(driver)}"


class Place(StrEnum):
    """Where something is granted."""

    CLUSTER = "cluster"
    """Everywhere."""
    OWN = "own"
    """In Lading's namespace."""
    RECYCLER = "recycler"
    """In that of the recycler's pods."""

    def namespace(self, names: Names) -> str:
        """Its name; "" for the whole cluster."""
        return {Place.CLUSTER: "", Place.OWN: names.namespace, Place.RECYCLER: names.recycler}[self]


@dataclass(frozen=True)
class Grant:
    """Verbs on a resource."""

    resource: Resource[Any]
    verbs: frozenset[str]
    subresource: str = ""
    names: tuple[str, ...] = ()
    """Only objects of these names; can not restrict `create`, as RBAC does not know a new object's name."""
    place: Place = Place.CLUSTER
    silent: bool = False
    """Asked for by an admission plugin when something else is written, so that no call shows it."""

    @property
    def plural(self) -> str:
        """The resource as RBAC spells it."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


def grant(
    resource: Resource[Any], verbs: str, subresource: str = "", place: Place = Place.CLUSTER, *, silent: bool = False
) -> Grant:
    """Verbs, parted by spaces, on all objects of a resource."""
    return Grant(resource, frozenset(verbs.split()), subresource, place=place, silent=silent)


def cached(resources: Iterable[Resource[Any]]) -> tuple[Grant, ...]:
    """What an informer asks for."""
    return tuple(grant(each, "list watch") for each in resources)


def own(resource: Resource[Any], verbs: str, *names: str) -> Grant:
    """Verbs in Lading's own namespace, on objects of these names if there are any."""
    return Grant(resource, frozenset(verbs.split()), names=names, place=Place.OWN)


TELLS = (grant(EVENTS, "create patch"),)
"""Events are written where the object lives that they are about."""
