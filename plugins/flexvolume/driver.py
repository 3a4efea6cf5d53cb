"""A loaded driver: the whole contract, with what is done where a driver says that it does not support a call.

What is not supported is remembered for as long as the driver is loaded, and the executable is not asked again. The
names that a driver gives volumes are never used; only that it fails to name one counts.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from plugins.blocking import Blocking
from plugins.errors import Failed, NotSupported, PluginError
from plugins.flexvolume import options
from plugins.flexvolume.answer import Answer, Capabilities
from plugins.flexvolume.call import Executable
from plugins.host import Host
from plugins.protocol import Expanded
from plugins.source import PodFacts, Source, path_part

PLUGIN: Final = "kubernetes.io/flexvolume"
INIT_SECONDS: Final = 60.0


class Driver:
    """One driver. Without a host it serves a controller, which mounts nothing."""

    def __init__(self, name: str, executable: Executable, capabilities: Capabilities, host: Host | None) -> None:
        self.name = name
        self.executable = executable
        self.capabilities = capabilities
        self._host = host
        self._unsupported: set[str] = set()
        self._blocking = Blocking(60.0)

    async def unique_name(self, source: Source) -> str:
        """The volume's name among those of all plugins."""
        await self._call("getvolumename", self._options(source))
        return f"{self.name}/{source.name}"

    def can_attach(self, source: Source) -> bool:
        del source
        return self.capabilities.attach

    async def attach(self, source: Source, node: str) -> str:
        self._check_attachable("attach")
        answer = await self._call("attach", self._options(source), node)
        return answer.device if answer else ""

    async def detach(self, volume_name: str, node: str) -> None:
        self._check_attachable("detach")
        await self._call("detach", volume_name, node)

    async def attached(self, sources: Sequence[Source], node: str) -> Mapping[str, bool] | None:
        self._check_attachable("isattached")
        found = {}
        for source in sources:
            answer = await self._call("isattached", self._options(source), node)
            if answer is None:
                return None
            found[source.name] = answer.attached
        return found

    async def wait_for_attach(self, source: Source, device: str, timeout_seconds: float) -> str:
        self._check_attachable("waitforattach")
        answer = await self._call("waitforattach", device, self._options(source), seconds=timeout_seconds)
        return answer.device if answer else device

    def can_mount_device(self, source: Source) -> bool:
        del source
        return self.capabilities.attach

    async def device_mount_path(self, source: Source) -> Path:
        await self._call("getvolumename", self._options(source))
        return self._on_node.root / "plugins" / PLUGIN / self._mount_directory(source)

    async def mount_device(self, source: Source, device: str, path: Path, fs_group: int | None = None) -> None:
        """Mount it, or make a file system on a blank device and mount that. A path that was made is left on failure."""
        del fs_group
        self._check_attachable("mountdevice")
        host = self._on_node
        await host.make_directory(path)
        if await host.mounts.is_mount_point(path):
            return
        answer = await self._call("mountdevice", str(path), device, self._options(source))
        if answer is None and device:
            fs_type = source.fields(options.Fields).fs_type
            await host.mounts.format_and_mount(device, path, fs_type, read_only=source.read_only)

    async def unmount_device(self, path: Path) -> None:
        host = self._on_node
        if not await self._exists(path):
            return
        if await host.mounts.is_mount_point(path):
            answer = await self._call("unmountdevice", str(path))
            if answer is None:
                await host.release(path)
        await host.remove_directory(path)

    async def mount(self, source: Source, pod: PodFacts) -> Path:
        """Mount it for the pod; where the driver has no mount of its own, bind the node's."""
        host = self._on_node
        if source.mount_options:
            raise Failed(f"volume {source.name!r} has mount options, which FlexVolume drivers do not take")
        path = host.pod_path(self.name, pod.uid, source.name)
        await host.make_directory(path)
        if await host.mounts.is_mount_point(path):
            return path
        try:
            await self._mount(source, pod, path)
        except PluginError:
            with suppress(PluginError):  # the mount's failure is what counts
                await host.remove_directory(path)
            raise
        if pod.fs_group is not None and self.capabilities.fs_group and not source.read_only:
            with suppress(PluginError):  # the contract asks for a mounted volume, not for a changed one
                await host.ownership.give(path, pod.fs_group, pod.fs_group_change_policy)
        return path

    async def unmount(self, name: str, pod_uid: str) -> None:
        """Unmount it; the driver is asked wherever there is a directory, mounted or not."""
        host = self._on_node
        path = host.pod_path(self.name, pod_uid, name)
        if not await self._exists(path):
            return
        answer = await self._call("unmount", str(path))
        await (host.release(path) if answer is None else host.remove_directory(path))

    async def expand(self, source: Source, new_bytes: int, old_bytes: int) -> Expanded:
        """Grow it. A controller has no mounts: drivers are given a relative path that they must not rely on."""
        argument = self._options(source)
        await self._call("getvolumename", argument)
        where = str(self._mount_directory(source))
        await self._call("expandvolume", argument, where, str(new_bytes), str(old_bytes))
        return Expanded(new_bytes, self.capabilities.requires_fs_resize)

    async def expand_on_node(self, source: Source, device: str, path: Path, new_bytes: int, old_bytes: int) -> None:
        """Grow its file system; a block volume needs nothing."""
        if not source.persistent:
            raise Failed(f"volume {source.name!r} is no PersistentVolume, and does not grow")
        sizes = (str(new_bytes), str(old_bytes))
        answer = await self._call("expandfs", self._options(source), device, str(path), *sizes)
        if answer is None and source.volume_mode != "Block":
            await self._on_node.mounts.grow(device, path)

    async def _mount(self, source: Source, pod: PodFacts, path: Path) -> None:
        host = self._on_node
        secret = await options.secret_of(source, pod, host.secrets)
        argument = options.to_argument(options.for_mount(source, pod, secret))
        if await self._call("mount", str(path), argument) is None:
            held = await self.device_mount_path(source)
            await host.mounts.mount(str(held), path, "auto", ("bind",))

    async def _call(self, name: str, *arguments: str, seconds: float | None = None) -> Answer | None:
        """The driver's answer; None where it does not support the call."""
        if name in self._unsupported:
            return None
        try:
            return await self.executable.call(name, *arguments, seconds=seconds)
        except NotSupported:
            self._unsupported.add(name)
            return None

    def _check_attachable(self, name: str) -> None:
        if not self.capabilities.attach:
            raise NotSupported(f"driver {self.name} does not attach: {name} is never called")

    @property
    def _on_node(self) -> Host:
        if self._host is None:
            raise NotSupported(f"driver {self.name} is loaded for a controller, and mounts nothing")
        return self._host

    def _options(self, source: Source) -> str:
        return options.to_argument(options.for_call(source))

    def _mount_directory(self, source: Source) -> PurePosixPath:
        return PurePosixPath(self.name, "mounts", path_part(source.name))

    async def _exists(self, path: Path) -> bool:
        return await self._blocking.run(str(path), "looking at", partial(_exists, path))


class Missing:
    """Stands in for a driver that is not installed with the controller: growing is then all the node's."""

    async def expand(self, source: Source, new_bytes: int, old_bytes: int) -> Expanded:
        del source, old_bytes
        await asyncio.sleep(0)
        return Expanded(new_bytes, node_expansion_required=True)


async def load(name: str, executable: Executable, host: Host | None) -> Driver:
    """A driver, once it has said what it can do.

    Raises:
        Failed: it must not be run, or does not want to be loaded.
        InDoubt: it did not answer.
    """
    answer = await executable.call("init", seconds=min(INIT_SECONDS, executable.limits.seconds))
    return Driver(name, executable, answer.capabilities, host)


def _exists(path: Path) -> bool:
    """Whether there is anything, also where it does not answer any more."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
