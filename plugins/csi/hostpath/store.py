"""What the driver knows, on disk before anybody is told: a record is whole or not there, also after a power cut."""

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from plugins import folders
from plugins.errors import Failed

MAKING: Final = "making"
READY: Final = "ready"
GOING: Final = "going"
"""States of volumes and snapshots: what is being made or removed is nobody's yet, or any more."""


class Attachment(msgspec.Struct, frozen=True):
    """A volume's being attached to a node."""

    node_id: str
    mode: int
    block: bool
    readonly: bool


class Volume(msgspec.Struct, frozen=True, tag=True):
    """A volume: a directory, or a file behind loop devices."""

    id: str
    name: str
    size_bytes: int
    block: bool
    state: str = MAKING
    snapshot_id: str = ""
    """The snapshot, or"""
    volume_id: str = ""
    """the volume, whose content it began with."""
    ephemeral: bool = False
    """Of one pod, and gone with it."""
    attachments: tuple[Attachment, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, tag=True):
    """A whole copy of a volume."""

    id: str
    name: str
    volume_id: str
    size_bytes: int
    block: bool
    created_ns: int
    """Nanoseconds since 1970."""
    state: str = MAKING


class Target(msgspec.Struct, frozen=True, tag=True):
    """A path of the node where a volume is staged or published; its id is the path."""

    id: str
    volume_id: str
    staged: bool
    block: bool
    mode: int
    readonly: bool = False
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Names are unique among records of a kind, as paths are."""
        return self.id


Record = Volume | Snapshot | Target
R = TypeVar("R", Volume, Snapshot, Target)

_SCHEMA: Final = """
create table if not exists records (
    kind text not null, id text not null, name text not null, body blob not null,
    primary key (kind, id), unique (kind, name)
) strict
"""


class Store:
    """The records: read from memory, on the event loop alone; written to disk first, in threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._writing = threading.Lock()
        decoder = msgspec.msgpack.Decoder(Record)
        bodies = connection.execute("select body from records").fetchall()
        self._records = {_key(record): record for record in map(decoder.decode, (body for (body,) in bodies))}

    def get(self, kind: type[R], record_id: str) -> R | None:
        """The record of that id."""
        found = self._records.get((kind.__name__, record_id))
        return found if isinstance(found, kind) else None

    def named(self, kind: type[R], name: str) -> R | None:
        """The record of that name."""
        return next((record for record in self.all(kind) if record.name == name), None)

    def all(self, kind: type[R]) -> list[R]:
        """All records of a kind, by id."""
        found = [record for record in self._records.values() if isinstance(record, kind)]
        return sorted(found, key=lambda record: record.id)

    async def put(self, record: Record) -> None:
        """Keep a record; it is on disk when this returns."""
        await asyncio.to_thread(self._put, record)
        self._records[_key(record)] = record

    async def remove(self, record: Record) -> None:
        """Forget a record."""
        await asyncio.to_thread(self._remove, record)
        self._records.pop(_key(record), None)

    def _put(self, record: Record) -> None:
        row = (*_key(record), record.name, msgspec.msgpack.encode(record))
        self._execute("insert or replace into records (kind, id, name, body) values (?, ?, ?, ?)", row)

    def _remove(self, record: Record) -> None:
        self._execute("delete from records where kind = ? and id = ?", _key(record))

    def _execute(self, statement: str, values: tuple[str | bytes, ...]) -> None:
        try:
            with self._writing:
                self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise Failed(f"can not keep the driver's state: {error}") from None


def _key(record: Record) -> tuple[str, str]:
    return type(record).__name__, record.id


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """The store of a folder, for as long as the block runs; nobody else has it meanwhile.

    Raises:
        Failed: it can not be used, or another driver uses it.
    """
    with folders.explained(f"use {folder}"):
        folder.mkdir(0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"another driver keeps its state in {folder}") from None
        with _connected(folder / "state.sqlite") as connection:
            yield Store(connection)
    finally:
        os.close(lock)


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise Failed(f"can not use {path}: {error}") from None
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute(_SCHEMA)
        yield connection
    except sqlite3.DatabaseError as error:
        raise Failed(f"can not use {path}: {error}") from None
    finally:
        connection.close()
