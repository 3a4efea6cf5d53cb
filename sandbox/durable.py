"""The journal on disk: SQLite in a folder, one writer thread, many writes in one transaction.

A write is reported kept after its transaction has been synced. Whatever is killed when, the folder holds every write
that was reported, and none half.
"""

import asyncio
import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from sandbox.store import Entry, StorageError, Store

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (version INTEGER NOT NULL);
INSERT INTO counter SELECT 1 WHERE NOT EXISTS (SELECT * FROM counter);
"""
_UPSERT: Final = "INSERT OR REPLACE INTO objects (version, value, resource, namespace, name) VALUES (?, ?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"
_BATCH: Final = 512

_Done = Callable[[BaseException | None], None]
_Item = tuple[Entry, _Done]


class DataInUseError(ValueError):
    """Another process serves from this folder, or it can not be used at all."""


@contextmanager
def open_store(folder: Path) -> Iterator[Store]:
    """A store that lives in the folder, for the running event loop.

    Raises:
        DataInUseError: another server has it, or it can not be written; the message names it.
    """
    with _exclusive(folder):
        try:
            connection = sqlite3.connect(folder / "objects.sqlite", isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise DataInUseError(f"{folder}: {error}") from error
        try:
            version = _prepare(connection, folder)
            journal = _SqliteJournal(connection, asyncio.get_running_loop())
            store = Store(journal, version=version)
            for resource, namespace, name, at, value in connection.execute(
                "SELECT resource, namespace, name, version, value FROM objects"
            ):
                store.load(resource, (namespace, name), at, value)
            with journal.running():
                yield store
        finally:
            connection.close()


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock: IO[str] = (folder / "lock").open("w")
    except OSError as error:
        raise DataInUseError(f"--data {folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataInUseError(f"--data {folder}: another server is using it") from error
        yield


def _prepare(connection: sqlite3.Connection, folder: Path) -> int:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        return int(connection.execute("SELECT version FROM counter").fetchone()[0])
    except sqlite3.Error as error:
        raise DataInUseError(f"--data {folder}: not a sandbox's folder, or damaged: {error}") from error


class _SqliteJournal:
    """The writer thread and its queue."""

    def __init__(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection, self._loop = connection, loop
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()

    def submit(self, entry: Entry, done: _Done) -> None:
        self._queue.put((entry, done))

    @contextmanager
    def running(self) -> Iterator[None]:
        """The thread, which finishes what was submitted before it ends."""
        thread = threading.Thread(target=self._work, name="sandbox-journal")
        thread.start()
        try:
            yield
        finally:
            self._queue.put(None)
            thread.join()

    def _work(self) -> None:
        going = True
        while going:
            batch, going = self._batch()
            if batch:
                self._report(batch, self._keep([entry for entry, _ in batch]))

    def _batch(self) -> tuple[list[_Item], bool]:
        """What has piled up, at least one item; and whether to go on."""
        batch: list[_Item] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= _BATCH:
                return batch, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _keep(self, entries: list[Entry]) -> StorageError | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for entry in entries:
                if entry.encoded is None:
                    self._connection.execute(_DELETE, (entry.resource, *entry.key))
                else:
                    self._connection.execute(_UPSERT, (entry.version, entry.encoded, entry.resource, *entry.key))
            self._connection.execute("UPDATE counter SET version = ?", (entries[-1].version,))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            return StorageError(f"the write could not be kept: {error}")
        return None

    def _report(self, batch: list[_Item], error: StorageError | None) -> None:
        def on_loop() -> None:
            for _, done in batch:
                done(error)

        # The loop may be closed already; then nobody waits for the answer.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(on_loop)
