"""What happened to the objects of one resource: enough to resume watches and to finish chunked lists.

Bounded: the oldest changes are compacted away, and who asks for what was before them is told so (410).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import dropwhile
from typing import Final

from model.meta import JSON

Key = tuple[str, str]
"""Namespace ("" for cluster-scoped objects) and name."""

KEPT: Final = 10_000
"""How many changes of a resource are kept."""


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one object. `value` and `encoded` say the same and are never changed."""

    key: Key
    version: int
    value: JSON
    encoded: bytes


class ChangeType(StrEnum):
    """The types of watch events that a write makes."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `record` is what it left, or for a deletion the last state under the deletion's version."""

    type: ChangeType
    record: Record
    previous: Record | None
    lines: dict[tuple[str, str], bytes] = field(default_factory=dict, compare=False)
    """Encoded watch events by what they show: encoded once, sent to every watcher."""

    @property
    def version(self) -> int:
        """The resourceVersion of the write."""
        return self.record.version


class History:
    """The changes of one resource, oldest first."""

    def __init__(self, compacted: int, kept: int = KEPT) -> None:
        self.compacted = compacted
        """Changes up to this version are gone; a watch can resume from it, not from before."""
        self._changes: deque[Change] = deque()
        self._kept = kept

    def append(self, change: Change) -> None:
        """Remember a change; forget the oldest beyond what is kept."""
        self._changes.append(change)
        while len(self._changes) > self._kept:
            self.compacted = self._changes.popleft().version

    def compact(self, version: int) -> None:
        """Forget everything up to this version."""
        while self._changes and self._changes[0].version <= version:
            self._changes.popleft()
        self.compacted = max(self.compacted, version)

    def since(self, version: int) -> Iterator[Change]:
        """The changes after this version, oldest first. The caller has asked `compacted` first."""
        return dropwhile(lambda change: change.version <= version, tuple(self._changes))

    def rewound(self, records: dict[Key, Record], version: int) -> dict[Key, Record]:
        """The objects as they were at this version, given those of now."""
        past = dict(records)
        for change in reversed(self._changes):
            if change.version <= version:
                break
            if change.previous is None:
                past.pop(change.record.key, None)
            else:
                past[change.record.key] = change.previous
        return past
