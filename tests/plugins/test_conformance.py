"""What every plugin keeps: calls are idempotent by name, and end in errors of the three kinds or not at all."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from model.volumes import PersistentVolume
from plugins.csi.volumes import CsiVolumes
from plugins.empty_dir import EmptyDir
from plugins.errors import Failed, PluginError
from plugins.host import Host
from plugins.host_path import HostPath, HostPathMounter
from plugins.local import Local
from plugins.nfs import NfsMounter
from plugins.protocol import Deleter, Mounter, Provisioned, Provisioner
from plugins.source import Source, of_pod
from tests.plugins.csi.hostpath import driver
from tests.plugins.mounts import RecordedMounts
from tests.plugins.objects import local, persistent, pod, request, volume


class Making(Provisioner, Deleter, Protocol):
    """What the suite asks of those that make storage."""


@dataclass(frozen=True)
class Maker:
    make: Callable[[Path], AbstractAsyncContextManager[Making]]
    exists: Callable[[Path, Provisioned], bool]


@asynccontextmanager
async def host_path(folder: Path) -> AsyncIterator[Making]:
    yield HostPath(folder)


@asynccontextmanager
async def csi(folder: Path) -> AsyncIterator[Making]:
    async with driver(folder, RecordedMounts()):
        yield CsiVolumes("hostpath.csi.lading", f"unix://{folder}/csi.sock")


@dataclass(frozen=True)
class Mounting:
    make: Callable[[Host], Mounter]
    source: Callable[[Path], Source]
    leaves_path: bool = False
    """Whether the path is not of our making and stays."""


MAKERS = {
    "hostPath": Maker(host_path, lambda _, made: Path(made.source["hostPath"]["path"]).is_dir()),
    "csi": Maker(csi, lambda folder, made: (folder / "state/volumes" / made.source["csi"]["volumeHandle"]).is_dir()),
}
MOUNTINGS = {
    "hostPath": Mounting(
        lambda _: HostPathMounter(), lambda tmp: persistent(hostPath={"path": str(tmp / "disk")}), leaves_path=True
    ),
    "nfs": Mounting(NfsMounter, lambda _: persistent(nfs={"server": "::1", "path": "/export"})),
    "local": Mounting(Local, lambda tmp: local(tmp / "disk")),
    "emptyDir": Mounting(EmptyDir, lambda _: of_pod({"name": "scratch", "emptyDir": {}})),
    "emptyDir in memory": Mounting(EmptyDir, lambda _: of_pod({"name": "scratch", "emptyDir": {"medium": "Memory"}})),
}


@pytest.fixture(params=MAKERS)
def maker(request: pytest.FixtureRequest) -> Maker:
    return MAKERS[request.param]


@pytest.fixture(params=MOUNTINGS)
def mounting(request: pytest.FixtureRequest, tmp_path: Path) -> Mounting:
    (tmp_path / "disk").mkdir()
    return MOUNTINGS[request.param]


def of(made: Provisioned, name: str = "pvc-1") -> PersistentVolume:
    return volume(name, **made.source)


async def test_making_twice_is_making_once(maker: Maker, tmp_path: Path) -> None:
    async with maker.make(tmp_path) as plugin:
        assert await plugin.provision(request()) == await plugin.provision(request())


async def test_another_process_finds_what_one_made(maker: Maker, tmp_path: Path) -> None:
    async with maker.make(tmp_path) as plugin:
        made = await plugin.provision(request())
    assert maker.exists(tmp_path, made)
    async with maker.make(tmp_path) as plugin:
        assert await plugin.provision(request()) == made


async def test_deleting_twice_is_deleting_once(maker: Maker, tmp_path: Path) -> None:
    async with maker.make(tmp_path) as plugin:
        made = await plugin.provision(request())
        for _ in range(2):
            await plugin.delete(of(made))
            assert not maker.exists(tmp_path, made)


async def test_two_volumes_do_not_share_their_storage(maker: Maker, tmp_path: Path) -> None:
    async with maker.make(tmp_path) as plugin:
        one, other = await plugin.provision(request("pvc-1")), await plugin.provision(request("pvc-2"))
        await plugin.delete(of(one))
    assert maker.exists(tmp_path, other)


async def test_a_volume_of_another_plugin_is_refused(maker: Maker, tmp_path: Path) -> None:
    async with maker.make(tmp_path) as plugin:
        with pytest.raises(Failed):
            await plugin.delete(volume(rbd={"image": "x"}))


async def test_mounting_twice_is_mounting_once(
    mounting: Mounting, recorded_host: Host, recorded_mounts: RecordedMounts, tmp_path: Path
) -> None:
    plugin, source = mounting.make(recorded_host), mounting.source(tmp_path)
    path = await plugin.mount(source, pod())
    actions = list(recorded_mounts.actions)
    assert await plugin.mount(source, pod()) == path
    assert recorded_mounts.actions == actions


async def test_unmounting_leaves_nothing_and_twice_is_once(
    mounting: Mounting, recorded_host: Host, recorded_mounts: RecordedMounts, tmp_path: Path
) -> None:
    plugin, source = mounting.make(recorded_host), mounting.source(tmp_path)
    path = await plugin.mount(source, pod())
    for _ in range(2):
        await plugin.unmount(source.name, "uid-1")
        assert recorded_mounts.mounted == []
        assert path.exists() == mounting.leaves_path


async def test_what_was_never_mounted_unmounts(mounting: Mounting, recorded_host: Host, tmp_path: Path) -> None:
    await mounting.make(recorded_host).unmount("never", "uid-9")


async def test_a_new_process_unmounts_what_an_old_one_mounted(
    mounting: Mounting, recorded_host: Host, recorded_mounts: RecordedMounts, tmp_path: Path
) -> None:
    source = mounting.source(tmp_path)
    await mounting.make(recorded_host).mount(source, pod())
    await mounting.make(recorded_host).unmount(source.name, "uid-1")
    assert recorded_mounts.mounted == []


async def test_two_pods_have_it_side_by_side(
    mounting: Mounting, recorded_host: Host, recorded_mounts: RecordedMounts, tmp_path: Path
) -> None:
    plugin, source = mounting.make(recorded_host), mounting.source(tmp_path)
    await plugin.mount(source, pod("uid-1"))
    other = await plugin.mount(source, pod("uid-2"))
    await plugin.unmount(source.name, "uid-1")
    assert other.exists()


async def test_a_mount_that_fails_leaves_nothing_mounted_and_works_the_next_time(
    mounting: Mounting, recorded_host: Host, recorded_mounts: RecordedMounts, tmp_path: Path
) -> None:
    plugin, source = mounting.make(recorded_host), mounting.source(tmp_path)
    recorded_mounts.fail_next = True
    try:
        await plugin.mount(source, pod())
    except PluginError:
        assert recorded_mounts.mounted == []
    assert (await plugin.mount(source, pod())).exists() or isinstance(plugin, NfsMounter)


@pytest.mark.parametrize("uid", ["", ".", "..", "../../etc", "a/b", "x\0"])
async def test_a_pod_whose_uid_leads_elsewhere_gets_nothing(
    mounting: Mounting, recorded_host: Host, tmp_path: Path, uid: str
) -> None:
    plugin = mounting.make(recorded_host)
    if isinstance(plugin, HostPathMounter):
        return  # has no directory of the pod's
    with pytest.raises(Failed, match="part of a path"):
        await plugin.mount(mounting.source(tmp_path), pod(uid))
    with pytest.raises(Failed, match="part of a path"):
        await plugin.unmount("data", uid)


async def test_a_source_of_other_types_is_an_error_of_ours(mounting: Mounting, recorded_host: Host) -> None:
    broken = Source("data", "broken", {"path": 7, "server": [], "medium": {}}, persistent=True)
    with pytest.raises(Failed):
        await mounting.make(recorded_host).mount(broken, pod())
