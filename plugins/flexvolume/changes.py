"""What has changed in a directory of drivers since it was last asked, by the name of the driver's directory.

Nothing runs in between: the kernel keeps what happened until it is read, and where it can not (another system, no
watches left) the directory is compared with what it was.
"""

import os
import stat
import sys
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

import structlog

log = structlog.get_logger()

_DEPTH: Final = 3
"""How far down a driver's own directories are looked at when comparing."""


class Change(Enum):
    """What became of a driver's directory. The last of several counts."""

    UPDATED = auto()
    """It is to be loaded anew."""
    REMOVED = auto()
    """Its executable, or all of it, was removed."""


class Changes(Protocol):
    """A source of changes; its calls block for a moment, and are made one at a time."""

    def read(self) -> dict[str, Change]:
        """What has changed since the last call."""

    def close(self) -> None:
        """Let go of what the system keeps for it."""


def executable_of(directory: str) -> str:
    """The name of the executable in a driver's directory: what follows the last tilde."""
    return directory.rpartition("~")[2]


def follow(folder: Path, *, polling: bool = False) -> Changes:
    """The changes of a directory from now on; it is made where it is missing."""
    make(folder)
    if sys.platform == "linux" and not polling:
        from plugins.flexvolume.inotify import Watched  # noqa: PLC0415 - its library is of Linux alone

        try:
            return Watched(folder)
        except OSError as error:
            log.warning("can not watch, comparing instead", folder=str(folder), error=str(error))
    return Compared(folder)


def make(folder: Path) -> None:
    folder.mkdir(0o755, parents=True, exist_ok=True)


def listed(folder: Path) -> list[str]:
    """The directories of drivers: real ones, whose name has no dot in front."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if not name.startswith("."))


Signature = tuple[tuple[str, int, int, int, int], ...]


class Compared:
    """Changes by comparison: also what came and went in between shows, as long as a time or size differs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = self._look()

    def read(self) -> dict[str, Change]:
        make(self._folder)
        known, self._known = self._known, self._look()
        changes = {}
        for name in known.keys() | self._known.keys():
            if known.get(name) != self._known.get(name):
                changes[name] = Change.UPDATED if self._has_executable(name) else Change.REMOVED
        return changes

    def close(self) -> None:
        self._known = {}

    def _look(self) -> dict[str, Signature]:
        return {name: tuple(_signature(self._folder / name, "", _DEPTH)) for name in listed(self._folder)}

    def _has_executable(self, name: str) -> bool:
        return any(entry[0] == executable_of(name) for entry in self._known.get(name, ()))


def _signature(top: Path, below: str, depth: int) -> list[tuple[str, int, int, int, int]]:
    """What tells one state of a driver's directory from another."""
    try:
        with os.scandir(top / below) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
            stats = [(entry.name, entry.stat(follow_symlinks=False)) for entry in found if entry.name[0] != "."]
    except OSError:
        return []  # it went away meanwhile: the next look tells
    signature = []
    for name, found_stat in stats:
        path = f"{below}/{name}".lstrip("/")
        signature.append((path, found_stat.st_ino, found_stat.st_mtime_ns, found_stat.st_size, found_stat.st_mode))
        if stat.S_ISDIR(found_stat.st_mode) and depth:
            signature += _signature(top, path, depth - 1)
    return signature
