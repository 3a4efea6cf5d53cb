"""Local volumes: disks and directories that a node has, found by path.

A directory is bound into the pod; a block device gets a file system (ext4 unless said otherwise) and a mount of the
node's first, or is mapped as it is for volumeMode Block. Rule: the in-tree plugin `kubernetes.io/local-volume`.
"""

import asyncio
import stat
from functools import partial
from pathlib import Path
from typing import Final, Literal
from weakref import WeakValueDictionary

import msgspec
import structlog

from plugins import folders
from plugins.blocking import Blocking
from plugins.errors import Failed, NotSupported, PluginError
from plugins.host import Host, checked_path, escaped
from plugins.source import PodFacts, Source, path_part

log = structlog.get_logger()

NAME: Final = "kubernetes.io/local-volume"


class _Fields(msgspec.Struct, rename="camel"):
    path: str = ""
    fs_type: str = ""


class Local:
    """Mounts and maps the disks of this node."""

    def __init__(self, host: Host, *, deadline_seconds: float = 30.0) -> None:
        self._host = host
        self._blocking = Blocking(deadline_seconds)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._groups: dict[str, int] = {}

    def can_mount_device(self, source: Source) -> bool:
        """All that are to be file systems: whether there is something to mount shows when it is looked at."""
        return source.volume_mode != "Block"

    async def device_mount_path(self, source: Source) -> Path:
        """A directory itself, or where the block device's file system is mounted.

        Raises:
            Failed: the path is neither.
        """
        path, kind = await self._look_at(source)
        return path if kind == "directory" else self._mounts_folder / path_part(source.name)

    async def mount_device(self, source: Source, device: str, path: Path, fs_group: int | None = None) -> None:
        """Mount the block device's file system; a directory needs nothing.

        Raises:
            Failed: it is neither, or can not be formatted or mounted.
        """
        del device, fs_group
        async with self._lock(source.name):
            found, kind = await self._look_at(source)
            if kind == "directory" or await self._host.mounts.is_mount_point(path):
                return
            await self._host.make_directory(path)
            fs_type = source.fields(_Fields).fs_type
            await self._host.mounts.format_and_mount(str(found), path, fs_type, read_only=source.read_only)

    async def unmount_device(self, path: Path) -> None:
        """Unmount it where it is a mount of ours: a directory that an admin made is left alone.

        Raises:
            Failed: something holds it.
        """
        if path.is_relative_to(self._mounts_folder) and path != self._mounts_folder and ".." not in path.parts:
            async with self._lock(path.name):
                await self._host.release(path)

    async def mount(self, source: Source, pod: PodFacts) -> Path:
        """Bind it into the pod.

        Raises:
            Failed: it belongs to another node, is not mounted yet, or can not be bound.
        """
        self._check_node(source)
        path = self._host.pod_path(NAME, pod.uid, source.name)
        async with self._lock(source.name):
            if await self._host.mounts.is_mount_point(path):
                return path
            held = await self._device_mounted(source)
            await self._bind(held, path, source)
            await self._give(source, pod, path)
        return path

    async def unmount(self, name: str, pod_uid: str) -> None:
        """Take it out of the pod.

        Raises:
            Failed: something holds it.
        """
        await self._host.release(self._host.pod_path(NAME, pod_uid, name))

    async def map_device(self, source: Source, pod: PodFacts) -> Path:
        """Hold the device by a bind mount of the node's, and link to it from the pod's directory.

        Raises:
            Failed: it belongs to another node, is no block device, or can not be bound.
        """
        self._check_node(source)
        link = self._host.pod_device_path(NAME, pod.uid, source.name)
        held = self._maps_folder / path_part(source.name) / path_part(pod.uid)
        async with self._lock(source.name):
            found, kind = await self._look_at(source)
            if kind != "device":
                raise Failed(f"volume {source.name!r} asks for a block device, and {found} is none")
            if not await self._host.mounts.is_mount_point(held):
                await self._blocking.run(str(held), "making", partial(_make_file, held))
                await self._host.mounts.mount(str(found), held, "", ("bind",))
            await self._blocking.run(str(link), "linking", partial(folders.link, link, found))
        return link

    async def unmap_device(self, name: str, pod_uid: str) -> None:
        """Let go of the device.

        Raises:
            Failed: something holds it.
        """
        link = self._host.pod_device_path(NAME, pod_uid, name)
        held = self._maps_folder / path_part(name) / path_part(pod_uid)
        async with self._lock(name):
            await self._blocking.run(str(link), "unlinking", partial(_unlink, link))
            while await self._host.mounts.is_mount_point(held):
                await self._host.mounts.unmount(held)
            await self._blocking.run(str(held), "removing", partial(_unlink, held))

    async def expand_on_node(self, source: Source, device: str, path: Path, new_bytes: int, old_bytes: int) -> None:
        """Grow the file system to what the device has; a directory has no size of its own.

        Raises:
            NotSupported: the file system does not grow while it is mounted.
            Failed: it did not grow.
        """
        del device, new_bytes, old_bytes
        found, kind = await self._look_at(source)
        if kind == "device" and source.volume_mode != "Block":
            await self._host.mounts.grow(str(found), path)

    @property
    def _mounts_folder(self) -> Path:
        return self._host.root / "plugins" / NAME / "mounts"

    @property
    def _maps_folder(self) -> Path:
        return self._host.root / "plugins" / escaped(NAME) / "volumeDevices"

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _check_node(self, source: Source) -> None:
        affinity = source.node_affinity
        if affinity is None or not affinity.matches_labels(self._host.labels):
            raise Failed(f"the node affinity of local volume {source.name!r} does not hold for this node")

    async def _look_at(self, source: Source) -> tuple[Path, Literal["directory", "device"]]:
        if not source.persistent:
            raise NotSupported("a pod can not name a local path itself: that takes a PersistentVolume")
        path = checked_path(source.fields(_Fields).path, "the local path")
        return path, await self._blocking.run(str(path), "looking at", partial(_kind, path))

    async def _device_mounted(self, source: Source) -> Path:
        held = await self.device_mount_path(source)
        ours = held.is_relative_to(self._mounts_folder)
        if ours and not await self._host.mounts.is_mount_point(held):
            raise Failed(f"the device of local volume {source.name!r} is not mounted yet")
        return held

    async def _bind(self, held: Path, path: Path, source: Source) -> None:
        await self._host.make_directory(path)
        options = ("bind", *(("ro",) if source.read_only else ()), *source.mount_options)
        try:
            await self._host.mounts.mount(str(held), path, "", tuple(dict.fromkeys(options)))
        except PluginError:
            await self._host.release(path)
            raise

    async def _give(self, source: Source, pod: PodFacts, path: Path) -> None:
        """To the first pod's group; another pod that is there may rely on it."""
        if pod.fs_group is None or source.read_only:
            return
        if await self._others(path):
            if self._groups.get(source.name) != pod.fs_group:
                log.warning("volume keeps the group of its first pod", volume=source.name, pod=pod.name)
            return
        await self._host.ownership.give(path, pod.fs_group, pod.fs_group_change_policy)
        self._groups[source.name] = pod.fs_group

    async def _others(self, path: Path) -> bool:
        """Whether another pod has the volume mounted now."""
        for pod in await self._blocking.run("pods", "listing", partial(_names_in, self._host.root / "pods")):
            other = self._host.pod_path(NAME, pod, path.name)
            if other != path and await self._host.mounts.is_mount_point(other):
                return True
        return False


def _kind(path: Path) -> Literal["directory", "device"]:
    with folders.explained(f"look at {path}"):
        mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISBLK(mode):
        return "device"
    raise Failed(f"{path} is neither a directory nor a block device")


def _names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


def _make_file(path: Path) -> None:
    with folders.explained(f"make {path}"):
        path.parent.mkdir(0o750, parents=True, exist_ok=True)
        path.touch(0o750)


def _unlink(path: Path) -> None:
    with folders.explained(f"remove {path}"):
        path.unlink(missing_ok=True)
