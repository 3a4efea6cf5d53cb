"""Which event to write for what was said: a new one, a higher count on an older one, or none.

The rules are client-go's, with its numbers: the same said again is counted; from the tenth different message about
one object and reason on they are told as one, until ten minutes pass without any; an object gets 25 events at once and
then one in five minutes. Decides only; the recorder writes.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from kube.rate import TokenBucket
from model.meta import ObjectReference

SIMILAR_MESSAGES: Final = 10
SIMILAR_SECONDS: Final = 600.0
BURST: Final = 25
RATE: Final = 1 / 300
REMEMBERED: Final = 4096
"""How many objects, reasons and events are remembered, each; the least recently used are forgotten."""
COMBINED: Final = "(combined from similar events): "

Key = tuple[object, ...]
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Said:
    """Something said about an object: `at` in monotonic seconds, `time` as an event shows it."""

    about: ObjectReference
    type: str
    reason: str
    message: str
    at: float
    time: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An event: `name` on the server ("" if not written yet), how often it was said, first when."""

    name: str
    count: int
    first: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Write this: `said.message` as the event shows it, `entry` with the count to show. `key` is for `wrote`."""

    key: Key
    said: Said
    entry: Entry


class Correlator:
    """Remembers what was said and what was written."""

    def __init__(self) -> None:
        self._similar: _Recent[_Similar] = _Recent()
        self._entries: _Recent[Entry] = _Recent()
        self._buckets: _Recent[TokenBucket] = _Recent()

    def decide(self, said: Said) -> Decision | None:
        """What to write; None if the object has had enough events. What is not written is counted all the same."""
        key, said = self._combined(said)
        earlier = self._entries.get(key) or Entry("", 0, said.time)
        entry = replace(earlier, count=earlier.count + 1)
        self._entries.put(key, entry)
        about = _identity(said.about)
        bucket = self._buckets.get(about) or self._buckets.put(about, TokenBucket(RATE, BURST))
        return Decision(key, said, entry) if bucket.take(said.at) else None

    def wrote(self, decision: Decision, name: str) -> None:
        """The event is on the server under this name."""
        entry = self._entries.get(decision.key) or decision.entry
        self._entries.put(decision.key, replace(entry, name=name))

    def _combined(self, said: Said) -> tuple[Key, Said]:
        """The event that this counts for, and what it shows there."""
        kind = (*_identity(said.about), said.type, said.reason)
        similar = self._similar.get(kind)
        if similar is None or said.at - similar.last > SIMILAR_SECONDS:
            similar = self._similar.put(kind, _Similar())
        similar.last = said.at
        if said.message not in similar.messages and len(similar.messages) == SIMILAR_MESSAGES - 1:
            return kind, replace(said, message=COMBINED + said.message)
        if said.message not in similar.messages:
            similar.messages += (said.message,)
        return (*kind, said.message), said


@dataclass(slots=True)
class _Similar:
    """The different messages of one object and reason, few as they are, and when the last came."""

    messages: tuple[str, ...] = ()
    last: float = 0.0


class _Recent(Generic[V]):
    """A mapping that forgets what was used least recently."""

    def __init__(self) -> None:
        self._values: OrderedDict[Key, V] = OrderedDict()

    def get(self, key: Key) -> V | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: Key, value: V) -> V:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > REMEMBERED:
            self._values.popitem(last=False)
        return value


def _identity(about: ObjectReference) -> Key:
    return (about.kind, about.namespace, about.name, about.uid, about.api_version)
