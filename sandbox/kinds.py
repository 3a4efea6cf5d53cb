"""The kinds the server knows: those of Kubernetes that storage, scheduling and kubectl touch, and those of CRDs.

One row a resource, spelt as the aggregated discovery document of Kubernetes 1.37 spells it. A kind says where its
objects are kept (`stored_resource`, `stored_version`): core and events.k8s.io Events are the same objects, and so are
all the versions of a custom resource.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.schema.types import Schema

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_GET_PATCH_UPDATE = ("get", "patch", "update")
_EXTENSION = ("api-extensions",)
_ALL = ("all",)


@dataclass(frozen=True)
class Subresource:
    """A path below an object. `kind` and `api_version` say what its body is; "" where it is the object itself."""

    name: str
    verbs: tuple[str, ...] = _GET_PATCH_UPDATE
    kind: str = ""
    api_version: str = ""


STATUS = Subresource("status")
SCALE = Subresource("scale", kind="Scale", api_version="autoscaling/v1")


@dataclass(frozen=True)
class Column:
    """A column that a CustomResourceDefinition adds to tables. `path` is a JSONPath like `.spec.size`."""

    name: str
    type: str
    path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True)
class ScalePaths:
    """Where a custom resource keeps what its scale subresource shows."""

    spec_replicas: str
    status_replicas: str
    selector: str = ""


@dataclass(frozen=True)
class Custom:
    """What one version of a CustomResourceDefinition says beyond names."""

    schema: "Schema"
    columns: tuple[Column, ...] = ()
    scale: ScalePaths | None = None
    deprecation: str = ""
    """The warning that each request of a deprecated version carries, "" for the others."""


@dataclass(frozen=True)
class Kind:
    """A resource of the API in one version. `group` is "" for core; hashable, so it can key a table."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    list_kind: str = ""
    custom: "Custom | None" = field(default=None, compare=False, repr=False)
    """What its CustomResourceDefinition says, None for built-in kinds."""
    stored_resource: str = ""
    """What the store calls its objects: the same for every kind that shows them."""
    stored_version: str = ""
    """The apiVersion in which the store keeps them."""

    def __post_init__(self) -> None:
        defaults = {
            "list_kind": f"{self.kind}List",
            "stored_resource": self.resource,
            "stored_version": self.api_version,
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`, as apiVersion spells it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`persistentvolumes` or `storageclasses.storage.k8s.io`, as messages and CRD names spell it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name, if the kind has it."""
        return next((each for each in self.subresources if each.name == name), None)

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own path only."""
        return self.subresource("status") is not None


_CONDITIONAL = frozenset(
    {
        "coordination.k8s.io/Lease",
        "policy/PodDisruptionBudget",
        "storage.k8s.io/CSIDriver",
        "storage.k8s.io/CSINode",
        "storage.k8s.io/CSIStorageCapacity",
        "storage.k8s.io/VolumeAttachment",
        "admissionregistration.k8s.io/MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
        "apiextensions.k8s.io/CustomResourceDefinition",
    }
)


def needs_version(kind: Kind) -> bool:
    """Whether a PUT has to say which version it replaces; custom kinds are strict there."""
    return kind.custom is not None or f"{kind.group}/{kind.kind}" in _CONDITIONAL


_MADE_BY_UPDATES = frozenset(
    {
        "/Endpoints",
        "/Event",
        "/LimitRange",
        "/Service",
        "coordination.k8s.io/Lease",
        "rbac.authorization.k8s.io/ClusterRole",
        "rbac.authorization.k8s.io/ClusterRoleBinding",
        "rbac.authorization.k8s.io/Role",
        "rbac.authorization.k8s.io/RoleBinding",
    }
)


def is_made_by_updates(kind: Kind) -> bool:
    """Whether a PUT of an object that is not there makes it."""
    return f"{kind.group}/{kind.kind}" in _MADE_BY_UPDATES


def _kind(
    group_version: str,
    plural: str,
    kind: str,
    *,
    namespaced: bool = True,
    short: str = "",
    categories: tuple[str, ...] = (),
    subresources: tuple[Subresource, ...] = (),
    verbs: tuple[str, ...] = ALL_VERBS,
    stored_resource: str = "",
    stored_version: str = "",
) -> Kind:
    group, _, version = group_version.rpartition("/")
    return Kind(
        group=group,
        version=version,
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        namespaced=namespaced,
        short_names=tuple(short.split()),
        categories=categories,
        subresources=subresources,
        verbs=verbs,
        stored_resource=stored_resource,
        stored_version=stored_version,
    )


def _core() -> Iterable[Kind]:
    version = "v1"
    yield _kind(version, "bindings", "Binding", verbs=("create",))
    yield _kind(version, "configmaps", "ConfigMap", short="cm")
    yield _kind(version, "endpoints", "Endpoints", short="ep")
    yield _kind(version, "events", "Event", short="ev")
    yield _kind(version, "limitranges", "LimitRange", short="limits")
    yield _kind(
        version,
        "namespaces",
        "Namespace",
        namespaced=False,
        short="ns",
        subresources=(Subresource("finalize", ("update",)), STATUS),
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    )
    yield _kind(version, "nodes", "Node", namespaced=False, short="no", subresources=(STATUS,))
    yield _kind(version, "persistentvolumeclaims", "PersistentVolumeClaim", short="pvc", subresources=(STATUS,))
    yield _kind(version, "persistentvolumes", "PersistentVolume", namespaced=False, short="pv", subresources=(STATUS,))
    yield _kind(
        version,
        "pods",
        "Pod",
        short="po",
        categories=_ALL,
        subresources=(
            Subresource("binding", ("create",), "Binding", "v1"),
            Subresource("ephemeralcontainers"),
            Subresource("eviction", ("create",), "Eviction", "policy/v1"),
            Subresource("resize"),
            STATUS,
        ),
    )
    yield _kind(version, "podtemplates", "PodTemplate")
    yield _kind(
        version,
        "replicationcontrollers",
        "ReplicationController",
        short="rc",
        categories=_ALL,
        subresources=(SCALE, STATUS),
    )
    yield _kind(version, "resourcequotas", "ResourceQuota", short="quota", subresources=(STATUS,))
    yield _kind(version, "secrets", "Secret")
    yield _kind(version, "serviceaccounts", "ServiceAccount", short="sa")
    yield _kind(version, "services", "Service", short="svc", categories=_ALL, subresources=(STATUS,))


def _storage() -> Iterable[Kind]:
    version = "storage.k8s.io/v1"
    yield _kind(version, "csidrivers", "CSIDriver", namespaced=False)
    yield _kind(version, "csinodes", "CSINode", namespaced=False, subresources=(STATUS,))
    yield _kind(version, "csistoragecapacities", "CSIStorageCapacity")
    yield _kind(version, "storageclasses", "StorageClass", namespaced=False, short="sc")
    yield _kind(version, "volumeattachments", "VolumeAttachment", namespaced=False, subresources=(STATUS,))
    yield _kind(version, "volumeattributesclasses", "VolumeAttributesClass", namespaced=False, short="vac")


def _workloads() -> Iterable[Kind]:
    version = "apps/v1"
    scaled = (SCALE, STATUS)
    yield _kind(version, "controllerrevisions", "ControllerRevision")
    yield _kind(version, "daemonsets", "DaemonSet", short="ds", categories=_ALL, subresources=(STATUS,))
    yield _kind(version, "deployments", "Deployment", short="deploy", categories=_ALL, subresources=scaled)
    yield _kind(version, "replicasets", "ReplicaSet", short="rs", categories=_ALL, subresources=scaled)
    yield _kind(version, "statefulsets", "StatefulSet", short="sts", categories=_ALL, subresources=scaled)
    yield _kind("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", short="pdb", subresources=(STATUS,))
    yield _kind("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", namespaced=False, short="pc")
    yield _kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
    yield _kind("coordination.k8s.io/v1", "leases", "Lease")
    yield _kind("events.k8s.io/v1", "events", "Event", short="ev", stored_resource="events", stored_version="v1")


def _devices() -> Iterable[Kind]:
    """What a stock kube-scheduler lists for dynamic resource allocation, on by default."""
    version = "resource.k8s.io/v1"
    yield _kind(version, "deviceclasses", "DeviceClass", namespaced=False)
    yield _kind(version, "devicetaintrules", "DeviceTaintRule", namespaced=False, subresources=(STATUS,))
    yield _kind(version, "resourceclaims", "ResourceClaim", subresources=(STATUS,))
    yield _kind(version, "resourceclaimtemplates", "ResourceClaimTemplate")
    yield _kind(version, "resourceslices", "ResourceSlice", namespaced=False)


def _access() -> Iterable[Kind]:
    version = "rbac.authorization.k8s.io/v1"
    yield _kind(version, "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
    yield _kind(version, "clusterroles", "ClusterRole", namespaced=False)
    yield _kind(version, "rolebindings", "RoleBinding")
    yield _kind(version, "roles", "Role")
    create = ("create",)
    version = "authentication.k8s.io/v1"
    yield _kind(version, "selfsubjectreviews", "SelfSubjectReview", namespaced=False, verbs=create)
    version = "authorization.k8s.io/v1"
    yield _kind(version, "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, verbs=create)
    yield _kind(version, "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False, verbs=create)
    yield _kind(version, "subjectaccessreviews", "SubjectAccessReview", namespaced=False, verbs=create)


def _extensions() -> Iterable[Kind]:
    version = "admissionregistration.k8s.io/v1"
    yield _kind(
        version,
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        namespaced=False,
        categories=_EXTENSION,
    )
    yield _kind(
        version,
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
        categories=_EXTENSION,
    )
    yield _kind(
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short="crd crds",
        categories=_EXTENSION,
        subresources=(STATUS,),
    )


BUILT_IN: tuple[Kind, ...] = (
    *_core(),
    *_storage(),
    *_workloads(),
    *_devices(),
    *_access(),
    *_extensions(),
)
NAMESPACE: Kind = next(kind for kind in BUILT_IN if kind.plural == "namespaces")


@dataclass
class Kinds:
    """The built-in kinds and, at any moment, those that CustomResourceDefinitions add."""

    generation: int = 0
    """Grows whenever the kinds change: what is derived from them is kept until then."""
    _custom: dict[str, tuple[Kind, ...]] = field(default_factory=dict)
    _paths: dict[tuple[str, str, str], Kind] = field(init=False)
    _names: dict[tuple[str, str], Kind] = field(init=False)

    def __post_init__(self) -> None:
        self._index()

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._paths.values())

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind a request path names."""
        return self._paths.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Kind | None:
        """The kind an object's apiVersion and kind name."""
        return self._names.get((api_version, kind))

    def define(self, definition: str, kinds: Iterable[Kind]) -> None:
        """Serve these kinds for the CRD of that name, in place of what it served before."""
        self._custom[definition] = tuple(kinds)
        self._index()

    def withdraw(self, definition: str) -> None:
        """Serve the kinds of that CRD no longer."""
        self._custom.pop(definition, None)
        self._index()

    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Each group with its served versions, preferred first."""
        versions: dict[str, dict[str, None]] = {}
        for kind in self:
            versions.setdefault(kind.group, {})[kind.version] = None
        return {group: tuple(each) for group, each in versions.items()}

    def _index(self) -> None:
        self.generation += 1
        kinds = (*BUILT_IN, *(kind for defined in self._custom.values() for kind in defined))
        self._paths = {(kind.group, kind.version, kind.plural): kind for kind in kinds}
        self._names = {(kind.api_version, kind.kind): kind for kind in kinds}
