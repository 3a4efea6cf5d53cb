"""What each in-tree plugin does in its own way, told by the mounts that it asks for."""

from pathlib import Path

import pytest

from plugins.empty_dir import EmptyDir
from plugins.errors import Failed, NotSupported
from plugins.host import Host
from plugins.host_path import HostPathMounter
from plugins.local import Local
from plugins.nfs import NfsMounter, export
from plugins.source import of_pod
from tests.plugins.mounts import RecordedMounts, RecordedOwnership
from tests.plugins.objects import affinity, local, persistent, pod


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


async def test_a_host_path_is_made_where_its_type_says_so(tmp_path: Path) -> None:
    plugin = HostPathMounter()
    for kind, name in (("DirectoryOrCreate", "a/b"), ("FileOrCreate", "a/c")):
        source = persistent(hostPath={"path": str(tmp_path / name), "type": kind})
        assert await plugin.mount(source, pod()) == await plugin.mount(source, pod())
    assert [each.is_dir() for each in (tmp_path / "a/b", tmp_path / "a/c")] == [True, False]


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("Directory", "none", "is not a Directory"),
        ("File", "disk", "is not a File"),
        ("Socket", "disk", "is not a Socket"),
        ("BlockDevice", "disk", "is not a BlockDevice"),
        ("FileOrCreate", "none/file", "No such file"),
        ("Folder", "disk", "no type of a hostPath"),
        ("", "../etc", "hold no '..'"),
    ],
)
async def test_a_host_path_of_another_type_is_refused(
    disk: Path, tmp_path: Path, kind: str, name: str, message: str
) -> None:
    with pytest.raises(Failed, match=message):
        await HostPathMounter().mount(persistent(hostPath={"path": f"{tmp_path}/{name}", "type": kind}), pod())


async def test_nfs_mounts_with_sorted_options(recorded_host: Host, recorded_mounts: RecordedMounts) -> None:
    source = persistent(nfs={"server": "nas", "path": "/x", "readOnly": True}, mountOptions=["soft", "hard", "soft"])
    path = await NfsMounter(recorded_host).mount(source, pod())
    assert path == recorded_host.root / "pods/uid-1/volumes/kubernetes.io~nfs/pv-a"
    assert recorded_mounts.actions == [["mount", "nas:/x", str(path), "nfs", ["hard", "ro", "soft"]]]


@pytest.mark.parametrize(
    ("server", "device"), [("nas", "nas:/x"), ("fd00::1", "[fd00::1]:/x"), ("[fd00::1]", "[fd00::1]:/x")]
)
def test_addresses_with_colons_stand_in_brackets(server: str, device: str) -> None:
    assert export(server, "/x") == device


@pytest.mark.parametrize(("server", "path"), [("", "/x"), ("a b", "/x"), ("a/b", "/x"), ("nas", "x"), ("nas", "/../x")])
def test_what_is_no_export_is_refused(server: str, path: str) -> None:
    with pytest.raises(Failed):
        export(server, path)


async def test_a_failed_nfs_mount_leaves_no_directory(recorded_host: Host, recorded_mounts: RecordedMounts) -> None:
    recorded_mounts.fail_next = True
    with pytest.raises(Failed, match="no such device"):
        await NfsMounter(recorded_host).mount(persistent(nfs={"server": "nas", "path": "/x"}), pod())
    assert not (recorded_host.root / "pods/uid-1/volumes/kubernetes.io~nfs/pv-a").exists()


async def test_a_local_directory_is_bound(recorded_host: Host, recorded_mounts: RecordedMounts, disk: Path) -> None:
    plugin, source = Local(recorded_host), local(disk, mountOptions=["noatime"], read_only=True)
    assert await plugin.device_mount_path(source) == disk
    await plugin.mount_device(source, "", disk)
    path = await plugin.mount(source, pod())
    assert recorded_mounts.actions == [["mount", str(disk), str(path), "", ["bind", "ro", "noatime"]]]
    await plugin.unmount_device(disk)
    assert await plugin.device_mount_path(source) == disk


async def test_a_local_volume_of_another_node_is_not_mounted(recorded_host: Host, disk: Path) -> None:
    for other in ({"nodeAffinity": affinity("n2")}, {"nodeAffinity": None}):
        with pytest.raises(Failed, match="node affinity"):
            await Local(recorded_host).mount(local(disk, **other), pod())


@pytest.mark.parametrize("path", ["/etc/hostname", "/none", "/a/../b", "relative"])
async def test_what_is_no_local_storage_is_refused(recorded_host: Host, path: str) -> None:
    with pytest.raises(Failed):
        await Local(recorded_host).mount(local(path), pod())


async def test_a_pod_can_not_name_a_local_path_itself(recorded_host: Host) -> None:
    with pytest.raises(NotSupported):
        await Local(recorded_host).device_mount_path(of_pod({"name": "x", "local": {"path": "/"}}))


async def test_only_the_first_pods_group_gets_a_local_volume(recorded_host: Host, disk: Path) -> None:
    plugin, ownership = Local(recorded_host), recorded_host.ownership
    assert isinstance(ownership, RecordedOwnership)
    await plugin.mount(local(disk), pod("uid-1", fs_group=1))
    await plugin.mount(local(disk), pod("uid-2", fs_group=2))
    assert [walk["gid"] for walk in ownership.walks] == [1]
    for uid in ("uid-1", "uid-2"):
        await plugin.unmount("pv-a", uid)
    await plugin.mount(local(disk), pod("uid-3", fs_group=2))
    assert [walk["gid"] for walk in ownership.walks] == [1, 2]


async def test_a_medium_that_is_not_there_is_refused(recorded_host: Host) -> None:
    with pytest.raises(NotSupported, match="HugePages"):
        await EmptyDir(recorded_host).mount(of_pod({"name": "x", "emptyDir": {"medium": "HugePages"}}), pod())
    source = of_pod({"name": "x", "emptyDir": {"medium": "Memory", "sizeLimit": "much"}})
    with pytest.raises(Failed, match="sizeLimit"):
        await EmptyDir(recorded_host).mount(source, pod())


async def test_an_empty_dir_is_open_to_whatever_user_the_pod_has(recorded_host: Host) -> None:
    path = await EmptyDir(recorded_host).mount(of_pod({"name": "x"}), pod(fs_group=7))
    assert path.stat().st_mode & 0o777 == 0o777
    assert isinstance(recorded_host.ownership, RecordedOwnership)
    assert recorded_host.ownership.walks == [{"path": str(path), "gid": 7, "policy": "Always"}]


async def test_removing_an_empty_dir_does_not_follow_the_links_in_it(recorded_host: Host, disk: Path) -> None:
    (disk / "file").write_text("precious")
    path = await EmptyDir(recorded_host).mount(of_pod({"name": "x"}), pod())
    (path / "link").symlink_to(disk)
    await EmptyDir(recorded_host).unmount("x", "uid-1")
    assert (disk / "file").exists()
