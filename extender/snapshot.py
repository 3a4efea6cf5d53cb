"""The cluster as one evaluation sees it: stores of objects and what is indexed over them.

An evaluation never waits, so nothing changes under it: the view is frozen by not giving up the thread, not by copying.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from extender.ledger import Ledger
from extender.nodes import NodeIndex
from extender.slots import SlotIndex
from extender.stores import Stores
from model.volumes import PersistentVolumeClaim
from model.workloads import Node

Handler = Callable[[Any, Any], None]
"""Called with (old, new); None for what was not there before or is gone."""


Shape = Sequence[tuple[int, int]]
"""(utilization in percent, score 0–100), utilization strictly increasing: linear between points, flat outside."""

MOST_ROOM_LEFT: Final[Shape] = ((0, 100), (100, 0))


@dataclass(frozen=True)
class Rules:
    """Rules that a cluster may have switched on or off, as its release does."""

    shape: Shape = MOST_ROOM_LEFT
    """How the use of what is chosen for a pod scores, as `shape` of VolumeBindingArgs, times 10."""

    wait_for_drivers: bool = False
    """Whether a driver that asks for it must have registered on a node (the gate VolumeLimitScaling, on from 1.37)."""
    counts_claims_under_way: bool = False
    """Whether room that other claims are being made from, and the pod's own others, is gone from a pool's report.

    kube-scheduler takes every report as it stands, so that pods placed within a minute overbook a pool."""
    unready_without_csi_node: bool = False
    """Whether a node without a CSINode is not ready for CSI volumes, instead of taking any number of them."""
    attached_is_present: bool = False
    """Whether a volume still attached to a node takes no further slot there. kube-scheduler counts it twice: it refuses
    a full node to the very pod whose volume fills it."""
    zones_are_required: bool = False
    """Whether a volume with zone labels can not be on a node that has none, instead of on any such node."""
    reads_match_fields: bool = False
    """Whether matchFields (metadata.name) of a volume's node affinity bind, instead of being passed over."""
    adopts_placed_pods: bool = False
    """Whether claims of pods that name their node themselves are asked for, where the extender binds. kube-scheduler is
    not shown such a pod: its claims wait for ever."""


DEFAULT_RULES: Final = Rules()
"""Those of a stock scheduler with its default gates."""
SERVED_RULES: Final = Rules(counts_claims_under_way=True, adopts_placed_pods=True)
"""Those of the service: its ledger keeps a pool from being overbooked, and no pod waits for nobody."""


class Snapshot:
    """Stores and indexes. The handlers keep these current; `slots.refresh` counts what they marked."""

    def __init__(self, stores: Stores, rules: Rules = DEFAULT_RULES, clock: Callable[[], float] = lambda: 0.0) -> None:
        """`clock` tells monotonic seconds: the ledger forgets by it."""
        self.stores = stores
        self.rules = rules
        self.nodes = NodeIndex(reads_match_fields=rules.reads_match_fields)
        self.slots = SlotIndex(stores, self.nodes, attached_is_present=rules.attached_is_present)
        self.ledger = Ledger(stores, self.nodes, clock)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What to call upon changes, by the name of the store."""
        return {
            "nodes": self._on_node,
            "pods": self.slots.on_pod,
            "claims": self._on_claim,
            "volumes": self.slots.on_volume,
            "classes": self.slots.on_class,
            "attachments": self.slots.on_attachment,
            "csi_nodes": self.slots.on_csi_node,
            "capacities": self.ledger.on_capacity,
        }

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        self.slots.on_claim(old, new)
        self.ledger.on_claim(old, new)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self.slots.drop_node(old.name)
        self.nodes.update(old, new)
        if new is not None and old is None:
            self.slots.add_node(new.name)
