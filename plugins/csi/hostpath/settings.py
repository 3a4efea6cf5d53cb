"""What the driver can be told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NAME: Final = "hostpath.csi.lading"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9.]{0,61}[A-Za-z0-9])?")
_NODE_ID_BYTES: Final = 256

GI: Final = 1 << 30


@dataclass(frozen=True)
class Settings:
    """One driver on one node."""

    state: Path
    """Where volumes, snapshots and what is known of them are kept."""
    node_id: str
    endpoint: str
    name: str = NAME
    capacity_bytes: int = 100 * GI
    """The sizes of all volumes and snapshots together; it is counted, not reserved on the disk."""
    max_volume_bytes: int = 1024 * GI
    attach: bool = True
    """Whether volumes are attached to nodes before they are staged there."""
    max_volumes_per_node: int = 0
    """How many volumes can be attached to a node; 0 for no limit."""
    other_nodes: frozenset[str] = frozenset()
    """Further nodes of this machine, by the name that the driver has for them."""
    segments: Mapping[str, str] = field(default_factory=dict)
    """More of the node's topology than its own name: a zone."""

    def __post_init__(self) -> None:
        """Refuse what the protocol forbids. Raises ValueError."""
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f"--driver-name {self.name!r}: expected letters, digits, '-' and '.', at most 63")
        if not self.node_id or len(self.node_id.encode()) > _NODE_ID_BYTES:
            raise ValueError(f"--node-id {self.node_id!r}: expected 1 to {_NODE_ID_BYTES} bytes")
        if min(self.capacity_bytes, self.max_volume_bytes, self.max_volumes_per_node) < 0:
            raise ValueError("capacities and limits can not be negative")

    @property
    def nodes(self) -> frozenset[str]:
        """All nodes that volumes can be attached to."""
        return self.other_nodes | {self.node_id}

    @property
    def topology(self) -> dict[str, str]:
        """Where this node's volumes can be reached: on this node; with other nodes of the machine, as segments say."""
        own = {} if self.other_nodes else {f"topology.{self.name}/node": self.node_id}
        return {**own, **self.segments}
