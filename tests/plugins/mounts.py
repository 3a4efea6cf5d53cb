"""Mounts and ownership that only write down what they are asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plugins.errors import Failed


@dataclass
class RecordedMounts:
    """Actions in order; `fail_next` answers the next mount with a failure."""

    actions: list[list[Any]] = field(default_factory=list)
    mounted: list[Path] = field(default_factory=list)
    fail_next: bool = False

    async def mount(self, source: str, target: Path, fs_type: str, options: Sequence[str]) -> None:
        self._add(["mount", source, str(target), fs_type, list(options)], target)

    async def unmount(self, target: Path) -> None:
        self.actions.append(["unmount", str(target)])
        self.mounted.remove(target)

    async def is_mount_point(self, target: Path) -> bool:
        return target in self.mounted

    async def format_and_mount(self, source: str, target: Path, fs_type: str, *, read_only: bool) -> None:
        self._add(["format_and_mount", source, str(target), fs_type, "ro" if read_only else "rw"], target)

    async def grow(self, device: str, target: Path) -> None:
        self.actions.append(["grow", device, str(target)])

    def _add(self, action: list[Any], target: Path) -> None:
        assert target.exists(), "a mount point exists before the mount"
        self.actions.append(action)
        if self.fail_next:
            self.fail_next = False
            raise Failed("no such device")
        self.mounted.append(target)


@dataclass
class RecordedOwnership:
    """Walks that were asked for."""

    walks: list[dict[str, Any]] = field(default_factory=list)

    async def give(self, path: Path, gid: int, policy: str, *, read_only: bool = False) -> None:
        self.walks.append({"path": str(path), "gid": gid, "policy": policy})
