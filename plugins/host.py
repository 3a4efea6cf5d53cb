"""What a node gives its plugins: its directories, mounts, ownership and secrets.

Layout beneath the root: the kubelet's, as drivers and other programs on the node know it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from plugins import folders, ownership
from plugins.blocking import Blocking
from plugins.errors import Failed
from plugins.mounts import Mounts
from plugins.source import path_part

DIRECTORY_MODE: Final = 0o750
"""Of directories for mounts."""


@dataclass(frozen=True)
class Secret:
    """A secret's type and values; prints none of them."""

    type: str
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)


class Secrets(Protocol):
    """Reads secrets by name."""

    async def secret(self, namespace: str, name: str) -> Secret | None:
        """The secret, or None where there is none."""


class NoSecrets:
    """Has none."""

    async def secret(self, namespace: str, name: str) -> Secret | None:
        del namespace, name
        return None


class Ownership(Protocol):
    """Gives the files of a volume to a group."""

    async def give(self, path: Path, gid: int, policy: str, *, read_only: bool = False) -> None:
        """Walk the volume, unless the policy allows to leave it."""


class Walk:
    """Ownership by walking the files of this machine."""

    def __init__(self, deadline_seconds: float = 600.0) -> None:
        self._blocking = Blocking(deadline_seconds)

    async def give(self, path: Path, gid: int, policy: str, *, read_only: bool = False) -> None:
        await self._blocking.run(
            str(path), "giving to the group", lambda: ownership.give(path, gid, policy, read_only=read_only)
        )


@dataclass(frozen=True)
class Host:
    """One node, as its plugins see it."""

    root: Path
    mounts: Mounts
    secrets: Secrets = field(default_factory=NoSecrets)
    ownership: Ownership = field(default_factory=Walk)
    node: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def pod_path(self, plugin: str, pod_uid: str, name: str) -> Path:
        """Where a pod's volume is mounted.

        Raises:
            Failed: a name would lead elsewhere.
        """
        return self.root / "pods" / path_part(pod_uid) / "volumes" / escaped(plugin) / path_part(name)

    def pod_device_path(self, plugin: str, pod_uid: str, name: str) -> Path:
        """Where the link to a pod's block device is.

        Raises:
            Failed: a name would lead elsewhere.
        """
        return self.root / "pods" / path_part(pod_uid) / "volumeDevices" / escaped(plugin) / path_part(name)

    async def make_directory(self, path: Path) -> None:
        """A directory for a mount, with what leads to it; one that is there already is a success."""
        with folders.explained(f"make {path}"):
            await asyncio.to_thread(path.mkdir, DIRECTORY_MODE, parents=True, exist_ok=True)

    async def remove_directory(self, path: Path) -> None:
        """The directory of a mount, once it is empty; what is gone already is a success.

        Raises:
            Failed: it is not empty: what is in it is never removed here.
        """
        with folders.explained(f"remove {path}"):
            await asyncio.to_thread(_remove_directory, path)

    async def release(self, path: Path) -> None:
        """Unmount, where something is mounted, and remove the directory."""
        while await self.mounts.is_mount_point(path):
            await self.mounts.unmount(path)
        await self.remove_directory(path)


def escaped(plugin: str) -> str:
    """The plugin's name as a part of a path."""
    return path_part(plugin.replace("/", "~"))


def checked_path(path: str, what: str) -> Path:
    """An absolute path of the node that goes nowhere up.

    Raises:
        Failed: it is none.
    """
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise Failed(f"{what} {path!r} must be absolute and hold no '..'")
    return Path(path)


def _remove_directory(path: Path) -> None:
    try:
        path.rmdir()
    except FileNotFoundError:
        return
