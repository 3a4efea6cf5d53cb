"""Pool capacity that is spoken for: what is being made of it, and what was made since it was last reported.

A driver reports what its pools hold every minute or so; until then volumes under way are in no report. What is under
way is read from the claims themselves, our own reservations laid over: it needs no memory, so a restart loses nothing
and every replica sees the same. Only what was made since the last report is remembered, for a limited time.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from extender.masks import Mask, bit
from extender.nodes import NodeIndex
from extender.stores import Stores
from model.csi import CSIStorageCapacity
from model.volumes import PersistentVolumeClaim
from storage.capacity import request_bytes

UNREPORTED_SECONDS: Final = 180.0
"""Until a report that did not change is believed to count what was made: a few of the periods drivers report at."""


@dataclass(frozen=True)
class _Made:
    storage_class: str
    node: str
    size_bytes: int
    ends: float


class Ledger:
    """What is spoken for of each pool. Its `on_…` methods are handlers for the stores' changes."""

    def __init__(self, stores: Stores, nodes: NodeIndex, clock: Callable[[], float]) -> None:
        """`clock` tells monotonic seconds."""
        self._stores = stores
        self._nodes = nodes
        self._clock = clock
        self._made: dict[str, _Made] = {}

    def spoken_for(self, report: CSIStorageCapacity, but: Collection[str] = ()) -> int:
        """Bytes of the pool that a report is about, leaving out the claims with these keys."""
        within = self._nodes.selected(report.node_topology)
        making = (
            request_bytes(claim) or 0
            for claim in self._stores.claims.by("being made", report.storage_class_name)
            if claim.key not in but and self._is_in(claim.selected_node or "", within) and self._is_wanted(claim)
        )
        return sum(making) + self._unreported(report.storage_class_name, within, but)

    @property
    def unreported(self) -> int:
        """How many claims were made that no report is known to count."""
        return len(self._made)

    def on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        """A claim whose volume was being made has got it, or is gone."""
        if new is None:
            if old is not None:
                self._made.pop(old.key, None)
            return
        # A watch that was cut shows a claim with its volume that it never showed with its node alone.
        node = new.selected_node or (old.selected_node if old is not None else None)
        if old is not None and new.spec.volume_name and not old.spec.volume_name and node:
            size = request_bytes(new) or 0
            ends = self._clock() + UNREPORTED_SECONDS
            self._made[new.key] = _Made(new.storage_class, node, size, ends)

    def on_capacity(self, old: CSIStorageCapacity | None, new: CSIStorageCapacity | None) -> None:
        """A report that says something new counts what was made."""
        report = new or old
        assert report is not None
        if old is not None and new is not None and old.capacity == new.capacity:
            return
        within = self._nodes.selected(report.node_topology)
        counted = [
            key
            for key, made in self._made.items()
            if made.storage_class == report.storage_class_name and self._is_in(made.node, within)
        ]
        for key in counted:
            del self._made[key]

    def _unreported(self, storage_class: str, within: Mask, but: Collection[str]) -> int:
        now = self._clock()
        for key in [key for key, made in self._made.items() if made.ends <= now]:
            del self._made[key]
        return sum(
            made.size_bytes
            for key, made in self._made.items()
            if made.storage_class == storage_class and key not in but and self._is_in(made.node, within)
        )

    def _is_in(self, node: str, within: Mask) -> bool:
        position = self._nodes.position.get(node)
        return position is not None and bool(within & bit(position))

    def _is_wanted(self, claim: PersistentVolumeClaim) -> bool:
        """Whether a pod is there for which it is made: without one nobody may ever finish it."""
        return any(not pod.terminated for pod in self._stores.pods.by("claim", claim.key))
