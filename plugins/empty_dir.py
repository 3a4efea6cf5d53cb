"""emptyDir: room that a pod has to itself and that ends with it, on the node's disk or in memory.

Rule: the in-tree plugin `kubernetes.io/empty-dir`.
"""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from model import quantity
from plugins import folders
from plugins.blocking import Blocking
from plugins.errors import Failed, NotSupported
from plugins.host import Host
from plugins.source import PodFacts, Source

NAME: Final = "kubernetes.io/empty-dir"

_MODE: Final = 0o777
"""For whatever user the pod's containers run as."""


class _Fields(msgspec.Struct, rename="camel"):
    medium: str = ""
    size_limit: str | int | None = None


class EmptyDir:
    """Makes and removes the directories."""

    def __init__(self, host: Host, *, deadline_seconds: float = 120.0) -> None:
        self._host = host
        self._blocking = Blocking(deadline_seconds)

    async def mount(self, source: Source, pod: PodFacts) -> Path:
        """The directory, or a file system in memory; what is there already stays as it is.

        Raises:
            NotSupported: another medium.
            Failed: it can not be made.
        """
        fields = source.fields(_Fields)
        path = self._host.pod_path(NAME, pod.uid, source.name)
        if fields.medium not in {"", "Memory"}:
            raise NotSupported(f"volume {source.name!r}: medium {fields.medium!r} is not supported")
        await self._host.make_directory(path)
        if fields.medium == "Memory" and not await self._host.mounts.is_mount_point(path):
            await self._host.mounts.mount("tmpfs", path, "tmpfs", _options(fields))
        await self._blocking.run(str(path), "opening to all", partial(_open_to_all, path))
        if pod.fs_group is not None:
            await self._host.ownership.give(path, pod.fs_group, pod.fs_group_change_policy)
        return path

    async def unmount(self, name: str, pod_uid: str) -> None:
        """Remove it with all in it; what is gone already is a success.

        Raises:
            StillInUse: something else is mounted in it.
            Failed: it can not be removed.
        """
        path = self._host.pod_path(NAME, pod_uid, name)
        while await self._host.mounts.is_mount_point(path):
            await self._host.mounts.unmount(path)
        way = PurePosixPath(path.relative_to(self._host.root))
        await self._blocking.run(str(path), "removing", partial(folders.remove, self._host.root, way))


def _options(fields: _Fields) -> tuple[str, ...]:
    if fields.size_limit is None:
        return ()
    try:
        size = quantity.whole(str(fields.size_limit))
    except quantity.QuantityError as error:
        raise Failed(f"sizeLimit: {error}") from None
    return (f"size={size}",) if size > 0 else ()


def _open_to_all(path: Path) -> None:
    with folders.explained(f"open {path}"):
        if path.stat().st_mode & _MODE != _MODE:
            path.chmod(_MODE)
