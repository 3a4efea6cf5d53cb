"""What each component may do with the API server: the calls it makes, no more and no less.

One table; tests/deploy compares it with the requests that the components send. Nothing here grants by wildcard, and
secrets and leases are granted by name in Lading's own namespace alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from kube.caches import ALL
from model.meta import JSON
from model.resources import (
    CLAIMS,
    CLASSES,
    EVENTS,
    LEASES,
    MUTATING_WEBHOOKS,
    NODES,
    PODS,
    REFERENCE_GRANTS,
    SECRETS,
    VALIDATING_WEBHOOKS,
    VOLUMES,
    Resource,
)
from webhooks.facts import CACHED

GROUP: Final = "rbac.authorization.k8s.io"
VERSION: Final = f"{GROUP}/v1"


class Component(StrEnum):
    """What runs under a service account of its own."""

    EXTENDER = "extender"
    WEBHOOKS = "webhooks"
    CONTROLLERS = "controllers"


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

    def lease(self, controller: str) -> str:
        """The Lease that a controller's leader holds."""
        return f"{self.release}-{controller}"


@dataclass(frozen=True)
class Grant:
    """Verbs on a resource: all over the cluster, or only `inside` Lading's own namespace."""

    resource: Resource[Any]
    verbs: frozenset[str]
    subresource: str = ""
    names: tuple[str, ...] = ()
    """Only objects of these names; can not restrict `create`, as RBAC does not know a new object's name."""
    inside: bool = False

    @property
    def plural(self) -> str:
        """The resource as RBAC spells it."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


def _grant(resource: Resource[Any], verbs: str, subresource: str = "") -> Grant:
    return Grant(resource, frozenset(verbs.split()), subresource)


def _cached(resources: Iterable[Resource[Any]]) -> tuple[Grant, ...]:
    """What an informer asks for."""
    return tuple(_grant(each, "list watch") for each in resources)


def _own(resource: Resource[Any], verbs: str, *names: str) -> Grant:
    return Grant(resource, frozenset(verbs.split()), names=names, inside=True)


TELLS: Final = (_grant(EVENTS, "create patch"),)
"""Events are written where the object lives that they are about."""

EXTENDER: Final[Mapping[Mode, tuple[Grant, ...]]] = {
    Mode.BESIDE: _cached(ALL),
    Mode.INSTEAD: (
        *_cached(ALL),
        _grant(PODS, "get"),
        _grant(NODES, "get"),
        _grant(PODS, "create", "binding"),
        _grant(VOLUMES, "patch"),
        _grant(CLAIMS, "patch"),
        *TELLS,
    ),
}

WEBHOOKS: Final = (*_cached(CACHED), _grant(CLAIMS, "get"), _grant(REFERENCE_GRANTS, "list"))
"""Claims and grants are read live where a decision rests on their absence."""

CONTROLLERS: Final[Mapping[str, tuple[Grant, ...]]] = {
    "persistentvolume-binder-controller": (
        *_cached((CLAIMS, VOLUMES, CLASSES, PODS)),
        _grant(CLAIMS, "get patch"),
        _grant(CLAIMS, "patch", "status"),
        _grant(VOLUMES, "get patch"),
        _grant(VOLUMES, "patch", "status"),
        *TELLS,
    ),
}
"""By controller; each runs as leader of a Lease of its own."""


def upkeep(names: Names) -> tuple[Grant, ...]:
    """What keeps a replica's certificates: the Secret of the authorities, and caBundle in our own registrations."""
    registration = (names.registration,)
    return (
        _own(SECRETS, "create"),
        _own(SECRETS, "get patch", names.secret),
        Grant(MUTATING_WEBHOOKS, frozenset({"get", "patch"}), names=registration),
        Grant(VALIDATING_WEBHOOKS, frozenset({"get", "patch"}), names=registration),
    )


def leadership(names: Names, controllers: Iterable[str]) -> tuple[Grant, ...]:
    """What electing leaders takes."""
    leases = tuple(names.lease(each) for each in controllers)
    return (_own(LEASES, "create"), _own(LEASES, "get patch", *leases)) if leases else ()


def grants(
    component: Component,
    *,
    mode: Mode = Mode.INSTEAD,
    controllers: Sequence[str] = tuple(CONTROLLERS),
    own_certificates: bool = True,
    names: Names = Names(),
) -> tuple[Grant, ...]:
    """All that a component needs.

    Args:
        component: which one.
        mode: of the extender.
        controllers: those that run, by name.
        own_certificates: whether the webhooks keep up their certificates themselves.
        names: of this installation.

    Raises:
        KeyError: no controller has that name.
    """
    match component:
        case Component.EXTENDER:
            return EXTENDER[mode]
        case Component.WEBHOOKS:
            return (*WEBHOOKS, *(upkeep(names) if own_certificates else ()))
        case Component.CONTROLLERS:
            needed = (grant for name in controllers for grant in CONTROLLERS[name])
            return (*needed, *leadership(names, controllers))


def roles(
    component: Component,
    *,
    mode: Mode = Mode.INSTEAD,
    controllers: Sequence[str] = tuple(CONTROLLERS),
    own_certificates: bool = True,
    names: Names = Names(),
) -> list[JSON]:
    """The manifests: service account, ClusterRole and Role as far as there is something to grant, and their bindings.

    The arguments are those of `grants`.
    """
    needed = grants(component, mode=mode, controllers=controllers, own_certificates=own_certificates, names=names)
    account = names.account(component)
    manifests = [_object("v1", "ServiceAccount", account, names, namespace=names.namespace)]
    for kind, inside in (("ClusterRole", False), ("Role", True)):
        rules = list(_rules(each for each in needed if each.inside is inside))
        if rules:
            namespace = names.namespace if inside else ""
            manifests.append(_object(VERSION, kind, account, names, namespace=namespace) | {"rules": rules})
            manifests.append(_binding(kind, account, names, namespace))
    return manifests


def _rules(needed: Iterable[Grant]) -> Iterator[JSON]:
    """RBAC's rules: verbs of several grants on one thing together, things that share verbs and names in one rule."""
    verbs: dict[tuple[str, str, tuple[str, ...]], frozenset[str]] = {}
    for each in needed:
        key = (each.resource.group, each.plural, each.names)
        verbs[key] = verbs.get(key, frozenset()) | each.verbs
    resources: dict[tuple[str, frozenset[str], tuple[str, ...]], list[str]] = {}
    for (group, plural, names), allowed in sorted(verbs.items(), key=lambda item: item[0]):
        resources.setdefault((group, allowed, names), []).append(plural)
    for (group, allowed, names), plurals in resources.items():
        restricted = {"resourceNames": list(names)} if names else {}
        yield {"apiGroups": [group], "resources": plurals, **restricted, "verbs": sorted(allowed)}


def _binding(kind: str, account: str, names: Names, namespace: str) -> JSON:
    return _object(VERSION, f"{kind}Binding", account, names, namespace=namespace) | {
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": names.namespace}],
    }


def _object(api_version: str, kind: str, name: str, names: Names, *, namespace: str) -> JSON:
    labels = {"app.kubernetes.io/name": "lading", "app.kubernetes.io/instance": names.release}
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **where, "labels": labels}}
