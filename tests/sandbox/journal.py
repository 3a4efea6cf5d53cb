"""A journal that keeps nothing until it is told to, and fails when it is told to."""

from collections.abc import Callable

from sandbox.store import Entry, StorageError


class HeldJournal:
    """Entries in order of submission; `settle` reports the oldest."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []
        self._held: list[tuple[Entry, Callable[[BaseException | None], None]]] = []

    def submit(self, entry: Entry, done: Callable[[BaseException | None], None]) -> None:
        self._held.append((entry, done))

    def settle(self, *, fails: bool = False) -> bool:
        """Report the oldest entry as kept, or not; whether there was one."""
        if not self._held:
            return False
        entry, done = self._held.pop(0)
        if fails:
            done(StorageError("the disk is full"))
        else:
            self.kept.append(entry)
            done(None)
        return True
