"""CSINode, CSIDriver, CSIStorageCapacity and VolumeAttachment (storage.k8s.io/v1), snapshot classes, and Lease."""

import msgspec

from model.meta import JSON, Object
from model.selectors import LabelSelector


class Allocatable(msgspec.Struct, frozen=True, gc=False):
    """How many volumes of a driver a node takes; None is no limit, 0 is none at all."""

    count: int | None = None


class NodeDriver(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One driver registered on a node."""

    name: str = ""
    node_id: str = msgspec.field(default="", name="nodeID")
    topology_keys: tuple[str, ...] | None = None
    allocatable: Allocatable | None = None


class CSINodeSpec(msgspec.Struct, frozen=True, gc=False):
    """spec of a CSINode; real servers send `drivers: null`."""

    drivers: tuple[NodeDriver, ...] | None = None


class CSINode(Object, frozen=True, gc=False):
    """What kubelet registered of CSI on the node of the same name."""

    spec: CSINodeSpec = CSINodeSpec()


class CSIDriverSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec of a CSIDriver."""

    attach_required: bool | None = None
    storage_capacity: bool | None = None
    prevent_pod_scheduling_if_missing: bool | None = None


class CSIDriver(Object, frozen=True, gc=False):
    """What a driver's installer declares; its name is the driver's."""

    spec: CSIDriverSpec = CSIDriverSpec()


class CSIStorageCapacity(Object, frozen=True, gc=False):
    """How much a class can still provision in one segment."""

    storage_class_name: str = ""
    node_topology: LabelSelector | None = None
    capacity: str | None = None
    maximum_volume_size: str | None = None


class VolumeSnapshotClass(Object, frozen=True, gc=False):
    """A class of snapshots (snapshot.storage.k8s.io/v1)."""

    driver: str = ""
    deletion_policy: str = ""
    parameters: dict[str, str] | None = None


class AttachmentSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What is attached: a volume by name, or one inline."""

    persistent_volume_name: str | None = None
    inline_volume_spec: JSON | None = None


class AttachmentSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec of a VolumeAttachment."""

    attacher: str = ""
    node_name: str = ""
    source: AttachmentSource = AttachmentSource()


class AttachmentError(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Why a volume could not be attached, or detached, the last time; the code is that of the driver's answer."""

    time: str | None = None
    message: str = ""
    error_code: int | None = None


class AttachmentStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """status of a VolumeAttachment."""

    attached: bool = False
    attachment_metadata: dict[str, str] | None = None
    """What the driver's node service needs to know."""
    attach_error: AttachmentError | None = None
    detach_error: AttachmentError | None = None


class VolumeAttachment(Object, frozen=True, gc=False):
    """The wish, and the fact, that a volume is attached to a node."""

    spec: AttachmentSpec = AttachmentSpec()
    status: AttachmentStatus = AttachmentStatus()


class LeaseSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec of a Lease; times are RFC 3339 with microseconds."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Object, frozen=True, gc=False):
    """A lock with a time limit (coordination.k8s.io/v1)."""

    spec: LeaseSpec = LeaseSpec()
