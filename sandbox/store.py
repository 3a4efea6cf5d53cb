"""Every object of the server, under one counter of versions, with optimistic concurrency and watches.

A write becomes visible, to readers and watchers alike and in the order of versions, once the journal has it on disk;
in memory there is no journal and it is visible at once. All of it lives on one event loop.
"""

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import orjson

from model.meta import JSON
from sandbox.history import KEPT, Change, ChangeType, History, Key, Record

BUFFERED: Final = 10_000
"""How many changes wait for one slow watcher; one that lets more pile up is closed."""


class WriteConflictError(Exception):
    """The object is not at the version the write was decided on. `current` is what is there, None for nothing."""

    def __init__(self, current: Record | None) -> None:
        super().__init__("conflict")
        self.current = current


class StorageError(OSError):
    """The journal could not keep the write; nothing of it is visible."""


class ExpiredError(LookupError):
    """The version is compacted away; `oldest` can still be resumed from."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"compacted up to {oldest}")
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal keeps of one write; `encoded` None is a deletion."""

    resource: str
    key: Key
    version: int
    encoded: bytes | None


class Journal(Protocol):
    """Where writes are kept before they are visible."""

    def submit(self, entry: Entry, done: Callable[[BaseException | None], None]) -> None:
        """Keep the entry; `done` is called on the loop, in the order of submission, with what went wrong, if so."""


@dataclass(eq=False)
class Watch:
    """The changes of one resource from some moment on, for one watcher."""

    pending: deque[Change] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    overflowed: bool = False

    def push(self, change: Change) -> None:
        """Hand over a change, unless the watcher has stopped reading."""
        if len(self.pending) >= BUFFERED:
            self.overflowed = True
            self.pending.clear()
        if not self.overflowed:
            self.pending.append(change)
        self.woken.set()

    async def changes(self, within_seconds: float | None) -> Sequence[Change] | None:
        """The changes since the last call, in order; none in time is empty; None once it has overflowed."""
        if not self.pending and not self.overflowed:
            self.woken.clear()
            try:
                async with asyncio.timeout(within_seconds):
                    await self.woken.wait()
            except TimeoutError:
                return ()
        if self.overflowed:
            return None
        taken = tuple(self.pending)
        self.pending.clear()
        return taken


class _Table:
    """The visible objects of one resource, and who watches them."""

    def __init__(self, version: int, kept: int) -> None:
        self.records: dict[Key, Record] = {}
        self.keys: list[Key] = []
        self.history = History(version, kept)
        self.watches: set[Watch] = set()

    def publish(self, change: Change) -> None:
        key = change.record.key
        if change.type is ChangeType.DELETED:
            del self.records[key]
            del self.keys[bisect_left(self.keys, key)]
        else:
            if key not in self.records:
                insort(self.keys, key)
            self.records[key] = change.record
        self.history.append(change)
        for watch in self.watches:
            watch.push(change)


class Store:
    """See the module. Resources are named as `Kind.stored_resource` names them."""

    def __init__(self, journal: Journal | None = None, *, version: int = 1, kept: int = KEPT) -> None:
        """`version` is the last one given out before a restart."""
        self._journal = journal
        self._assigned = version
        self._visible = version
        self._started = version
        self._kept = kept
        self._tables: dict[str, _Table] = {}
        self._busy: dict[tuple[str, Key], asyncio.Future[None]] = {}

    @property
    def version(self) -> int:
        """The version of the newest visible write."""
        return self._visible

    def load(self, resource: str, key: Key, version: int, encoded: bytes) -> None:
        """Take in an object that the journal kept, before anything else happens."""
        table = self._table(resource)
        table.records[key] = Record(key, version, orjson.loads(encoded), encoded)
        insort(table.keys, key)

    def get(self, resource: str, key: Key) -> Record | None:
        """One object."""
        return self._table(resource).records.get(key)

    def records(self, resource: str, namespace: str = "") -> Iterator[Record]:
        """All objects, of one namespace if given, by namespace and name."""
        table = self._table(resource)
        return (table.records[key] for key in tuple(table.keys) if not namespace or key[0] == namespace)

    def records_at(self, resource: str, version: int) -> list[Record]:
        """All objects as they were at this version.

        Raises:
            ExpiredError: it is compacted away.
        """
        table = self._table(resource)
        if version < table.history.compacted:
            raise ExpiredError(table.history.compacted)
        past = table.history.rewound(table.records, version)
        return [past[key] for key in sorted(past)]

    def watch(self, resource: str, since: int | None) -> Watch:
        """The changes after `since`, or from now on. End it with `unwatch`.

        Raises:
            ExpiredError: that is compacted away.
        """
        table = self._table(resource)
        watch = Watch()
        if since is not None:
            if since < table.history.compacted:
                raise ExpiredError(table.history.compacted)
            watch.pending.extend(table.history.since(since))
        table.watches.add(watch)
        return watch

    def unwatch(self, resource: str, watch: Watch) -> None:
        """The watcher has gone."""
        self._table(resource).watches.discard(watch)

    def close_watches(self, resource: str) -> None:
        """End every watch of a resource that is served no longer."""
        for watch in self._table(resource).watches:
            watch.overflowed = True
            watch.woken.set()

    def compact(self) -> None:
        """Forget all history up to now: what a real server does every few minutes."""
        for table in self._tables.values():
            table.history.compact(self._visible)

    async def write(self, resource: str, key: Key, value: JSON | None, *, expected: int) -> Record:
        """Put `value` in place of the object at version `expected` (0: there is none), or delete it for None.

        The value is the store's from here on; its metadata.resourceVersion is set.

        Raises:
            WriteConflictError: the object is at another version.
            StorageError: the journal could not keep it.
        """
        while (busy := self._busy.get((resource, key))) is not None:
            await asyncio.wait([busy])
        change = self._change(resource, key, value, expected)
        if self._journal is None:
            self._publish(resource, change)
        else:
            await self._keep(self._journal, resource, change)
        return change.record

    def _change(self, resource: str, key: Key, value: JSON | None, expected: int) -> Change:
        current = self.get(resource, key)
        if (current.version if current else 0) != expected:
            raise WriteConflictError(current)
        self._assigned += 1
        if value is not None:
            type_ = ChangeType.MODIFIED if current else ChangeType.ADDED
        else:
            assert current is not None, "a deletion expects an object"
            value, type_ = {**current.value, "metadata": dict(current.value["metadata"])}, ChangeType.DELETED
        value["metadata"]["resourceVersion"] = str(self._assigned)
        # What it is comes first, as readers of JSON expect it.
        value = {**{field: value[field] for field in ("kind", "apiVersion") if field in value}, **value}
        return Change(type_, Record(key, self._assigned, value, orjson.dumps(value)), current)

    async def _keep(self, journal: Journal, resource: str, change: Change) -> None:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._busy[resource, change.record.key] = kept

        def done(error: BaseException | None) -> None:
            # On the loop, in the order of versions, and also when the writer has stopped waiting.
            del self._busy[resource, change.record.key]
            if error is None:
                self._publish(resource, change)
            if not kept.done():
                kept.set_result(None) if error is None else kept.set_exception(error)

        encoded = None if change.type is ChangeType.DELETED else change.record.encoded
        journal.submit(Entry(resource, change.record.key, change.version, encoded), done)
        # A writer that is cancelled must not cancel what others wait for.
        await asyncio.shield(kept)

    def _publish(self, resource: str, change: Change) -> None:
        self._visible = max(self._visible, change.version)
        self._table(resource).publish(change)

    def _table(self, resource: str) -> _Table:
        table = self._tables.get(resource)
        if table is None:
            table = self._tables[resource] = _Table(self._started, self._kept)
        return table
