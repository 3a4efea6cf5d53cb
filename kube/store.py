"""What a cache holds: objects as the server showed them, our own writes laid over, and indexes over both.

An own write is newer than what was shown as long as its resourceVersion lies beyond everything that the server has
shown of this resource: versions of one resource are ordered as integers, and a watch shows them in that order
("Resource versions" in "Kubernetes API Concepts"). Knows nothing of tasks or of the network.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

import structlog

from model.meta import Object
from model.resources import ObjectT

log = structlog.get_logger()

IndexFunction = Callable[[ObjectT], Iterable[str]]
"""The values under which an object is found; pure."""


@dataclass(frozen=True, slots=True)
class _OwnWrite(Generic[ObjectT]):
    object: ObjectT
    version: int
    ends: float


class Store(Generic[ObjectT]):
    """Objects by key. `clock` is monotonic; own writes are believed for `assume_seconds` at most."""

    def __init__(self, clock: Callable[[], float], assume_seconds: float) -> None:
        self._clock = clock
        self._assume_seconds = assume_seconds
        self._shown: dict[str, ObjectT] = {}
        # In the order in which they end.
        self._own: dict[str, _OwnWrite[ObjectT]] = {}
        self._indexes: dict[str, _Index[ObjectT]] = {}
        self._reached = 0

    def get(self, key: str) -> ObjectT | None:
        """The object, own writes applied."""
        if not self._own:
            return self._shown.get(key)
        self._expire()
        return self._visible(key)

    def keys(self) -> Collection[str]:
        """All keys, own writes applied."""
        if self._own:
            self._expire()
        return self._shown.keys() | self._own.keys() if self._own else list(self._shown)

    def values(self) -> Collection[ObjectT]:
        """All objects, own writes applied."""
        if self._own:
            self._expire()
        return [*{**self._shown, **self._own_objects()}.values()] if self._own else [*self._shown.values()]

    def by(self, index: str, value: str) -> Sequence[ObjectT]:
        """The objects that an index has under a value, own writes applied. KeyError if there is no such index."""
        if self._own:
            self._expire()
        visible = map(self._visible if self._own else self._shown.get, self._indexes[index].keys(value))
        return [obj for obj in visible if obj is not None]

    def add_index(self, name: str, function: IndexFunction[ObjectT]) -> None:
        """A further index, over what is present too. An object for which it fails is found under nothing."""
        index = _Index(name, function)
        for obj in self.values():
            index.move(obj.key, None, obj)
        self._indexes[name] = index

    def shown(self, key: str) -> ObjectT | None:
        """The object as the server showed it last, own writes aside."""
        return self._shown.get(key)

    def all_shown(self) -> Mapping[str, ObjectT]:
        """All of them, by key; not a copy."""
        return self._shown

    def show(self, key: str, obj: ObjectT | None) -> None:
        """The server shows an object, or (None) that it is gone."""
        before = self._visible(key)
        if obj is None:
            self._shown.pop(key, None)
        else:
            self._shown[key] = obj
        self._reindex(key, before)

    def reach(self, version: str, *, anew: bool = False) -> None:
        """The server has shown all up to this version; `anew` if that may lie before what it showed earlier."""
        reached = as_number(version)
        self._reached = reached if anew else max(self._reached, reached)
        if self._own:
            self._drop([key for key, own in self._own.items() if own.version <= self._reached])

    def assume(self, obj: ObjectT) -> bool:
        """Lay an own write over, unless the server or another own write has been further."""
        version, key = as_number(obj.metadata.resource_version), obj.key
        earlier = self._own.get(key)
        if version <= self._reached or (earlier is not None and version <= earlier.version):
            return False
        before = self._visible(key)
        self._own.pop(key, None)
        self._own[key] = _OwnWrite(obj, version, self._clock() + self._assume_seconds)
        self._reindex(key, before)
        return True

    def forget(self, key: str) -> None:
        """Take an own write away."""
        self._drop([key] if key in self._own else [])

    def _visible(self, key: str) -> ObjectT | None:
        own = self._own.get(key)
        return self._shown.get(key) if own is None else own.object

    def _own_objects(self) -> dict[str, ObjectT]:
        return {key: own.object for key, own in self._own.items()}

    def _expire(self) -> None:
        now, late = self._clock(), []
        for key, own in self._own.items():
            if own.ends > now:
                break
            late.append(key)
        if late:
            log.warning("own writes never came back", keys=late[:10], count=len(late))
            self._drop(late)

    def _drop(self, keys: Iterable[str]) -> None:
        for key in keys:
            before = self._own.pop(key).object
            self._reindex(key, before)

    def _reindex(self, key: str, before: ObjectT | None) -> None:
        after = self._visible(key)
        if before is not after:
            for index in self._indexes.values():
                index.move(key, before, after)


class _Index(Generic[ObjectT]):
    """Keys by value."""

    def __init__(self, name: str, function: IndexFunction[ObjectT]) -> None:
        self._name = name
        self._function = function
        self._keys: dict[str, dict[str, None]] = {}

    def keys(self, value: str) -> Collection[str]:
        return self._keys.get(value, {})

    def move(self, key: str, before: ObjectT | None, after: ObjectT | None) -> None:
        old = () if before is None else self._values(before)
        new = () if after is None else self._values(after)
        if old == new:
            return
        for value in old:
            if value not in new and (keys := self._keys.get(value)):
                keys.pop(key, None)
                if not keys:
                    del self._keys[value]
        for value in new:
            if value not in old:
                self._keys.setdefault(value, {})[key] = None

    def _values(self, obj: ObjectT) -> tuple[str, ...]:
        try:
            return tuple(self._function(obj))
        except Exception:  # a guard: a fault in one index must not stop the cache
            log.exception("index failed", index=self._name, key=obj.key)
            return ()


def as_number(version: str) -> int:
    """A resourceVersion to compare; 0 where it is none, so that nothing is believed newer by it."""
    return int(version) if version.isascii() and version.isdigit() else 0


def same_version(one: Object, other: Object) -> bool:
    """Whether two views show one object in one state."""
    return one.uid == other.uid and one.metadata.resource_version == other.metadata.resource_version
