"""What each component may do with the API server: the calls it makes, no more and no less.

One table; tests/deploy compares it with the requests that the components send. What a component watches comes from its
own table of caches. Nothing is granted by wildcard; secrets and leases by name, in Lading's own namespace alone, unless
it is said that a driver's sidecar may read all secrets.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from controllers.table import ROWS
from deploy.csi_sidecar import Sidecar, sidecar
from deploy.grants import TELLS, Component, Grant, Mode, Names, Place, cached, grant, own
from extender.budgets import FOLLOWED
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
)
from webhooks.settings import Settings

__all__ = ["Component", "Grant", "Mode", "Names", "Place", "Sidecar", "grants", "roles"]

GROUP: Final = "rbac.authorization.k8s.io"
VERSION: Final = f"{GROUP}/v1"
DEFAULT_RULES: Final = Settings()
DEFAULT_NAMES: Final = Names()
DEFAULT_SIDECAR: Final = Sidecar()
OWN_CERTIFICATES: Final = (Component.WEBHOOKS,)
"""Who keeps up certificates itself unless said otherwise: whoever does can read the authority's key."""

EXTENDER: Final[Mapping[Mode, tuple[Grant, ...]]] = {
    Mode.BESIDE: (*cached(ALL), *TELLS),
    Mode.INSTEAD: (
        *cached(FOLLOWED),
        grant(PODS, "get"),
        grant(NODES, "get"),
        grant(PODS, "create", "binding"),
        grant(VOLUMES, "patch"),
        grant(CLAIMS, "patch"),
        *TELLS,
    ),
}

CONFIRMED: Final[Mapping[str, Grant]] = {
    "pv-stale-claimref": grant(CLAIMS, "get"),
    "pvc-cross-namespace-grant": grant(REFERENCE_GRANTS, "list"),
    "pvc-drop-selected-node": grant(NODES, "get"),
}
"""What rules have read live, as their decisions rest on its absence."""

CONTROLLERS: Final[Mapping[str, tuple[Grant, ...]]] = {
    "persistentvolume-binder-controller": (
        grant(CLAIMS, "get patch"),
        grant(CLAIMS, "patch", "status"),
        grant(VOLUMES, "get patch"),
        grant(VOLUMES, "patch", "status"),
        grant(PODS, "get create delete", place=Place.RECYCLER),
        grant(EVENTS, "watch", place=Place.RECYCLER),
        *TELLS,
    ),
    "persistentvolumeclaim-protection-controller": (
        grant(CLAIMS, "patch"),
        grant(CLAIMS, "patch", "status"),
        grant(PODS, "list"),
    ),
    "persistentvolume-protection-controller": (grant(VOLUMES, "patch"),),
    "persistentvolume-expander-controller": (
        grant(CLAIMS, "patch"),
        grant(CLAIMS, "patch", "status"),
        grant(VOLUMES, "patch"),
        *TELLS,
    ),
    "ephemeral-volume-controller": (
        grant(CLAIMS, "create"),
        # A claim that its pod's deletion waits for: whoever may not finalize the pod may not say so.
        grant(PODS, "update", "finalizers", silent=True),
        *TELLS,
    ),
    "plugin-provisioner": (
        grant(NODES, "get"),
        grant(CLAIMS, "get patch"),
        grant(VOLUMES, "get create patch delete"),
        grant(VOLUMES, "patch", "status"),
        *TELLS,
    ),
}
"""What controllers do besides watching, by name."""


def webhooks(rules: Settings) -> tuple[Grant, ...]:
    """What the webhooks need for the rules that run."""
    live = (CONFIRMED[each.name] for each in rules.all_rules if each.name in CONFIRMED)
    namespaces = (grant(NAMESPACES, "get"),) if rules.looks_at_namespaces else ()
    return (*cached(rules.caches), *live, *namespaces)


def upkeep(names: Names, *, injects: bool = True) -> tuple[Grant, ...]:
    """What keeps a replica's certificates: the Secret of the authorities, and our own registrations.

    Whoever injects keeps caBundle there; others look whether an authority is trusted before it signs.
    """
    registration, verbs = (names.registration,), frozenset({"get", "list", "watch", "patch"} if injects else {"get"})
    return (
        own(SECRETS, "create"),
        own(SECRETS, "get list watch patch", names.secret),
        Grant(MUTATING_WEBHOOKS, verbs, names=registration),
        Grant(VALIDATING_WEBHOOKS, verbs, names=registration),
    )


def controller(name: str) -> tuple[Grant, ...]:
    """What one controller needs.

    Raises:
        KeyError: no controller has that name.
    """
    return (*cached(ROWS[name].caches), *CONTROLLERS[name])


def leadership(names: Names, component: Component) -> tuple[Grant, ...]:
    """What electing a leader takes."""
    return (own(LEASES, "create"), own(LEASES, "get patch", names.lease(component)))


def grants(
    component: Component,
    *,
    mode: Mode = Mode.INSTEAD,
    controllers: Sequence[str] = tuple(ROWS),
    own_certificates: Collection[Component] = OWN_CERTIFICATES,
    rules: Settings = DEFAULT_RULES,
    names: Names = DEFAULT_NAMES,
    beside: Sidecar = DEFAULT_SIDECAR,
) -> tuple[Grant, ...]:
    """All that a component needs.

    Args:
        component: which one.
        mode: of the extender.
        controllers: those that run, by name.
        own_certificates: those that keep up their certificates themselves, the webhooks or the extender.
        rules: those of the webhooks.
        names: of this installation.
        beside: the driver, and what runs beside it.

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
        case Component.CSI_SIDECAR:
            return sidecar(beside)


def roles(
    component: Component,
    *,
    mode: Mode = Mode.INSTEAD,
    controllers: Sequence[str] = tuple(ROWS),
    own_certificates: Collection[Component] = OWN_CERTIFICATES,
    rules: Settings = DEFAULT_RULES,
    names: Names = DEFAULT_NAMES,
    beside: Sidecar = DEFAULT_SIDECAR,
) -> list[JSON]:
    """The manifests: service account, ClusterRole and Role as far as there is something to grant, and their bindings.

    The arguments are those of `grants`.
    """
    needed = grants(
        component,
        mode=mode,
        controllers=controllers,
        own_certificates=own_certificates,
        rules=rules,
        names=names,
        beside=beside,
    )
    account = names.sidecar(beside.driver) if component is Component.CSI_SIDECAR else names.account(component)
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
