"""What may differ between drivers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SidecarSettings:
    """Settings of all controllers beside a driver."""

    workers: int = 100
    """Volumes that are made, and as many that are deleted, at a time."""
    attach_workers: int = 10
    resize_workers: int = 10
    backoff_seconds: tuple[float, float] = (1.0, 300.0)
    """After a failed call: the first wait, doubling to the longest."""
    resync_seconds: float = 600.0
    """How often everything is looked at although nothing changed."""
    default_fs_type: str = ""
    """The file system of volumes whose class names none."""
    extra_create_metadata: bool = False
    """Whether the driver is told the names of claim and volume, or of the snapshot."""
    strict_topology: bool = False
    """Whether only the selected node's own place is asked for, and not those that would do as well."""
    immediate_topology: bool = True
    """Whether a place is asked for where no node was selected."""
    read_only_publish: bool = False
    """Whether volumes that many may read and nobody may write are marked so for attaching (controller-publish)."""
    volume_name_prefix: str = "pvc"
    """What the names of volumes begin with; the claim's UID follows."""
    namespace: str = "default"
    """Our own: of the record of calls under way, and of the objects that say how much is left."""
    capacity_poll_seconds: float = 60.0
    """How often the driver is asked how much is left."""
    capacity_for_immediate: bool = False
    """Whether classes count that do not wait for a pod: a scheduler asks for the others alone."""
    pod_name: str = ""
    """The pod that we run in: what says how much is left goes with who owns it; "" where there is none."""
    owner_level: int = 1
    """How many owners above that pod: 0 is itself, 1 its ReplicaSet, 2 its Deployment; negative for none."""
    reconcile_attachments_seconds: float = 60.0
    """How often what the driver says is attached is compared with what should be; 0 for never."""
    handle_volume_in_use: bool = True
    """Whether a driver that grows no volume in use is asked again only when no pod uses it; pods are watched for it."""
    extra_modify_metadata: bool = False
    """Whether the driver is told the names of claim and volume when it changes attributes."""
