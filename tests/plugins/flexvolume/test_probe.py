"""Drivers come, change and go in their directory, watched or compared."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plugins.errors import Failed
from plugins.flexvolume import changes, trust
from plugins.flexvolume.probe import Prober, Settings
from tests.plugins.flexvolume.conftest import SUCCESS, UNSUPPORTED, flex
from tests.plugins.flexvolume.drivers import ScriptedDriver


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


Install = Callable[..., ScriptedDriver]
FAILS = {"response": {"status": "Failure"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "exec"


@pytest.fixture
def install(tmp_path: Path, folder: Path) -> Install:
    """Install a driver that answers by a table, in one step."""
    count = iter(range(1000))

    def put(path: str = "acme.io~disk/disk", **table: Any) -> ScriptedDriver:
        scripted = ScriptedDriver(tmp_path / f"scripted-{next(count)}", table)
        scripted.install(folder / path)
        return scripted

    return put


@pytest.fixture(params=["watched", "compared"])
def polling(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "compared")


@pytest.fixture
def prober(folder: Path, polling: bool) -> Iterator[Prober]:
    with Prober(Settings(folder, polling=polling)) as prober:
        yield prober


async def test_a_missing_directory_is_made(prober: Prober, folder: Path) -> None:
    assert await prober.names() == []
    assert mode(folder) == 0o755


async def test_a_driver_that_comes_is_found(prober: Prober, install: Install) -> None:
    assert await prober.names() == []
    install()
    install("plain/plain")
    assert await prober.names() == ["acme.io/disk", "plain"]


async def test_a_look_up_without_changes_runs_nothing(prober: Prober, install: Install) -> None:
    scripted = install()
    for _ in range(3):
        await prober.names()
    assert scripted.calls() == [["init"]]


async def test_many_at_once_are_all_found(prober: Prober, install: Install) -> None:
    await prober.names()
    wanted = [f"v{number}.io/disk" for number in range(20)]
    for number in range(20):
        install(f"v{number}.io~disk/disk")
    assert await prober.names() == sorted(wanted)


async def test_a_replaced_driver_is_loaded_anew_and_forgets_what_it_did_not_support(
    prober: Prober, install: Install
) -> None:
    install(attach=UNSUPPORTED)
    old = await prober.driver("acme.io/disk")
    assert old is not None
    assert await old.attach(flex(), "n1") == ""
    install(attach={"response": {"status": "Success", "device": "/dev/new"}})
    new = await prober.driver("acme.io/disk")
    assert new is not None
    assert await new.attach(flex(), "n1") == "/dev/new"


async def test_a_removed_executable_unloads_its_driver(prober: Prober, install: Install, folder: Path) -> None:
    install()
    assert await prober.names() == ["acme.io/disk"]
    (folder / "acme.io~disk" / "disk").unlink()
    assert await prober.names() == []


async def test_a_removed_directory_unloads_its_driver_and_it_can_return(
    prober: Prober, install: Install, folder: Path
) -> None:
    install()
    install("b/b")
    assert await prober.names() == ["acme.io/disk", "b"]
    shutil.rmtree(folder / "acme.io~disk")
    assert await prober.names() == ["b"]
    install()
    assert await prober.names() == ["acme.io/disk", "b"]


async def test_another_file_that_is_removed_does_not_unload(prober: Prober, install: Install, folder: Path) -> None:
    install()
    (folder / "acme.io~disk" / "notes").write_text("x")
    await prober.names()
    (folder / "acme.io~disk" / "notes").unlink()
    assert await prober.names() == ["acme.io/disk"]


async def test_the_directory_removed_and_made_again_is_watched_again(
    prober: Prober, install: Install, folder: Path
) -> None:
    install()
    await prober.names()
    shutil.rmtree(folder)
    await prober.names()
    install("new/new")
    assert "new" in await prober.names()


async def test_a_half_written_driver_is_tried_again_until_it_loads(
    prober: Prober, install: Install, folder: Path, tmp_path: Path
) -> None:
    await prober.names()
    whole = ScriptedDriver(tmp_path / "whole", {}).install(tmp_path / "whole-driver").read_text()
    target = folder / "acme.io~disk" / "disk"
    target.parent.mkdir()
    with target.open("w") as file:
        target.chmod(0o755)
        file.write(whole[:40])
        file.flush()
        assert await prober.names() == []
        file.write(whole[40:])
    assert await prober.names() == ["acme.io/disk"]


async def test_a_driver_that_fails_to_load_anew_stays_as_it_was(prober: Prober, install: Install) -> None:
    first = install(attach=SUCCESS)
    await prober.names()
    second = install(init=[FAILS, FAILS, SUCCESS])
    for _ in range(2):
        assert await prober.names() == ["acme.io/disk"]
    assert second.calls() == [["init"]] * 2
    assert await prober.names() == ["acme.io/disk"]
    await prober.names()
    assert second.calls() == [["init"]] * 3
    assert first.calls() == [["init"]]


async def test_what_fails_in_the_first_listing_waits_for_a_change(prober: Prober, install: Install) -> None:
    scripted = install(init=FAILS)
    for _ in range(3):
        assert await prober.names() == []
    assert scripted.calls() == [["init"]]
    install()
    assert await prober.names() == ["acme.io/disk"]


async def test_links_to_directories_are_passed_over_and_links_to_files_followed(
    prober: Prober, install: Install, folder: Path, tmp_path: Path
) -> None:
    install()
    await prober.names()
    (tmp_path / "elsewhere").mkdir()
    (folder / "acme.io~disk" / "disk").rename(tmp_path / "elsewhere" / "linked")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "real").mkdir()
    (folder / "real" / "real").symlink_to(tmp_path / "elsewhere" / "linked")
    names = await prober.names()
    assert "linked" not in names
    assert "real" in names


async def test_hidden_names_and_bad_ones_are_no_drivers(prober: Prober, install: Install) -> None:
    for path in (".hidden~x/x", "a~b~c/c", "Upper~x/x", "a..b~x/x", "-x/-x"):
        install(path)
    install("good~x/x")
    assert await prober.names() == ["good/x"]


async def test_a_driver_that_others_could_change_is_not_run(prober: Prober, install: Install, folder: Path) -> None:
    scripted = install()
    (folder / "acme.io~disk" / "disk").chmod(0o775)
    assert await prober.names() == []
    assert scripted.calls() == []
    (folder / "acme.io~disk" / "disk").chmod(0o755)
    assert await prober.names() == ["acme.io/disk"]


async def test_only_allowed_drivers_are_run(folder: Path, install: Install) -> None:
    scripted = install()
    with Prober(Settings(folder, allowed={"other/disk"})) as prober:
        assert await prober.names() == []
    assert scripted.calls() == []


async def test_a_driver_that_hangs_does_not_hold_up_every_look_up(folder: Path, install: Install) -> None:
    now = [0.0]
    with Prober(Settings(folder, call_seconds=0.2), clock=lambda: now[0]) as prober:
        await prober.names()
        hanging = install(init={**SUCCESS, "sleep_s": 1000})
        await prober.names()
        await prober.names()
        assert len(hanging.calls()) <= 1
        install("other/other")
        prober._settings = Settings(folder, call_seconds=20)
        assert await prober.names() == ["other"]


async def test_where_watching_ends_it_goes_on_by_comparing(
    folder: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.flexvolume.inotify import Watched

    def full(self: Watched) -> dict[str, changes.Change]:
        raise OSError(28, "No space left on device")

    with Prober(Settings(folder)) as prober:
        await prober.names()
        monkeypatch.setattr(Watched, "read", full)
        install()
        assert await prober.names() == ["acme.io/disk"]
        install("b/b")
        assert await prober.names() == ["acme.io/disk", "b"]


def test_without_watches_it_is_compared_from_the_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.flexvolume.inotify import Watched

    def full(self: Watched, top: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Watched, "_watch", full)
    assert isinstance(changes.follow(folder), changes.Compared)


def test_lost_events_load_all_anew(folder: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    watched = changes.follow(folder)
    (folder / "a").mkdir()
    for number in range(limit // 2 + 2):
        os.close(os.open(folder / str(number % 2), os.O_CREAT | os.O_WRONLY))
        (folder / str(number % 2)).unlink()
    assert watched.read()["a"] is changes.Change.UPDATED
    watched.close()


def test_a_driver_moved_away_is_not_unloaded_where_it_is_watched(folder: Path, tmp_path: Path) -> None:
    watched = changes.follow(folder)
    (folder / "a").mkdir()
    (folder / "a" / "a").write_text("x")
    watched.read()
    (folder / "a").rename(tmp_path / "away")
    assert watched.read() == {"a": changes.Change.UPDATED}
    (tmp_path / "away" / "a").write_text("changed where it is no matter of ours")
    assert watched.read() == {}
    watched.close()


def test_a_new_directory_is_watched_to_its_depth(folder: Path) -> None:
    watched = changes.follow(folder)
    (folder / "a" / "lib").mkdir(parents=True)
    assert watched.read() == {"a": changes.Change.UPDATED}
    (folder / "a" / "lib" / "file").write_text("x")
    assert watched.read() == {"a": changes.Change.UPDATED}
    (folder / "a" / "lib" / ".file").write_text("x")
    assert watched.read() == {}
    watched.close()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_trust_looks_at_every_part(tmp_path: Path, what: str) -> None:
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "file"
    file.write_text("x")
    with pytest.raises(Failed, match="no executable file"):
        trust.check(file)
    file.chmod(0o755)
    trust.check(file)
    part = file if what == "file" else file.parent
    part.chmod(part.stat().st_mode | 0o002)
    with pytest.raises(Failed, match="writable by group or others"):
        trust.check(file)
