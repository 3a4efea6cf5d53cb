"""A folder of certificates is one set at every moment, whatever is interrupted."""

import asyncio
import itertools
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from certs import folder
from certs.errors import ConflictError, StoreError
from certs.folder import FolderStore

OLD = {"ca.crt": b"old ca", "tls.crt": b"old leaf", "tls.key": b"old key", "gone.crt": b"x"}
NEW = {"ca.crt": b"new ca", "tls.crt": b"new leaf", "tls.key": b"new key", "fresh.key": b"y"}


class Crash(BaseException):
    """The process ends here."""


class Countdown:
    """Lets so many steps happen, then crashes."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            if not self.left:
                raise Crash
            self.left -= 1
            return step(*args, **kwargs)

        return stepped


def seen_by_readers(path: Path) -> Mapping[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir() if not each.name.startswith("..") and each.exists()}


async def replaced(store: FolderStore, files: Mapping[str, bytes]) -> None:
    await store.save(files, (await store.load()).version)


async def test_what_was_saved_is_loaded_and_stands_under_its_names(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "certs")
    assert (await store.load()).files == {}
    await replaced(store, OLD)
    await replaced(store, NEW)
    assert (await store.load()).files == NEW
    assert seen_by_readers(tmp_path / "certs") == NEW
    assert {each.name for each in (tmp_path / "certs").iterdir()} == {*NEW, "..data", (await store.load()).version}


async def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "certs")
    mask = os.umask(0)
    try:
        await replaced(store, NEW)
    finally:
        os.umask(mask)
    modes = {name: stat.S_IMODE((tmp_path / "certs" / name).stat().st_mode) for name in NEW}
    assert modes == {"ca.crt": 0o644, "tls.crt": 0o644, "tls.key": 0o600, "fresh.key": 0o600}
    assert stat.S_IMODE((tmp_path / "certs").stat().st_mode) == 0o700


def save_with_crash(store: FolderStore, version: str, steps: int) -> bool:
    """Save the new set, or crash after so many steps on the disk; answers whether it came to a crash."""
    countdown = Countdown(steps)
    with pytest.MonkeyPatch.context() as patched:
        for owner, name in ((folder, "_write"), (folder, "_sync"), (folder.shutil, "rmtree")):
            patched.setattr(owner, name, countdown(getattr(owner, name)))
        for name in ("mkdir", "symlink_to", "replace", "unlink"):
            patched.setattr(Path, name, countdown(getattr(Path, name)))
        try:
            store._save(NEW, version)
        except Crash:
            return True
    return False


def sets_in(path: Path) -> int:
    return sum(each.is_dir() and not each.is_symlink() for each in path.iterdir())


async def test_a_crash_after_any_step_leaves_the_old_set_or_the_new_one(tmp_path: Path) -> None:
    for steps in itertools.count():
        path = tmp_path / str(steps)
        store = FolderStore(path)
        await replaced(store, OLD)
        version = (await store.load()).version
        crashed = save_with_crash(store, version, steps)
        left = await store.load()
        assert left.files == (OLD if left.version == version else NEW)
        assert seen_by_readers(path).items() <= dict(left.files).items()
        await replaced(store, NEW)
        assert seen_by_readers(path) == NEW
        assert sets_in(path) == 1
        if not crashed:
            break
    assert steps > 10


async def test_of_two_writers_the_second_reads_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    version = (await store.load()).version
    await store.save(OLD, version)
    with pytest.raises(ConflictError, match="another process"):
        await store.save(NEW, version)
    assert (await store.load()).files == OLD


async def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    sets = [{"ca.crt": str(number).encode()} for number in range(8)]
    results = await asyncio.gather(*(store.save(each, "") for each in sets), return_exceptions=True)
    assert [type(each) for each in results if each is not None] == [ConflictError] * 7
    assert (await store.load()).files in sets


async def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tls.key").write_bytes(b"somebody's")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    store = FolderStore(tmp_path)
    with pytest.raises(StoreError, match=r"tls\.key is in the way"):
        await store.save(NEW, "")
    (tmp_path / "tls.key").unlink()
    await store.save(NEW, "")
    assert (tmp_path / "notes.txt").read_bytes() == b"mine"


async def test_a_full_disk_is_said_and_the_old_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    await replaced(store, OLD)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    with monkeypatch.context() as patched:
        patched.setattr(folder.os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            await replaced(store, NEW)
    assert seen_by_readers(tmp_path) == OLD
    await replaced(store, NEW)


async def test_a_file_of_unlikely_size_is_no_certificate(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    await replaced(store, {"ca.crt": b"x" * (folder.MAX_BYTES + 1)})
    with pytest.raises(StoreError, match="larger than"):
        await store.load()


async def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file"):
        await FolderStore(tmp_path / "file" / "certs").save(OLD, "")
