"""Directories beneath a root that others may write into: no link is followed, no mount is crossed.

Every step is taken from the descriptor of the directory before it, so that nothing which is exchanged for a link in
between leads out of the root. The root itself is the operator's; the way to it may hold links, it is none itself.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final

from plugins.errors import Exhausted, Failed, PluginError, StillInUse

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_NOT_EMPTY: Final = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)
_IN_USE: Final = (errno.EBUSY, errno.ETXTBSY)


def beneath(path: str, root: Path) -> PurePosixPath | None:
    """The way from the root down to the path; None where it is not beneath. Looks at the words alone."""
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or "\0" in path or not pure.is_relative_to(root):
        return None
    relative = pure.relative_to(root)
    return relative if relative.parts else None


def make(root: Path, name: str, mode: int) -> Path:
    """A directory of that name directly beneath the root, made or found made; on disk when this returns.

    Raises:
        Exhausted: the file system is full.
        Failed: it can not be made, or something else has the name.
    """
    with explained(f"make {root / name}"):
        root.mkdir(parents=True, exist_ok=True)
        with opened(root) as top:
            _check_owner(top, root)
            with suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=top)
            with opened(name, top) as folder:
                os.fsync(folder)
            os.fsync(top)
    return root / name


def _check_owner(descriptor: int, path: Path) -> None:
    """Where everybody may make directories, somebody else may have made this one to have what is put there."""
    owner = os.fstat(descriptor).st_uid
    if owner not in {0, os.geteuid()}:
        raise Failed(f"can not make volumes in {path}: it belongs to user {owner}")


def remove(root: Path, way: PurePosixPath) -> None:
    """Remove what the way leads to from the root, with all in it; what is gone already is a success.

    Raises:
        StillInUse: something is mounted in it.
        Failed: it can not be removed, or a link stands in the way.
    """
    with explained(f"remove {root / way}"), suppress(FileNotFoundError), _parent(root, way) as parent:
        if not _unlinked(way.name, parent):
            with opened(way.name, parent) as folder:
                _check_mount(folder, parent, str(root / way))
                _empty(folder, str(root / way))
            os.rmdir(way.name, dir_fd=parent)
        os.fsync(parent)


def empty(root: Path, way: PurePosixPath) -> None:
    """Remove all that is in the directory, but not the directory.

    Raises:
        StillInUse: something is mounted in it.
        Failed: it is no directory, can not be emptied, or a link stands in the way.
    """
    with explained(f"empty {root / way}"), _parent(root, way) as parent, opened(way.name, parent) as folder:
        _empty(folder, str(root / way))


def link(path: Path, target: Path) -> None:
    """A link at the path, with the directories that lead there, in one step; one that is there is replaced."""
    with explained(f"make {path}"):
        path.parent.mkdir(0o750, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        beside.unlink(missing_ok=True)
        beside.symlink_to(target)
        beside.replace(path)


@contextmanager
def opened(path: str | Path, parent: int | None = None) -> Iterator[int]:
    """A descriptor of a directory that is no link."""
    descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the operating system answers into how a plugin's call ends."""
    try:
        yield
    except PluginError:
        raise
    except OSError as error:
        raise _kind(error)(f"can not {what}: {_why(error)}") from error


def _kind(error: OSError) -> type[Failed]:
    if error.errno in _FULL:
        return Exhausted
    return StillInUse if error.errno in _IN_USE else Failed


def _why(error: OSError) -> str:
    link = error.errno in {errno.ELOOP, errno.ENOTDIR}
    return f"{error.filename!r} is no directory, or is a link" if link else (error.strerror or str(error))


@contextmanager
def _parent(root: Path, way: PurePosixPath) -> Iterator[int]:
    """A descriptor of the directory that the last part of the way is in."""
    descriptor = os.open(root, _DIRECTORY)
    try:
        for part in way.parts[:-1]:
            below = os.open(part, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _empty(folder: int, what: str) -> None:
    """Remove all in a directory, however deep: subdirectories are moved up before they are emptied in turn.

    So the depth of a hostile tree costs neither stack nor descriptors, and what a crash leaves is removed next time.
    """
    while entries := os.listdir(folder):
        for name in entries:
            if _unlinked(name, folder):
                continue
            with opened(name, folder) as below:
                _check_mount(below, folder, f"{what}/{name}")
                _raise_directories(below, folder)
            _remove_empty(name, folder)


def _remove_empty(name: str, folder: int) -> None:
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NOT_EMPTY:  # somebody still writes into it: the next round takes that
            raise


def _raise_directories(below: int, folder: int) -> None:
    for name in os.listdir(below):
        if not _unlinked(name, below):
            os.rename(name, f".removed-{secrets.token_hex(8)}", src_dir_fd=below, dst_dir_fd=folder)


def _unlinked(name: str, folder: int) -> bool:
    """Whether it was no directory, and is gone now."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return False
        os.unlink(name, dir_fd=folder)
    return True


def _check_mount(folder: int, parent: int, what: str) -> None:
    if _mount_of(folder) != _mount_of(parent):
        raise StillInUse(f"can not remove {what}: something is mounted there")


def _mount_of(descriptor: int) -> str:
    """What tells mounts apart: also bind mounts, where the system says so, else devices."""
    info = Path(f"/proc/self/fdinfo/{descriptor}")
    lines = info.read_text(encoding="ascii").splitlines() if info.exists() else []
    device = str(os.fstat(descriptor).st_dev)
    return next((line for line in lines if line.startswith("mnt_id:")), device)
