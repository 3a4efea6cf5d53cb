"""PersistentVolume, PersistentVolumeClaim and StorageClass, with the sources that decide anything."""

from enum import StrEnum

import msgspec

from model import names, quantity
from model.meta import JSON, Object, ObjectReference
from model.secrets import SecretReference
from model.selectors import LabelSelector, NodeSelector


class ClaimPhase(StrEnum):
    """status.phase of a claim, spelt as the API spells it."""

    PENDING = "Pending"
    BOUND = "Bound"
    LOST = "Lost"


class VolumePhase(StrEnum):
    """status.phase of a volume."""

    PENDING = "Pending"
    AVAILABLE = "Available"
    BOUND = "Bound"
    RELEASED = "Released"
    FAILED = "Failed"


class BindingMode(StrEnum):
    """volumeBindingMode of a class."""

    IMMEDIATE = "Immediate"
    WAIT_FOR_FIRST_CONSUMER = "WaitForFirstConsumer"


class AwsElasticBlockStore(msgspec.Struct, frozen=True, gc=False):
    """An EBS disk, inline or in a volume."""

    volume_id: str = msgspec.field(default="", name="volumeID")
    read_only: bool = msgspec.field(default=False, name="readOnly")
    fs_type: str = msgspec.field(default="", name="fsType")
    partition: int = 0


class GcePersistentDisk(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A GCE persistent disk."""

    pd_name: str = ""
    read_only: bool = False
    fs_type: str = ""
    partition: int = 0


class AzureDisk(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An Azure data disk."""

    disk_uri: str = msgspec.field(default="", name="diskURI")
    kind: str | None = None
    caching_mode: str | None = None
    fs_type: str | None = None
    read_only: bool | None = None


class Cinder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An OpenStack volume."""

    volume_id: str = msgspec.field(default="", name="volumeID")
    fs_type: str = ""
    read_only: bool = False


class Portworx(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A Portworx volume."""

    volume_id: str = msgspec.field(default="", name="volumeID")
    fs_type: str = ""


class Iscsi(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An iSCSI LUN; only what tells two of them apart."""

    iqn: str = ""
    read_only: bool = False


class Rbd(msgspec.Struct, frozen=True, gc=False):
    """A Ceph block image."""

    monitors: tuple[str, ...] | None = None
    image: str = ""
    pool: str = "rbd"
    read_only: bool = msgspec.field(default=False, name="readOnly")


class Csi(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A CSI volume."""

    driver: str = ""
    volume_handle: str = ""
    fs_type: str = ""
    read_only: bool = False
    volume_attributes: dict[str, str] | None = None
    controller_publish_secret_ref: SecretReference | None = None
    controller_expand_secret_ref: SecretReference | None = None


class HostPath(msgspec.Struct, frozen=True, gc=False):
    """A directory of the node."""

    path: str = ""
    type: str | None = None


class DiskSources(msgspec.Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """The sources that may stand inline in a pod and in a volume alike."""

    aws_elastic_block_store: AwsElasticBlockStore | None = None
    gce_persistent_disk: GcePersistentDisk | None = None
    azure_disk: AzureDisk | None = None
    cinder: Cinder | None = None
    portworx_volume: Portworx | None = None
    iscsi: Iscsi | None = None
    rbd: Rbd | None = None
    host_path: HostPath | None = None


class VolumeNodeAffinity(msgspec.Struct, frozen=True, gc=False):
    """Where a volume can be reached; absent means everywhere."""

    required: NodeSelector | None = None


class VolumeSpec(DiskSources, frozen=True, gc=False, rename="camel", kw_only=True):
    """spec of a PersistentVolume."""

    capacity: dict[str, str] | None = None
    access_modes: tuple[str, ...] | None = None
    claim_ref: ObjectReference | None = None
    persistent_volume_reclaim_policy: str = "Retain"
    storage_class_name: str = ""
    mount_options: tuple[str, ...] | None = None
    volume_mode: str | None = None
    node_affinity: VolumeNodeAffinity | None = None
    volume_attributes_class_name: str | None = None
    csi: Csi | None = None
    local: JSON | None = None
    nfs: JSON | None = None
    flex_volume: JSON | None = None
    azure_file: JSON | None = None
    vsphere_volume: JSON | None = None


class VolumeStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """status of a PersistentVolume."""

    phase: str = VolumePhase.PENDING
    message: str = ""
    reason: str = ""


class PersistentVolume(Object, frozen=True, gc=False):
    """A volume: storage that exists."""

    spec: VolumeSpec = VolumeSpec()
    status: VolumeStatus = VolumeStatus()

    @property
    def storage_class(self) -> str:
        """The class by the rule of annotation before field; "" for none."""
        return self.annotations.get(names.BETA_STORAGE_CLASS, self.spec.storage_class_name)

    @property
    def volume_mode(self) -> str:
        """Filesystem unless it says Block."""
        return self.spec.volume_mode or "Filesystem"

    @property
    def access_modes(self) -> frozenset[str]:
        """The access modes offered."""
        return frozenset(self.spec.access_modes or ())

    @property
    def capacity_nanos(self) -> int:
        """Storage capacity in billionths of a byte, as `model.quantity.nanos` counts."""
        return quantity.nanos((self.spec.capacity or {}).get("storage", "0"))

    def belongs_to(self, claim: "PersistentVolumeClaim") -> bool:
        """Whether it points at this very claim, UID and all."""
        reference = self.spec.claim_ref
        return reference is not None and (reference.namespace, reference.name, reference.uid) == (
            claim.namespace,
            claim.name,
            claim.uid,
        )


class ResourceRequirements(msgspec.Struct, frozen=True, gc=False):
    """requests and limits, quantity strings by resource name."""

    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class DataSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a new volume is to be filled from."""

    kind: str = ""
    name: str = ""
    api_group: str | None = None
    namespace: str | None = None


class ClaimSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec of a PersistentVolumeClaim. An absent class name (None) is not the empty one."""

    access_modes: tuple[str, ...] | None = None
    selector: LabelSelector | None = None
    resources: ResourceRequirements = ResourceRequirements()
    volume_name: str = ""
    storage_class_name: str | None = None
    volume_mode: str | None = None
    data_source: DataSource | None = None
    data_source_ref: DataSource | None = None
    volume_attributes_class_name: str | None = None


class ModifyVolumeStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How far it is that a claim's volume gets the attributes of another class."""

    target_volume_attributes_class_name: str = ""
    status: str = ""


class ClaimStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """status of a PersistentVolumeClaim."""

    phase: str = ClaimPhase.PENDING
    access_modes: tuple[str, ...] | None = None
    capacity: dict[str, str] | None = None
    current_volume_attributes_class_name: str | None = None
    modify_volume_status: ModifyVolumeStatus | None = None
    """None where nothing is under way."""
    allocated_resources: dict[str, str] | None = None
    """What growing is under way to, or went to last."""
    allocated_resource_statuses: dict[str, str] | None = None
    """How far that is, by resource; none once it is done."""
    conditions: tuple[JSON, ...] | None = None
    """As they are: who changes one writes the whole list."""


class PersistentVolumeClaim(Object, frozen=True, gc=False):
    """A claim: storage that is wanted."""

    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()

    @property
    def storage_class(self) -> str:
        """The class by the rule of annotation before field; "" for none."""
        return self.annotations.get(names.BETA_STORAGE_CLASS, self.spec.storage_class_name or "")

    @property
    def volume_mode(self) -> str:
        """Filesystem unless it says Block."""
        return self.spec.volume_mode or "Filesystem"

    @property
    def access_modes(self) -> frozenset[str]:
        """The access modes wanted."""
        return frozenset(self.spec.access_modes or ())

    @property
    def requested_nanos(self) -> int:
        """Storage requested in billionths of a byte; 0 without a request."""
        return quantity.nanos((self.spec.resources.requests or {}).get("storage", "0"))

    @property
    def capacity_nanos(self) -> int:
        """Storage that it has, in billionths of a byte; 0 while it has none."""
        return quantity.nanos((self.status.capacity or {}).get("storage", "0"))

    @property
    def fully_bound(self) -> bool:
        """Bound for good: it names a volume and the binder confirmed it. status.phase is not asked."""
        return bool(self.spec.volume_name) and names.BIND_COMPLETED in self.annotations

    @property
    def selected_node(self) -> str | None:
        """The node chosen for provisioning; None when not chosen, and "" is a value of its own."""
        return self.annotations.get(names.SELECTED_NODE)


class TopologyRequirement(msgspec.Struct, frozen=True, gc=False):
    """One key of an allowedTopologies term."""

    key: str = ""
    values: tuple[str, ...] | None = None


class TopologyTerm(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One alternative of allowedTopologies."""

    match_label_expressions: tuple[TopologyRequirement, ...] | None = None


class StorageClass(Object, frozen=True, gc=False):
    """A class: how claims of it get storage."""

    provisioner: str = ""
    parameters: dict[str, str] | None = None
    reclaim_policy: str | None = None
    mount_options: tuple[str, ...] | None = None
    allow_volume_expansion: bool | None = None
    volume_binding_mode: str | None = None
    allowed_topologies: tuple[TopologyTerm, ...] | None = None

    @property
    def waits_for_consumer(self) -> bool:
        """Whether binding waits until a pod is placed."""
        return self.volume_binding_mode == BindingMode.WAIT_FOR_FIRST_CONSUMER
