"""A set of files in a folder: links into a hidden folder that is exchanged in one step, so readers see one set.

A crash at any moment leaves the old set or the new one. Keys are readable by their owner alone.
"""

import asyncio
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from certs.errors import ConflictError, StoreError
from certs.store import MAX_BYTES, Stored

CURRENT: Final = "..data"
"""The link that says which set counts; every file is reached through it. Kubelet's volumes are laid out so."""


class FolderStore:
    """A store in a folder of its own; links to its files have their plain names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def load(self) -> Stored:
        return await asyncio.to_thread(self._load)

    async def save(self, files: Mapping[str, bytes], version: str) -> None:
        await asyncio.to_thread(self._save, files, version)

    def _load(self) -> Stored:
        if not self._folder.is_dir():
            return Stored({})
        with _explained(self._folder), _locked(self._folder, fcntl.LOCK_SH):
            version = _target(self._folder / CURRENT)
            if not version:
                return Stored({})
            return Stored({each.name: _read(each) for each in sorted((self._folder / version).iterdir())}, version)

    def _save(self, files: Mapping[str, bytes], version: str) -> None:
        with _explained(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._folder, fcntl.LOCK_EX):
                if _target(self._folder / CURRENT) != version:
                    raise ConflictError(f"{self._folder} was changed by another process: read it again")
                self._check_way(files)
                self._tidy(keep=version, names=set(files) | set(self._names(version)))
                self._exchange(files)

    def _exchange(self, files: Mapping[str, bytes]) -> None:
        fresh = f"..{secrets.token_hex(8)}"
        _write_set(self._folder / fresh, files)
        for name in files:
            # A new name's link leads nowhere before the exchange, and to its file after it.
            _link(self._folder / name, f"{CURRENT}/{name}")
        _link(self._folder / CURRENT, fresh)
        _sync(self._folder)
        with suppress(OSError):  # the new set counts; what is left of the old one the next write removes
            self._tidy(keep=fresh, names=set(files))

    def _check_way(self, files: Mapping[str, bytes]) -> None:
        for path in (self._folder / name for name in files):
            if os.path.lexists(path) and _target(path) != f"{CURRENT}/{path.name}":
                raise StoreError(f"{path} is in the way: it was not made here; move it, or choose another folder")

    def _names(self, version: str) -> list[str]:
        return [each.name for each in (self._folder / version).iterdir()] if version else []

    def _tidy(self, *, keep: str, names: set[str]) -> None:
        """Remove sets other than `keep`, such as a crash left, and links to names that are no more."""
        for each in self._folder.iterdir():
            target = _target(each)
            if target.startswith(f"{CURRENT}/") and each.name not in names:
                each.unlink()
            elif each.name.startswith("..") and each.name not in (CURRENT, keep):
                each.unlink() if each.is_symlink() else shutil.rmtree(each)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{error.filename or folder}: {error.strerror or error}") from error


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _target(path: Path) -> str:
    return str(path.readlink()) if path.is_symlink() else ""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise StoreError(f"{path} is larger than {MAX_BYTES} bytes: no certificate")
    return content


def _write_set(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(mode=0o755)
    try:
        for name, content in files.items():
            _write(folder / name, content, 0o600 if name.endswith(".key") else 0o644)
        _sync(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _link(path: Path, target: str) -> None:
    if _target(path) != target:
        temporary = path.with_name(f"..{secrets.token_hex(8)}")
        temporary.symlink_to(target)
        temporary.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
