"""Which files may be run: those that nobody but their owner can change, the owner being root or ourselves.

Others who could write to a driver, or exchange a directory on the way to it, would run whatever they like with our
rights.
"""

import os
import stat
from pathlib import Path

from plugins import folders
from plugins.errors import Failed


def check(path: Path) -> None:
    """Look at the file that the path leads to, and at every directory above it.

    Raises:
        Failed: it is no executable file, or others can change it; says which part.
    """
    with folders.explained(f"run {path}"):
        real = path.resolve(strict=True)
        if not real.is_file() or not os.access(real, os.X_OK):
            raise Failed(f"can not run {path}: it is no executable file")
        for part in (real, *real.parents, *path.parents):
            _check_part(part, part.stat())


def _check_part(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in {0, os.geteuid()}:
        raise Failed(f"can not run what others can change: {path} belongs to user {found.st_uid}")
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    # In a sticky directory, like /tmp, others can add but not exchange.
    if others and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
        raise Failed(f"can not run what others can change: {path} is writable by group or others")
