"""Changes as the kernel tells them: inotify watches on the directory of drivers and all beneath it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from asyncinotify import Event, Inotify, Mask

from plugins.flexvolume.changes import Change, executable_of, listed, make

log = structlog.get_logger()

_MASK: Final = (
    Mask.CREATE | Mask.MOVED_TO | Mask.MOVED_FROM | Mask.DELETE | Mask.MODIFY | Mask.ATTRIB | Mask.CLOSE_WRITE
    | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR | Mask.DONT_FOLLOW
)  # fmt: skip
_ARRIVED: Final = Mask.CREATE | Mask.MOVED_TO


class Watched:
    """Reads what the kernel has kept since the last time."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the system has no watches left."""
        self._folder = folder
        self._inotify = Inotify(cache_size=64, sync_timeout=0)
        try:
            self._watch(folder)
        except OSError:
            self._inotify.close()
            raise

    def read(self) -> dict[str, Change]:
        changes: dict[str, Change] = {}
        for event in self._inotify:
            if Mask.Q_OVERFLOW in event.mask:
                changes |= self._everything()
            elif event.watch is not None and event.watch.path == self._folder and event.name is None:
                changes |= self._return_root(event)
            elif change := self._change(event):
                changes[change[0]] = change[1]
        return changes

    def close(self) -> None:
        self._inotify.close()

    def _change(self, event: Event) -> tuple[str, Change] | None:
        path = event.path
        if path is None or event.name is None or event.name.name.startswith("."):
            return None
        directory, *below = path.relative_to(self._folder).parts
        if event.mask & _ARRIVED and Mask.ISDIR in event.mask:
            self._watch(path)
        if Mask.MOVED_FROM in event.mask and Mask.ISDIR in event.mask:
            self._forget(path)
        if Mask.DELETE in event.mask and below in ([], [executable_of(directory)]):
            return directory, Change.REMOVED
        return directory, Change.UPDATED

    def _watch(self, top: Path) -> None:
        """Watch the directory and those beneath it. What came to be in it before is looked at when it is loaded."""
        for folder in _directories(top):
            try:
                watch = self._inotify.add_watch(folder, _MASK)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone again: its going is an event, too
            watch.path = folder  # the kernel's watch stays with a directory that is moved; its name does not

    def _forget(self, top: Path) -> None:
        """What happens in a directory that was moved away is no matter of ours."""
        for watch in self._inotify.watches:
            if watch.path.is_relative_to(top):
                with suppress(OSError):  # gone already
                    self._inotify.rm_watch(watch)

    def _return_root(self, event: Event) -> dict[str, Change]:
        """The directory itself was removed: it is made again, and what was loaded from it stays loaded."""
        if not event.mask & (Mask.DELETE_SELF | Mask.MOVE_SELF):
            return {}
        self._forget(self._folder)
        make(self._folder)
        self._watch(self._folder)
        return dict.fromkeys(listed(self._folder), Change.UPDATED)

    def _everything(self) -> dict[str, Change]:
        """After the kernel had to drop events: all that is there may have changed."""
        log.warning("events were lost, loading all drivers anew", folder=str(self._folder))
        self._watch(self._folder)
        return dict.fromkeys(listed(self._folder), Change.UPDATED)


def _directories(top: Path) -> Iterator[Path]:
    if not top.is_symlink():
        yield from (Path(folder) for folder, _, _ in os.walk(top))
