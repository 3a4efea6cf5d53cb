"""What a volume plugin can do: one narrow protocol a capability, each caller typed to the one it uses.

Every call is idempotent by the name in its request, ends within a deadline of the plugin's own, never blocks the event
loop, and raises nothing but `plugins.errors.PluginError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from model.meta import JSON
from model.selectors import NodeSelector
from model.volumes import PersistentVolume, TopologyTerm


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
