"""What a volume plugin can do: one narrow protocol a capability, each caller typed to the one it uses.

The first half is asked by controllers, about objects of the API; the second half by who attaches and mounts, about a
`plugins.source.Source`. Unmounting takes nothing but names and paths, as nothing else is left after a restart. Every
call is idempotent by the name in its request, ends within a deadline of the plugin's own, never blocks the event loop,
and raises nothing but `plugins.errors.PluginError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from model.meta import JSON
from model.selectors import NodeSelector
from model.volumes import PersistentVolume, TopologyTerm
from plugins.source import PodFacts, Source


@dataclass(frozen=True)
class ProvisionRequest:
    """Storage that is wanted for a claim."""

    name: str
    """The volume's name, made of the claim's uid: asking twice is asking once."""
    size_bytes: int
    volume_mode: str = "Filesystem"
    access_modes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The class's."""
    node: str = ""
    """The node that was chosen for the claim's pod; "" where any will do."""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    allowed_topologies: tuple[TopologyTerm, ...] = ()


@dataclass(frozen=True)
class Provisioned:
    """Storage that was made."""

    source: JSON
    """The volume's source as it stands in spec: `{"hostPath": {"path": …}}`."""
    size_bytes: int
    node_affinity: NodeSelector | None = None
    """Where it can be reached; None for everywhere."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """What the plugin leaves on the volume."""


@runtime_checkable
class Provisioner(Protocol):
    """Makes storage for claims."""

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Make it, or find it made already."""


@runtime_checkable
class Deleter(Protocol):
    """Destroys storage of volumes whose reclaim policy asks for it."""

    async def delete(self, volume: PersistentVolume) -> None:
        """Destroy it; what is gone already is a success."""


@runtime_checkable
class Recycler(Protocol):
    """Empties storage so that another claim can have it: by a pod that the caller runs, as only a node reaches it."""

    def scrub_seconds(self, volume: PersistentVolume) -> int:
        """How long the pod that empties the volume may run."""


@dataclass(frozen=True)
class Expanded:
    """What a controller's growing of a volume came to."""

    size_bytes: int
    node_expansion_required: bool
    """Whether the node must grow the file system before the claim has its new size."""


@runtime_checkable
class Expander(Protocol):
    """Grows storage from the controller's side."""

    async def expand(self, source: Source, new_bytes: int, old_bytes: int) -> Expanded:
        """Grow it; what is large enough already is a success."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was taken."""

    handle: str
    source_handle: str
    size_bytes: int
    created_seconds: float
    """Seconds since 1970."""
    ready: bool


@runtime_checkable
class Snapshotter(Protocol):
    """Takes snapshots of volumes, known by the handle that the driver gave them."""

    async def take_snapshot(self, name: str, source_handle: str, parameters: Mapping[str, str]) -> Snapshot:
        """Take it, or find it taken already by that name."""

    async def delete_snapshot(self, handle: str) -> None:
        """Destroy it; what is gone already is a success."""


@runtime_checkable
class CapacityReporter(Protocol):
    """Knows how much can still be made, and where."""

    async def available_bytes(self, parameters: Mapping[str, str], segment: Mapping[str, str]) -> int:
        """What is left for volumes of a class in a segment of the topology ({} for all of it)."""


@runtime_checkable
class Attacher(Protocol):
    """Makes storage visible to a node, from the controller's side."""

    def can_attach(self, source: Source) -> bool:
        """Whether this very volume is attached at all."""

    async def attach(self, source: Source, node: str) -> str:
        """Attach it; the device as the driver calls it, or ""."""

    async def detach(self, volume_name: str, node: str) -> None:
        """Detach it; what is detached already is a success."""


@runtime_checkable
class AttachmentVerifier(Protocol):
    """Knows what is attached."""

    async def attached(self, sources: Sequence[Source], node: str) -> Mapping[str, bool] | None:
        """By name, whether each is attached to the node; None where nothing can be said of any."""


@runtime_checkable
class AttachWaiter(Protocol):
    """Waits on the node until what was attached is there."""

    async def wait_for_attach(self, source: Source, device: str, timeout_seconds: float) -> str:
        """The device's path on this node, once it is there."""


@runtime_checkable
class DeviceMounter(Protocol):
    """Mounts storage once for the node, where pods' mounts are taken from."""

    def can_mount_device(self, source: Source) -> bool:
        """Whether this very volume has a mount of the node's."""

    async def device_mount_path(self, source: Source) -> Path:
        """Where it is, or will be, mounted."""

    async def mount_device(self, source: Source, device: str, path: Path, fs_group: int | None = None) -> None:
        """Mount it there; what is mounted already is a success. The group is for plugins that mount for one."""

    async def unmount_device(self, path: Path) -> None:
        """Take that mount away, and its directory; what is gone already is a success."""


@runtime_checkable
class Mounter(Protocol):
    """Gives a pod its volume."""

    async def mount(self, source: Source, pod: PodFacts) -> Path:
        """Mount it for the pod; where the pod's containers find it."""

    async def unmount(self, name: str, pod_uid: str) -> None:
        """Take it away from the pod; what is gone already is a success."""


@runtime_checkable
class BlockMapper(Protocol):
    """Gives a pod its volume as a block device."""

    async def map_device(self, source: Source, pod: PodFacts) -> Path:
        """The device for the pod, as a link in the pod's directory."""

    async def unmap_device(self, name: str, pod_uid: str) -> None:
        """Take it away from the pod; what is gone already is a success."""


@runtime_checkable
class NodeExpander(Protocol):
    """Grows the file system that is on grown storage."""

    async def expand_on_node(self, source: Source, device: str, path: Path, new_bytes: int, old_bytes: int) -> None:
        """Grow it where it is mounted; what is large enough already is a success."""
