"""The cluster as one evaluation sees it: stores of objects and what is indexed over them.

An evaluation never waits, so nothing changes under it: the view is frozen by not giving up the thread, not by copying.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from extender.nodes import NodeIndex
from extender.slots import SlotIndex
from extender.stores import Stores
from model.workloads import Node

Handler = Callable[[Any, Any], None]
"""Called with (old, new); None for what was not there before or is gone."""


@dataclass(frozen=True)
class Rules:
    """Rules that a cluster may have switched on or off, as its release does."""

    wait_for_drivers: bool = False
    """Whether a driver that asks for it must have registered on a node (the gate VolumeLimitScaling, on from 1.37)."""


DEFAULT_RULES: Final = Rules()


class Snapshot:
    """Stores and indexes. The handlers keep these current; `slots.refresh` counts what they marked."""

    def __init__(self, stores: Stores, rules: Rules = DEFAULT_RULES) -> None:
        self.stores = stores
        self.rules = rules
        self.nodes = NodeIndex()
        self.slots = SlotIndex(stores, self.nodes)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What to call upon changes, by the name of the store."""
        return {
            "nodes": self._on_node,
            "pods": self.slots.on_pod,
            "claims": self.slots.on_claim,
            "volumes": self.slots.on_volume,
            "classes": self.slots.on_class,
            "attachments": self.slots.on_attachment,
            "csi_nodes": self.slots.on_csi_node,
        }

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self.slots.drop_node(old.name)
        self.nodes.update(old, new)
        if new is not None and old is None:
            self.slots.add_node(new.name)
