"""Pool capacity that is spoken for: what is being made of it, and what was made since it was last reported.

A driver reports what its pools hold every minute or so; until then volumes under way are in no report. What is under
way is read from the claims themselves, our own reservations laid over: it needs no memory, so a restart loses nothing
and every replica sees the same. What was made since the last report is remembered for a limited time, and told after a
restart from the age of the volumes.

A report counts what was bound before it was written. That is told by resourceVersions, which grow with every write to
a cluster's store, for the watches of claims and of reports show neither in step.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from extender.masks import Mask, bit
from extender.nodes import NodeIndex
from extender.stores import Stores
from model.csi import CSIStorageCapacity
from model.volumes import PersistentVolumeClaim
from storage.capacity import request_bytes

UNREPORTED_SECONDS: Final = 180.0
"""Until a report that did not change is believed to count what was made: a few of the periods drivers report at."""
ABANDONED_SECONDS: Final = 180.0
"""Until a claim that no pod waits for any more holds nothing: its volume may be on its way, or never be made."""


@dataclass(frozen=True)
class _Made:
    claim: str
    storage_class: str
    node: str
    size_bytes: int
    ends: float
    version: str
    """Of the claim once it was bound."""
    volume: str
    seen: bool
    """Whether the volume was there when it was last looked for: once it is not any more, it takes no room."""


class Ledger:
    """What is spoken for of each pool. Its `on_…` methods are handlers for the stores' changes."""

    def __init__(self, stores: Stores, nodes: NodeIndex, clock: Callable[[], float]) -> None:
        """`clock` tells monotonic seconds."""
        self._stores = stores
        self._nodes = nodes
        self._clock = clock
        self._made: dict[str, _Made] = {}
        """By the claim's uid."""
        self._abandoned: dict[str, float] = {}
        """When claims whose volumes are being made were first seen without a pod, by key."""

    def spoken_for(self, report: CSIStorageCapacity, but: Collection[str] = ()) -> int:
        """Bytes of the pool that a report is about, leaving out the claims with these keys."""
        within = self._nodes.selected(report.node_topology)
        making = (
            request_bytes(claim) or 0
            for claim in self._stores.claims.by("being made", report.storage_class_name)
            if claim.key not in but and self._is_in(claim.selected_node or "", within) and self._is_to_be_made(claim)
        )
        return sum(making) + self._unreported(report.storage_class_name, within, but)

    @property
    def unreported(self) -> int:
        """How many claims were made that no report is known to count."""
        return len(self._made)

    @property
    def oldest_seconds(self) -> float:
        """Since when the first of them has been made; 0 where there is none."""
        ends = min((made.ends for made in self._made.values()), default=None)
        return 0.0 if ends is None else max(self._clock() + UNREPORTED_SECONDS - ends, 0.0)

    def recall(self, age_seconds: Callable[[str | None], float]) -> None:
        """Count what was made shortly before this process began to look, by the age of the volumes.

        `age_seconds` tells how long ago a time of the API was.
        """
        for claim in self._stores.claims.values():
            volume = self._stores.volume_of(claim)
            if volume is None or not claim.selected_node or claim.uid in self._made:
                continue
            age = age_seconds(volume.metadata.creation_timestamp)
            if age < UNREPORTED_SECONDS:
                self._remember(claim, claim.selected_node, UNREPORTED_SECONDS - max(age, 0.0))

    def on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        """A claim whose volume was being made has got it, or is gone."""
        if new is None:
            if old is not None:
                self._abandoned.pop(old.key, None)
            return
        # A watch that was cut shows a claim with its volume that it never showed with its node alone.
        node = new.selected_node or (old.selected_node if old is not None else None)
        if old is not None and new.spec.volume_name and not old.spec.volume_name and node:
            self._abandoned.pop(new.key, None)
            self._remember(new, node, UNREPORTED_SECONDS)

    def on_capacity(self, old: CSIStorageCapacity | None, new: CSIStorageCapacity | None) -> None:
        """A report that says something new counts what was made before it."""
        if new is None or (old is not None and old.capacity == new.capacity):
            return
        within = self._nodes.selected(new.node_topology)
        counted = [
            key
            for key, made in self._made.items()
            if made.storage_class == new.storage_class_name
            and self._is_in(made.node, within)
            and not _is_older(new, made.version)
        ]
        for key in counted:
            del self._made[key]

    def _remember(self, claim: PersistentVolumeClaim, node: str, seconds: float) -> None:
        """Count it for so long, unless a report that was written after it does."""
        version = claim.metadata.resource_version
        reports = self._stores.capacities.by("class", claim.storage_class)
        newer = (each for each in reports if _is_newer(each, version))
        if any(self._is_in(node, self._nodes.selected(each.node_topology)) for each in newer):
            return
        size, ends, volume = request_bytes(claim) or 0, self._clock() + seconds, claim.spec.volume_name
        seen = self._stores.volumes.get(volume) is not None
        self._made[claim.uid] = _Made(claim.key, claim.storage_class, node, size, ends, version, volume, seen)

    def _unreported(self, storage_class: str, within: Mask, but: Collection[str]) -> int:
        now = self._clock()
        for key, made in list(self._made.items()):
            there = self._stores.volumes.get(made.volume) is not None
            if made.ends <= now or (made.seen and not there):
                del self._made[key]
            elif there and not made.seen:
                self._made[key] = replace(made, seen=True)
        return sum(
            made.size_bytes
            for made in self._made.values()
            if made.storage_class == storage_class and made.claim not in but and self._is_in(made.node, within)
        )

    def _is_in(self, node: str, within: Mask) -> bool:
        position = self._nodes.position.get(node)
        return position is not None and bool(within & bit(position))

    def _is_to_be_made(self, claim: PersistentVolumeClaim) -> bool:
        """Whether a pod waits for it, or did until a while ago: without one nobody may ever finish it."""
        if any(not pod.terminated for pod in self._stores.pods.by("claim", claim.key)):
            self._abandoned.pop(claim.key, None)
            return True
        now = self._clock()
        return now < self._abandoned.setdefault(claim.key, now) + ABANDONED_SECONDS


def _is_newer(report: CSIStorageCapacity, version: str) -> bool:
    written = report.metadata.resource_version
    return written.isdecimal() and version.isdecimal() and int(written) > int(version)


def _is_older(report: CSIStorageCapacity, version: str) -> bool:
    written = report.metadata.resource_version
    return written.isdecimal() and version.isdecimal() and int(written) < int(version)
