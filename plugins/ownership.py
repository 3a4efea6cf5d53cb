"""Giving the files of a volume to a pod's group (`fsGroup`).

Children before their directory, and the top last, so that a walk that was cut short is made again. Rule: kubelet's
SetVolumeOwnership; links are not followed, and one file that can not be changed does not stop the walk.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from plugins import folders
from plugins.errors import Failed

ON_ROOT_MISMATCH: Final = "OnRootMismatch"

_WRITABLE: Final = 0o660
_READABLE: Final = 0o440
_DIRECTORY: Final = stat.S_ISGID | 0o110


def give(path: Path, gid: int, policy: str, *, read_only: bool = False) -> None:
    """Give all beneath the path, and the path, to the group.

    Raises:
        Failed: the path can not be opened or walked.
    """
    mask = _READABLE if read_only else _WRITABLE
    with folders.explained(f"give {path} to group {gid}"), folders.opened(path) as top:
        if policy == ON_ROOT_MISMATCH and _fits(os.fstat(top), gid, mask):
            return
        try:
            _change_all(top, gid, mask)
        except RecursionError:
            raise Failed(f"can not give {path} to group {gid}: its directories are nested too deep") from None


def _change_all(top: int, gid: int, mask: int) -> None:
    for _, names, files, folder in _walk(top):
        for name in (*files, *_links(names, folder)):
            _change(name, folder, gid, mask)
        _change_open(folder, gid, mask)


def _fits(found: os.stat_result, gid: int, mask: int) -> bool:
    wanted = mask | _DIRECTORY
    return found.st_gid == gid and found.st_mode & wanted == wanted


def _walk(top: int) -> Iterator[tuple[str, list[str], list[str], int]]:
    """Depth first, by descriptors: nothing that becomes a link in between leads out."""
    return os.fwalk(".", topdown=False, follow_symlinks=False, dir_fd=top)


def _links(names: list[str], folder: int) -> list[str]:
    """Links to directories stand among the directories, but are not walked."""
    return [name for name in names if _is_link(name, folder)]


def _is_link(name: str, folder: int) -> bool:
    with suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return False


def _change(name: str, folder: int, gid: int, mask: int) -> None:
    """A file that is no directory."""
    with suppress(OSError):
        os.chown(name, -1, gid, dir_fd=folder, follow_symlinks=False)
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            _change_mode(name, folder, mask)


def _change_mode(name: str, folder: int, mask: int) -> None:
    """By descriptor, as changing a mode by name would follow a link that takes the file's place."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | mask)
    finally:
        os.close(descriptor)


def _change_open(folder: int, gid: int, mask: int) -> None:
    with suppress(OSError):
        os.fchown(folder, -1, gid)
        os.fchmod(folder, stat.S_IMODE(os.fstat(folder).st_mode) | mask | _DIRECTORY)
