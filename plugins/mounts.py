"""Mounts: what a plugin asks of the node it runs on, and how Linux does it.

Paths are taken as they are: whoever mounts for a pod makes them of checked parts beneath its own root. Asking what is
mounted never touches the mounted file system, which may hang.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from plugins import commands, filesystems
from plugins.blocking import Blocking
from plugins.commands import Limits
from plugins.errors import Failed, InDoubt


class Mounts(Protocol):
    """What plugins mount with."""

    async def mount(self, source: str, target: Path, fs_type: str, options: Sequence[str]) -> None:
        """Mount the source on an existing target; "" or "auto" leaves the file system to be found."""

    async def unmount(self, target: Path) -> None:
        """Unmount what is uppermost on the target."""

    async def is_mount_point(self, target: Path) -> bool:
        """Whether something is mounted there, also where it no longer answers."""

    async def format_and_mount(self, source: str, target: Path, fs_type: str, *, read_only: bool) -> None:
        """Mount a device, and make a file system on it first where it is blank and may be written."""

    async def grow(self, device: str, target: Path) -> None:
        """Grow the mounted file system to all of its device."""


@dataclass(frozen=True)
class Entry:
    """One line of the system's table of mounts."""

    device: str
    """major:minor."""
    root: str
    """The directory of the file system that is mounted."""
    target: str
    fs_type: str


class LinuxMounts:
    """Mounts by mount(8), umount(8) and the kernel's own table."""

    def __init__(self, *, deadline_seconds: float = 120.0, force_after_seconds: float = 60.0) -> None:
        self._limits = Limits(seconds=deadline_seconds)
        self._unmount_limits = Limits(seconds=force_after_seconds)
        self._blocking = Blocking(deadline_seconds)

    async def mount(self, source: str, target: Path, fs_type: str, options: Sequence[str]) -> None:
        kind = ("-t", fs_type) if fs_type else ()
        how = ("-o", ",".join(options)) if options else ()
        await commands.checked(("mount", *kind, *how, "--", source, str(target)), self._limits)
        if "bind" in options and "ro" in options:
            # The kernel does not take `ro` together with `bind`: it would be writable without this.
            remount = ",".join(dict.fromkeys(("remount", "bind", *options)))
            await commands.checked(("mount", "-o", remount, "--", str(target)), self._limits)

    async def unmount(self, target: Path) -> None:
        try:
            await commands.checked(("umount", "--", str(target)), self._unmount_limits)
        except InDoubt:  # a server that is gone: only force ends the wait
            await commands.checked(("umount", "--force", "--", str(target)), self._unmount_limits)

    async def is_mount_point(self, target: Path) -> bool:
        return await self._blocking.run(str(target), "looking for mounts at", partial(_is_mount_point, target))

    async def format_and_mount(self, source: str, target: Path, fs_type: str, *, read_only: bool) -> None:
        found = await filesystems.kind_of(source, self._limits)
        await filesystems.prepare(source, found, fs_type, read_only=read_only, limits=self._limits)
        try:
            await self.mount(source, target, fs_type or filesystems.DEFAULT, ("ro" if read_only else "rw", "defaults"))
        except Failed as error:
            if found and fs_type and found != fs_type:
                raise Failed(f"{source} holds {found}, not the {fs_type} that was asked for: {error}") from error
            raise

    async def grow(self, device: str, target: Path) -> None:
        await filesystems.grow(device, str(target), self._limits)


def _is_mount_point(target: Path) -> bool:
    """By the table, with the links on the way to the target resolved, but the target left alone."""
    wanted = str(target.parent.resolve() / target.name)
    return any(entry.target == wanted for entry in read_table())


def read_table(text: str | None = None) -> list[Entry]:
    """The kernel's table, or one given: all mounts, the later ones upon the earlier."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape") if text is None else text
    return [entry for entry in map(_entry, text.splitlines()) if entry]


def _entry(line: str) -> Entry | None:
    left, _, right = line.partition(" - ")
    fields, kind = left.split(" "), right.split(" ")[0]
    return Entry(fields[2], _unescape(fields[3]), _unescape(fields[4]), kind) if len(fields) >= 6 else None


def _unescape(text: str) -> str:
    """Spaces and their like stand as octal numbers of bytes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
