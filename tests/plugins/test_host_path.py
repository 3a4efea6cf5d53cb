"""Directories are made and removed beneath their root, and nothing outside it is ever touched."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from plugins import folders
from plugins.errors import Failed, InDoubt, NotSupported
from plugins.host_path import HostPath
from tests.plugins.objects import GI, at, request


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@pytest.fixture
def made_root(root: Path) -> Path:
    root.mkdir()
    return root


@pytest.fixture
def plugin(root: Path) -> HostPath:
    return HostPath(root)


async def test_a_volume_is_a_directory_of_its_name(plugin: HostPath, root: Path) -> None:
    made = await plugin.provision(request("pvc-1"))
    assert made.source == {"hostPath": {"path": str(root / "pvc-1")}}
    assert made.size_bytes == GI
    assert made.annotations == {"kubernetes.io/createdby": "hostpath-dynamic-provisioner"}
    assert (root / "pvc-1").is_dir()


async def test_making_it_twice_keeps_what_is_in_it(plugin: HostPath, root: Path) -> None:
    first = await plugin.provision(request("pvc-1"))
    (root / "pvc-1" / "file").write_text("kept")
    assert await plugin.provision(request("pvc-1")) == first
    assert (root / "pvc-1" / "file").read_text() == "kept"


async def test_block_volumes_are_not_made(plugin: HostPath) -> None:
    with pytest.raises(NotSupported, match="no block devices"):
        await plugin.provision(request(volume_mode="Block"))


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", "A", ".hidden", "a..b", "x\0"])
async def test_a_name_that_could_lead_elsewhere_is_refused(plugin: HostPath, name: str) -> None:
    with pytest.raises(Failed, match="no name of a volume"):
        await plugin.provision(request(name))


async def test_a_link_in_the_place_of_the_directory_is_refused(
    plugin: HostPath, made_root: Path, tmp_path: Path
) -> None:
    (made_root / "pvc-1").symlink_to(tmp_path)
    with pytest.raises(Failed, match="is a link"):
        await plugin.provision(request("pvc-1"))


@pytest.mark.skipif(os.geteuid() != 0, reason="not tested here: giving a directory away needs root")
async def test_a_root_that_somebody_else_has_made_is_not_used(plugin: HostPath, made_root: Path) -> None:
    os.chown(made_root, 12345, -1)
    with pytest.raises(Failed, match="belongs to user 12345"):
        await plugin.provision(request("pvc-1"))


async def test_deleting_removes_all_and_twice_is_once(plugin: HostPath, root: Path) -> None:
    await plugin.provision(request("pvc-1"))
    (root / "pvc-1" / "a" / "b").mkdir(parents=True)
    (root / "pvc-1" / "a" / "b" / "file").write_text("x")
    await plugin.delete(at(root / "pvc-1"))
    assert names_in(root) == []
    await plugin.delete(at(root / "pvc-1"))


async def test_deleting_before_the_root_is_there_is_a_success(plugin: HostPath, root: Path) -> None:
    await plugin.delete(at(root / "pvc-1"))


async def test_what_links_point_at_stays(plugin: HostPath, root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("precious")
    await plugin.provision(request("pvc-1"))
    (root / "pvc-1" / "out").symlink_to(tmp_path / "other")
    await plugin.delete(at(root / "pvc-1"))
    assert (tmp_path / "other" / "file").read_text() == "precious"


async def test_a_way_that_leads_through_a_link_is_refused(plugin: HostPath, made_root: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "sub").mkdir(parents=True)
    (made_root / "link").symlink_to(tmp_path / "other")
    with pytest.raises(Failed, match="is a link"):
        await plugin.delete(at(made_root / "link" / "sub"))
    assert (tmp_path / "other" / "sub").is_dir()


@pytest.mark.parametrize("path", ["", "/", "/etc", "relative", "/tmp", "/tmp/", "/tmp/../etc", "/var/tmp/x", "/tmpx/y"])
async def test_paths_elsewhere_are_refused(plugin: HostPath, path: str) -> None:
    with pytest.raises(Failed, match="not beneath"):
        await plugin.delete(at(path))


async def test_the_root_and_what_holds_it_are_never_deleted(tmp_path: Path) -> None:
    plugin = HostPath(Path("/tmp/lading-test/root"))
    for path in ("/tmp/lading-test/root", "/tmp/lading-test"):
        with pytest.raises(Failed, match="not beneath"):
            await plugin.delete(at(path))


async def test_a_very_deep_tree_is_removed(plugin: HostPath, root: Path) -> None:
    await plugin.provision(request("pvc-1"))
    deep = os.open(root / "pvc-1", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    await plugin.delete(at(root / "pvc-1"))
    assert names_in(root) == []


async def test_a_hung_file_system_leaves_the_call_in_doubt_and_the_next_one_waits_for_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, calls, real = threading.Event(), [], folders.make

    def hanging(top: Path, name: str, mode: int) -> Path:
        calls.append(threading.current_thread())
        answers.wait()
        return real(top, name, mode)

    monkeypatch.setattr(folders, "make", hanging)
    plugin = HostPath(root, deadline_seconds=0.05)
    for _ in range(3):
        with pytest.raises(InDoubt, match="did not end"):
            await plugin.provision(request("pvc-1"))
    assert len(calls) == 1, "what hangs gathers no threads"
    plugin._blocking._deadline_seconds = 30
    again = asyncio.create_task(plugin.provision(request("pvc-1")))
    await asyncio.sleep(0)
    answers.set()
    assert (await again).source == {"hostPath": {"path": str(root / "pvc-1")}}
