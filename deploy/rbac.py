"""What each component may do with the API server: the calls it makes, no more and no less.

One table; tests/deploy compares it with the requests that the components send. What a component watches comes from its
own table of caches. Nothing is granted by wildcard; secrets and leases by name, in Lading's own namespace alone.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from controllers.table import ROWS
from kube.caches import ALL
from model.meta import JSON
from model.resources import (
    CLAIMS,
    EVENTS,
    LEASES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    NODES,
    PODS,
    REFERENCE_GRANTS,
    SECRETS,
    VALIDATING_WEBHOOKS,
    VOLUMES,
    Resource,
)
from webhooks.settings import Settings

GROUP: Final = "rbac.authorization.k8s.io"
VERSION: Final = f"{GROUP}/v1"
DEFAULT_RULES: Final = Settings()


class Component(StrEnum):
    """What runs under a service account of its own."""

    EXTENDER = "extender"
    WEBHOOKS = "webhooks"
    CONTROLLERS = "controllers"


OWN_CERTIFICATES: Final = (Component.WEBHOOKS,)
"""Who keeps up certificates itself unless said otherwise: whoever does can read the authority's key."""


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


def _grant(
    resource: Resource[Any], verbs: str, subresource: str = "", place: Place = Place.CLUSTER, *, silent: bool = False
) -> Grant:
    return Grant(resource, frozenset(verbs.split()), subresource, place=place, silent=silent)


def _cached(resources: Iterable[Resource[Any]]) -> tuple[Grant, ...]:
    """What an informer asks for."""
    return tuple(_grant(each, "list watch") for each in resources)


def _own(resource: Resource[Any], verbs: str, *names: str) -> Grant:
    return Grant(resource, frozenset(verbs.split()), names=names, place=Place.OWN)


TELLS: Final = (_grant(EVENTS, "create patch"),)
"""Events are written where the object lives that they are about."""

EXTENDER: Final[Mapping[Mode, tuple[Grant, ...]]] = {
    Mode.BESIDE: (*_cached(ALL), *TELLS),
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

CONFIRMED: Final[Mapping[str, Grant]] = {
    "pv-stale-claimref": _grant(CLAIMS, "get"),
    "pvc-cross-namespace-grant": _grant(REFERENCE_GRANTS, "list"),
    "pvc-drop-selected-node": _grant(NODES, "get"),
}
"""What rules have read live, as their decisions rest on its absence."""

CONTROLLERS: Final[Mapping[str, tuple[Grant, ...]]] = {
    "persistentvolume-binder-controller": (
        _grant(CLAIMS, "get patch"),
        _grant(CLAIMS, "patch", "status"),
        _grant(VOLUMES, "get patch"),
        _grant(VOLUMES, "patch", "status"),
        _grant(PODS, "get create delete", place=Place.RECYCLER),
        _grant(EVENTS, "watch", place=Place.RECYCLER),
        *TELLS,
    ),
    "persistentvolumeclaim-protection-controller": (
        _grant(CLAIMS, "patch"),
        _grant(CLAIMS, "patch", "status"),
        _grant(PODS, "list"),
    ),
    "persistentvolume-protection-controller": (_grant(VOLUMES, "patch"),),
    "persistentvolume-expander-controller": (_grant(CLAIMS, "patch"), *TELLS),
    "ephemeral-volume-controller": (
        _grant(CLAIMS, "create"),
        # A claim that its pod's deletion waits for: whoever may not finalize the pod may not say so.
        _grant(PODS, "update", "finalizers", silent=True),
        *TELLS,
    ),
    "plugin-provisioner": (
        _grant(NODES, "get"),
        _grant(CLAIMS, "get patch"),
        _grant(VOLUMES, "get create patch delete"),
        _grant(VOLUMES, "patch", "status"),
        *TELLS,
    ),
}
"""What controllers do besides watching, by name."""


def webhooks(rules: Settings) -> tuple[Grant, ...]:
    """What the webhooks need for the rules that run."""
    live = (CONFIRMED[each.name] for each in rules.all_rules if each.name in CONFIRMED)
    namespaces = (_grant(NAMESPACES, "get"),) if rules.looks_at_namespaces else ()
    return (*_cached(rules.caches), *live, *namespaces)


def upkeep(names: Names, *, injects: bool = True) -> tuple[Grant, ...]:
    """What keeps a replica's certificates: the Secret of the authorities, and our own registrations.

    Whoever injects keeps caBundle there; others look whether an authority is trusted before it signs.
    """
    registration, verbs = (names.registration,), frozenset({"get", "list", "watch", "patch"} if injects else {"get"})
    return (
        _own(SECRETS, "create"),
        _own(SECRETS, "get list watch patch", names.secret),
        Grant(MUTATING_WEBHOOKS, verbs, names=registration),
        Grant(VALIDATING_WEBHOOKS, verbs, names=registration),
    )


def controller(name: str) -> tuple[Grant, ...]:
    """What one controller needs.

    Raises:
        KeyError: no controller has that name.
    """
    return (*_cached(ROWS[name].caches), *CONTROLLERS[name])


def leadership(names: Names, component: Component) -> tuple[Grant, ...]:
    """What electing a leader takes."""
    return (_own(LEASES, "create"), _own(LEASES, "get patch", names.lease(component)))


def grants(
    component: Component,
    *,
    mode: Mode = Mode.INSTEAD,
    controllers: Sequence[str] = tuple(ROWS),
    own_certificates: Collection[Component] = OWN_CERTIFICATES,
    rules: Settings = DEFAULT_RULES,
    names: Names = Names(),
) -> tuple[Grant, ...]:
    """All that a component needs.

    Args:
        component: which one.
        mode: of the extender.
        controllers: those that run, by name.
        own_certificates: those that keep up their certificates themselves, the webhooks or the extender.
        rules: those of the webhooks.
        names: of this installation.

    Raises:
        KeyError: no controller has that name.
    """
    match component:
        case Component.EXTENDER:
            elected = leadership(names, component) if mode is Mode.INSTEAD else ()
            kept = upkeep(names, injects=False) if component in own_certificates else ()
            return (*EXTENDER[mode], *elected, *kept)
        case Component.WEBHOOKS:
            return (*webhooks(rules), *(upkeep(names) if component in own_certificates else ()))
        case Component.CONTROLLERS:
            needed = tuple(grant for name in controllers for grant in controller(name))
            return (*needed, *leadership(names, component)) if needed else ()


def roles(
    component: Component,
    *,
    mode: Mode = Mode.INSTEAD,
    controllers: Sequence[str] = tuple(ROWS),
    own_certificates: Collection[Component] = OWN_CERTIFICATES,
    rules: Settings = DEFAULT_RULES,
    names: Names = Names(),
) -> list[JSON]:
    """The manifests: service account, ClusterRole and Role as far as there is something to grant, and their bindings.

    The arguments are those of `grants`.
    """
    needed = grants(
        component, mode=mode, controllers=controllers, own_certificates=own_certificates, rules=rules, names=names
    )
    account = names.account(component)
    manifests = [_object("v1", "ServiceAccount", account, names, namespace=names.namespace)]
    for place in Place:
        allowed = list(_rules(each for each in needed if each.place is place))
        if allowed:
            kind, namespace = "Role" if place.namespace(names) else "ClusterRole", place.namespace(names)
            # Both places may be one namespace: two roles of one name there would be one.
            name = f"{account}-{place}" if place is Place.RECYCLER else account
            manifests.append(_object(VERSION, kind, name, names, namespace=namespace) | {"rules": allowed})
            manifests.append(_binding(kind, name, account, names, namespace))
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


def _binding(kind: str, role: str, account: str, names: Names, namespace: str) -> JSON:
    return _object(VERSION, f"{kind}Binding", role, names, namespace=namespace) | {
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": names.namespace}],
    }


def _object(api_version: str, kind: str, name: str, names: Names, *, namespace: str) -> JSON:
    labels = {"app.kubernetes.io/name": "lading", "app.kubernetes.io/instance": names.release}
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **where, "labels": labels}}
