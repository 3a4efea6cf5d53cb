"""Real mounts: binds, read-only, file systems on blank devices, growing."""

import os
from pathlib import Path, PurePosixPath

import pytest

from plugins import commands, filesystems, folders
from plugins.empty_dir import EmptyDir
from plugins.errors import Failed, StillInUse
from plugins.host import Host
from plugins.host_path import HostPath
from plugins.local import Local
from plugins.mounts import LinuxMounts, read_table
from plugins.source import of_pod
from tests.plugins.objects import at, local, pod, request


def made(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_the_kernels_table_is_read_with_its_escapes() -> None:
    text = r"36 35 98:0 /mnt1 /mnt/a\040b rw,noatime master:1 - ext3 /dev/root rw" + "\nnonsense\n"
    assert [(entry.root, entry.target, entry.fs_type) for entry in read_table(text)] == [("/mnt1", "/mnt/a b", "ext3")]


async def test_a_bind_shows_one_directory_at_another(real_mounts: LinuxMounts, tmp_path: Path) -> None:
    source, target = made(tmp_path / "source"), made(tmp_path / "with space")
    (source / "file").write_text("x")
    await real_mounts.mount(str(source), target, "", ("bind",))
    assert await real_mounts.is_mount_point(target)
    assert (target / "file").read_text() == "x"
    await real_mounts.unmount(target)
    assert not await real_mounts.is_mount_point(target)


async def test_a_read_only_bind_is_read_only(real_mounts: LinuxMounts, tmp_path: Path) -> None:
    source, target = made(tmp_path / "source"), made(tmp_path / "target")
    await real_mounts.mount(str(source), target, "", ("bind", "ro"))
    with pytest.raises(OSError, match="Read-only"):
        (target / "file").write_text("x")
    await real_mounts.unmount(target)


async def test_a_mount_that_fails_says_why(real_mounts: LinuxMounts, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="ended with"):
        await real_mounts.mount("/dev/null", made(tmp_path / "target"), "ext4", ())


async def test_a_mount_point_reached_through_a_link_is_one(real_mounts: LinuxMounts, tmp_path: Path) -> None:
    target = made(tmp_path / "real" / "target")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    await real_mounts.mount("tmpfs", target, "tmpfs", ())
    assert await real_mounts.is_mount_point(tmp_path / "link" / "target")
    await real_mounts.unmount(target)


async def test_a_volume_with_a_mount_in_it_is_not_deleted(real_mounts: LinuxMounts, tmp_path: Path) -> None:
    plugin, precious = HostPath(tmp_path / "root"), made(tmp_path / "precious")
    (precious / "file").write_text("x")
    await plugin.provision(request("pvc-1"))
    mounted = made(tmp_path / "root" / "pvc-1" / "sub" / "mounted")
    await real_mounts.mount(str(precious), mounted, "", ("bind",))
    with pytest.raises(StillInUse):
        await plugin.delete(at(tmp_path / "root" / "pvc-1"))
    assert (precious / "file").exists()
    await real_mounts.unmount(mounted)
    await plugin.delete(at(tmp_path / "root" / "pvc-1"))


async def test_a_volume_that_is_a_mount_is_not_deleted(real_mounts: LinuxMounts, tmp_path: Path) -> None:
    precious, mounted = made(tmp_path / "precious"), made(tmp_path / "root" / "pvc-1")
    (precious / "file").write_text("x")
    await real_mounts.mount(str(precious), mounted, "", ("bind",))
    with pytest.raises(StillInUse, match="mounted"):
        folders.remove(tmp_path / "root", PurePosixPath("pvc-1"))
    assert (precious / "file").exists()
    await real_mounts.unmount(mounted)


async def test_an_empty_dir_in_memory_has_its_size_and_goes_with_the_pod(real_host: Host) -> None:
    plugin = EmptyDir(real_host)
    source = of_pod({"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
    path = await plugin.mount(source, pod())
    assert os.statvfs(path).f_blocks * os.statvfs(path).f_frsize == 1 << 20
    (path / "file").write_text("kept over a second mount")
    await plugin.mount(source, pod())
    assert (path / "file").exists()
    await plugin.unmount("scratch", "uid-1")
    assert not path.exists()


async def test_a_blank_device_gets_a_file_system_once(real_host: Host, loop_device: Path) -> None:
    plugin, source = Local(real_host), local(loop_device)
    staged = await plugin.device_mount_path(source)
    await plugin.mount_device(source, "", staged)
    path = await plugin.mount(source, pod())
    (path / "file").write_text("kept")
    await plugin.unmount("pv-a", "uid-1")
    await plugin.unmount_device(staged)
    assert not staged.exists()
    await plugin.mount_device(source, "", staged)
    assert (staged / "file").read_text() == "kept"
    await plugin.unmount_device(staged)
    await plugin.unmount_device(staged)


async def test_a_blank_read_only_device_is_not_formatted(real_host: Host, loop_device: Path) -> None:
    plugin, source = Local(real_host), local(loop_device, read_only=True)
    with pytest.raises(Failed, match="blank"):
        await plugin.mount_device(source, "", await plugin.device_mount_path(source))
    assert await filesystems.kind_of(str(loop_device)) == ""


async def test_another_file_system_than_asked_for_is_kept_and_named(real_host: Host, loop_device: Path) -> None:
    await commands.checked(("mkfs.ext4", "-q", "-F", str(loop_device)))
    source = local(loop_device, local={"path": str(loop_device), "fsType": "xfs"})
    plugin = Local(real_host)
    with pytest.raises(Failed, match="holds ext4, not the xfs"):
        await plugin.mount_device(source, "", await plugin.device_mount_path(source))
    assert await filesystems.kind_of(str(loop_device)) == "ext4"


async def test_a_file_system_grows_with_its_device(
    may_resize: None, real_host: Host, loop_device: Path, tmp_path: Path
) -> None:
    plugin, source = Local(real_host), local(loop_device)
    staged = await plugin.device_mount_path(source)
    await plugin.mount_device(source, "", staged)
    before = os.statvfs(staged).f_blocks
    with (tmp_path / "image").open("r+b") as image:
        image.truncate(128 << 20)
    await commands.checked(("losetup", "--set-capacity", str(loop_device)))
    for _ in range(2):
        await plugin.expand_on_node(source, "", staged, 128 << 20, 64 << 20)
        assert os.statvfs(staged).f_blocks > before * 1.8
    await plugin.unmount_device(staged)


async def test_a_block_device_is_mapped_as_it_is(real_host: Host, loop_device: Path) -> None:
    plugin, source = Local(real_host), local(loop_device, volumeMode="Block")
    link = await plugin.map_device(source, pod())
    assert await plugin.map_device(source, pod()) == link
    assert link.readlink() == loop_device
    for _ in range(2):
        await plugin.unmap_device("pv-a", "uid-1")
        assert not link.is_symlink()


async def test_a_read_only_use_of_a_local_directory_can_not_write(real_host: Host, tmp_path: Path) -> None:
    plugin = Local(real_host)
    path = await plugin.mount(local(made(tmp_path / "disk"), read_only=True), pod())
    with pytest.raises(OSError, match="Read-only"):
        (path / "file").write_text("x")
    await plugin.unmount("pv-a", "uid-1")
