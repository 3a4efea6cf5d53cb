"""hostPath: directories of a node, made beneath one root and removed only there or beneath `/tmp`.

The volume's name is the directory's, so that making it twice is making it once. For a pod nothing is mounted: it finds
the path itself, once that is what the source's `type` says. Rule: the in-tree plugin `kubernetes.io/host-path`, which
provisions for tests and single nodes.
"""

import os
import re
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from model.volumes import PersistentVolume
from plugins import folders
from plugins.blocking import Blocking
from plugins.errors import Failed, NotSupported
from plugins.host import checked_path
from plugins.placement import affinity_of
from plugins.protocol import Provisioned, ProvisionRequest
from plugins.recycling import scrub_seconds
from plugins.source import PodFacts, Source

NAME: Final = "kubernetes.io/host-path"
ROOT: Final = Path("/tmp/hostpath_pv")  # noqa: S108 - where the in-tree plugin makes them
DELETABLE: Final = Path("/tmp")  # noqa: S108 - the one place where the in-tree plugin deletes
CREATED_BY: Final = "kubernetes.io/createdby"
"""On volumes: who made the storage."""

_MODE: Final = 0o750
_LEAST_SCRUB_SECONDS: Final = 60
_VOLUME_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")


class HostPath:
    """Makes, deletes and recycles directories."""

    def __init__(self, root: Path = ROOT, *, deadline_seconds: float = 30.0) -> None:
        self._root = root
        self._blocking = Blocking(deadline_seconds)

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Make the directory, or find it made.

        Raises:
            NotSupported: the claim wants a block device.
            Exhausted: the class has no place on the chosen node, or the disk is full.
            Failed: the directory can not be made.
            InDoubt: the file system did not answer in time.
        """
        if request.volume_mode == "Block":
            raise NotSupported(f"{NAME} makes directories, no block devices")
        if _VOLUME_NAME.fullmatch(request.name) is None or ".." in request.name:
            raise Failed(f"{request.name!r} is no name of a volume")
        affinity = affinity_of(request)
        path = self._root / request.name
        await self._blocking.run(str(path), "making", partial(folders.make, self._root, request.name, _MODE))
        return Provisioned(
            source={"hostPath": {"path": str(path)}},
            size_bytes=request.size_bytes,
            node_affinity=affinity,
            annotations={CREATED_BY: "hostpath-dynamic-provisioner"},
        )

    async def delete(self, volume: PersistentVolume) -> None:
        """Remove the directory with all in it, neither through links nor into mounts.

        Raises:
            Failed: the path is none that may be removed, or removing failed.
            StillInUse: something is mounted in it.
            InDoubt: the file system did not answer in time.
        """
        path = volume.spec.host_path.path if volume.spec.host_path else ""
        root, way = self._deletable(path)
        await self._blocking.run(str(root / way), "removing", partial(folders.remove, root, way))

    def scrub_seconds(self, volume: PersistentVolume) -> int:
        """How long the pod that empties the volume may run."""
        return scrub_seconds(volume, _LEAST_SCRUB_SECONDS)

    def _deletable(self, path: str) -> tuple[Path, PurePosixPath]:
        """The root that the path is beneath, and the way down from it."""
        for root in (self._root, DELETABLE):
            way = folders.beneath(path, root)
            # A root of ours is never removed, nor what holds it.
            if way is not None and not self._root.is_relative_to(root / way):
                return root, way
        raise Failed(f"can not delete {path!r}: it is not beneath {self._root} or {DELETABLE}")


class _Fields(msgspec.Struct):
    path: str = ""
    type: str | None = None


class HostPathMounter:
    """Shows pods the paths of their node."""

    def __init__(self, *, deadline_seconds: float = 30.0) -> None:
        self._blocking = Blocking(deadline_seconds)

    async def mount(self, source: Source, pod: PodFacts) -> Path:
        """The path, once it is of the type that the source names; made where the type says so.

        Raises:
            Failed: it is something else, or not there.
            InDoubt: the file system did not answer in time.
        """
        del pod
        fields = source.fields(_Fields)
        path = checked_path(fields.path, "the hostPath")
        if fields.type:
            await self._blocking.run(str(path), "looking at", partial(_check_type, path, fields.type))
        return path

    async def unmount(self, name: str, pod_uid: str) -> None:
        """Nothing was mounted."""


_TYPES: Final[dict[str, Callable[[int], bool]]] = {
    "Directory": stat.S_ISDIR,
    "DirectoryOrCreate": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "FileOrCreate": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}


def _check_type(path: Path, kind: str) -> None:
    if kind not in _TYPES:
        raise Failed(f"{kind!r} is no type of a hostPath: expected one of {', '.join(_TYPES)}")
    with folders.explained(f"make {path}"):
        _make(path, kind)
    if not _TYPES[kind](_mode_of(path)):
        raise Failed(f"hostPath type check failed: {path} is not a {kind.removesuffix('OrCreate')}")


def _make(path: Path, kind: str) -> None:
    if kind == "DirectoryOrCreate" and not path.exists():
        path.mkdir(0o755, parents=True, exist_ok=True)
    if kind == "FileOrCreate" and not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _mode_of(path: Path) -> int:
    """0, which no type is, where there is nothing."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0
