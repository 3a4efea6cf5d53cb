"""Where the API serves each kind: one row a resource, typed by the view that decodes it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from model.attributes_classes import VolumeAttributesClass
from model.config_maps import ConfigMap
from model.csi import CSIDriver, CSINode, CSIStorageCapacity, Lease, VolumeAttachment, VolumeSnapshotClass
from model.grants import ReferenceGrant
from model.meta import Object
from model.policy import PodDisruptionBudget
from model.registrations import WebhookConfiguration
from model.secrets import Secret
from model.snapshots import VolumeSnapshot, VolumeSnapshotContent
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Event, Namespace, Node, Pod

ObjectT = TypeVar("ObjectT", bound=Object)


@dataclass(frozen=True)
class Resource(Generic[ObjectT]):
    """A resource of the API. `group` is "" for core; `plural` is the name in paths."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    view: type[ObjectT]

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`, as apiVersion spells it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path; without a namespace a namespaced resource is meant across all of them."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{scope}/{self.plural}{tail}"


_STORAGE = "storage.k8s.io"
_SNAPSHOT = "snapshot.storage.k8s.io"

PODS = Resource("", "v1", "pods", "Pod", namespaced=True, view=Pod)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False, view=Node)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False, view=Namespace)
BUDGETS = Resource(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True, view=PodDisruptionBudget
)
EVENTS = Resource("", "v1", "events", "Event", namespaced=True, view=Event)
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, view=PersistentVolume)
CLAIMS = Resource(
    "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True, view=PersistentVolumeClaim
)
CLASSES = Resource(_STORAGE, "v1", "storageclasses", "StorageClass", namespaced=False, view=StorageClass)
ATTRIBUTES_CLASSES = Resource(
    _STORAGE,
    "v1",
    "volumeattributesclasses",
    "VolumeAttributesClass",
    namespaced=False,
    view=VolumeAttributesClass,
)
CSI_NODES = Resource(_STORAGE, "v1", "csinodes", "CSINode", namespaced=False, view=CSINode)
CSI_DRIVERS = Resource(_STORAGE, "v1", "csidrivers", "CSIDriver", namespaced=False, view=CSIDriver)
CAPACITIES = Resource(
    _STORAGE, "v1", "csistoragecapacities", "CSIStorageCapacity", namespaced=True, view=CSIStorageCapacity
)
ATTACHMENTS = Resource(_STORAGE, "v1", "volumeattachments", "VolumeAttachment", namespaced=False, view=VolumeAttachment)
SNAPSHOTS = Resource(_SNAPSHOT, "v1", "volumesnapshots", "VolumeSnapshot", namespaced=True, view=VolumeSnapshot)
SNAPSHOT_CONTENTS = Resource(
    _SNAPSHOT,
    "v1",
    "volumesnapshotcontents",
    "VolumeSnapshotContent",
    namespaced=False,
    view=VolumeSnapshotContent,
)
SNAPSHOT_CLASSES = Resource(
    _SNAPSHOT,
    "v1",
    "volumesnapshotclasses",
    "VolumeSnapshotClass",
    namespaced=False,
    view=VolumeSnapshotClass,
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True, view=Lease)
REFERENCE_GRANTS = Resource(
    "gateway.networking.k8s.io", "v1beta1", "referencegrants", "ReferenceGrant", namespaced=True, view=ReferenceGrant
)
SECRETS = Resource("", "v1", "secrets", "Secret", namespaced=True, view=Secret)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True, view=ConfigMap)
MUTATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
    view=WebhookConfiguration,
)
VALIDATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
    view=WebhookConfiguration,
)
