"""The volumes' content: directories and sparse files beneath one folder, whole under their name or not there.

What takes time is made beside, under another name, and renamed when it is whole.
"""

import errno
import os
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from plugins import commands, folders
from plugins.blocking import Blocking
from plugins.commands import Limits
from plugins.csi.hostpath.store import Snapshot, Volume
from plugins.errors import Exhausted, Failed

COPY_SECONDS: Final = 3600.0
_MODE: Final = 0o777
"""For whatever user a pod's containers run as."""
_PART: Final = ".part"


class Content:
    """What is on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blocking = Blocking(COPY_SECONDS)

    def path(self, record: Volume | Snapshot) -> Path:
        """Where its content is."""
        return self._folder / self._way(record)

    async def make(self, volume: Volume, source: Volume | Snapshot | None) -> None:
        """Make it, empty or as a copy; what is there whole already stays.

        Raises:
            Exhausted: the disk is full.
        """
        if await self.exists(volume):
            return
        part = await self._cleared(volume)
        if source is not None:
            await self._copy(self.path(source), part)
        work = partial(_finish, part, self.path(volume), volume.size_bytes if volume.block else None)
        await self._blocking.run(volume.id, "making", work)

    async def copy(self, volume: Volume, snapshot: Snapshot) -> None:
        """Make the snapshot of the volume; what is there whole already stays.

        Raises:
            Exhausted: the disk is full.
        """
        if await self.exists(snapshot):
            return
        part = await self._cleared(snapshot)
        await self._copy(self.path(volume), part)
        await self._blocking.run(snapshot.id, "making", partial(_finish, part, self.path(snapshot), None))

    async def grow(self, volume: Volume, size_bytes: int) -> None:
        """Give a file its new size; a directory has none."""
        if volume.block:
            await self._blocking.run(volume.id, "growing", partial(_grow, self.path(volume), size_bytes))

    async def remove(self, record: Volume | Snapshot) -> None:
        """Remove all of it; what is gone already is a success.

        Raises:
            StillInUse: something is mounted in it.
        """
        for suffix in ("", _PART):
            way = PurePosixPath(f"{self._way(record)}{suffix}")
            await self._blocking.run(f"{record.id}{suffix}", "removing", partial(folders.remove, self._folder, way))

    async def exists(self, record: Volume | Snapshot) -> bool:
        """Whether it is there, whole."""
        return await self._blocking.run(record.id, "looking at", self.path(record).exists)

    def _way(self, record: Volume | Snapshot) -> PurePosixPath:
        kind = "volumes" if isinstance(record, Volume) else "snapshots"
        return PurePosixPath(kind, f"{record.id}.img" if record.block else record.id)

    async def _cleared(self, record: Volume | Snapshot) -> Path:
        """The name beside, with nothing there."""
        part = self.path(record).with_name(self.path(record).name + _PART)
        way = PurePosixPath(part.relative_to(self._folder))
        await self._blocking.run(record.id, "clearing", partial(_clear, self._folder, way))
        return part

    async def _copy(self, source: Path, target: Path) -> None:
        """With owners, modes and holes; links are copied as links."""
        flags = ("--archive", "--reflink=auto", "--sparse=always", "--no-target-directory", "--one-file-system")
        try:
            await commands.checked(("cp", *flags, "--", str(source), str(target)), Limits(seconds=COPY_SECONDS))
        except Failed as error:
            full = os.strerror(errno.ENOSPC) in str(error) or os.strerror(errno.EDQUOT) in str(error)
            raise (Exhausted(f"the disk is full: {error}") if full else error) from error
        await commands.checked(("sync", "--file-system", "--", str(target)), Limits(seconds=COPY_SECONDS))


def _clear(folder: Path, way: PurePosixPath) -> None:
    with folders.explained(f"make {folder / way.parent}"):
        (folder / way.parent).mkdir(0o700, parents=True, exist_ok=True)
    folders.remove(folder, way)


def _finish(part: Path, path: Path, image_bytes: int | None) -> None:
    """Give it its size and its name."""
    with folders.explained(f"make {path}"):
        if image_bytes is not None:
            _grow(part, image_bytes)
        elif not part.exists():
            part.mkdir()
            part.chmod(_MODE)
        part.rename(path)
        with folders.opened(path.parent) as parent:
            os.fsync(parent)


def _grow(path: Path, size_bytes: int) -> None:
    with folders.explained(f"grow {path}"), path.open("ab") as file:
        if file.tell() < size_bytes:
            file.truncate(size_bytes)
        os.fsync(file.fileno())
