"""The driver's paths on its node, with real mounts and loop devices."""

import os
import stat
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi.errors import code_of
from plugins.errors import PluginError
from plugins.mounts import LinuxMounts
from tests.plugins.csi.hostpath import (
    MI,
    Driver,
    Mode,
    driver,
    grow,
    publish_on_node,
    stage,
)


@pytest.fixture
async def hostpath(tmp_path: Path, real_mounts: LinuxMounts) -> AsyncIterator[Driver]:
    async with driver(tmp_path, real_mounts) as started:
        yield started


@pytest.fixture
def devices(loop_device: Path) -> None:
    """That there are loop devices here."""


async def refused(call: Awaitable[Any]) -> StatusCode | None:
    with pytest.raises(PluginError) as caught:
        await call
    return code_of(caught.value)


def measure(volume_id: str, path: Path) -> pb.NodeGetVolumeStatsRequest:
    return pb.NodeGetVolumeStatsRequest(volume_id=volume_id, volume_path=str(path))


def expand(volume_id: str, path: Path, size: int = 0) -> pb.NodeExpandVolumeRequest:
    wanted = pb.CapacityRange(required_bytes=size)
    return pb.NodeExpandVolumeRequest(volume_id=volume_id, volume_path=str(path), capacity_range=wanted)


async def test_a_directory_from_making_to_deleting(hostpath: Driver, tmp_path: Path) -> None:
    volume, staging = await hostpath.staged()
    one, target = volume.volume_id, tmp_path / "target"
    for _ in range(3):
        await hostpath.node.stage(stage(one, staging))
        await hostpath.node.publish(publish_on_node(one, staging, target))
    (target / "file").write_text("kept")
    stats = await hostpath.node.stats(measure(one, target))
    assert [usage.unit for usage in stats.usage] == [pb.VolumeUsage.BYTES, pb.VolumeUsage.INODES]
    assert stats.usage[0].total > 0
    assert not stats.volume_condition.abnormal
    assert await hostpath.node.expand(expand(one, target)) == MI
    for _ in range(3):
        await hostpath.node.unpublish(one, str(target))
        assert not target.exists()
    for _ in range(3):
        await hostpath.node.unstage(one, str(staging))
        assert staging.is_dir()
    for _ in range(3):
        await hostpath.controller.unpublish(one, "n1")
    await hostpath.controller.delete_volume(one)


async def test_a_device_from_making_to_deleting(hostpath: Driver, devices: None, tmp_path: Path) -> None:
    volume, staging = await hostpath.staged(block=True)
    one, target = volume.volume_id, tmp_path / "target"
    for _ in range(3):
        await hostpath.node.stage(stage(one, staging, block=True))
        await hostpath.node.publish(publish_on_node(one, staging, target, block=True))
    assert stat.S_ISBLK(target.stat().st_mode)
    target.write_bytes(b"data")
    assert size_of(target) == MI
    assert (await hostpath.node.stats(measure(one, target))).usage[0].total == MI
    grown = await hostpath.controller.expand(grow(one, 4 * MI))
    assert grown.node_expansion_required
    for _ in range(3):
        assert await hostpath.node.expand(expand(one, target, 4 * MI)) == 4 * MI
        assert size_of(target) == 4 * MI
    await hostpath.node.unpublish(one, str(target))
    await hostpath.node.unstage(one, str(staging))
    assert not target.exists()
    assert str(tmp_path / "state") not in loops()
    await hostpath.node.stage(stage(one, staging, block=True))
    await hostpath.node.publish(publish_on_node(one, staging, target, block=True))
    with target.open("rb") as device:
        assert device.read(4) == b"data"
    await hostpath.node.unpublish(one, str(target))
    await hostpath.node.unstage(one, str(staging))
    await hostpath.controller.unpublish(one, "n1")
    await hostpath.controller.delete_volume(one)


async def test_a_read_only_device_can_not_be_written(hostpath: Driver, devices: None, tmp_path: Path) -> None:
    volume, staging = await hostpath.staged(block=True)
    target = tmp_path / "target"
    await hostpath.node.publish(publish_on_node(volume.volume_id, staging, target, block=True, readonly=True))
    with pytest.raises(OSError, match=r"not permitted|Read-only"):
        target.write_bytes(b"data")
    await hostpath.node.unpublish(volume.volume_id, str(target))
    await hostpath.node.unstage(volume.volume_id, str(staging))


@pytest.mark.parametrize("how", [{"readonly": True}, {"mode": Mode.MULTI_NODE_READER_ONLY}, {"flags": ("ro",)}])
async def test_a_read_only_directory_can_not_be_written(hostpath: Driver, tmp_path: Path, how: dict[str, Any]) -> None:
    volume, staging = await hostpath.staged()
    target = tmp_path / "target"
    await hostpath.node.publish(publish_on_node(volume.volume_id, staging, target, **how))
    with pytest.raises(OSError, match="Read-only"):
        (target / "file").write_text("x")
    await hostpath.node.unpublish(volume.volume_id, str(target))
    await hostpath.node.unstage(volume.volume_id, str(staging))


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        (Mode.SINGLE_NODE_WRITER, StatusCode.FAILED_PRECONDITION),
        (Mode.SINGLE_NODE_SINGLE_WRITER, StatusCode.FAILED_PRECONDITION),
        (Mode.SINGLE_NODE_MULTI_WRITER, None),
        (Mode.MULTI_NODE_MULTI_WRITER, None),
    ],
)
async def test_a_second_path_is_for_modes_that_share(
    hostpath: Driver, tmp_path: Path, mode: Any, code: StatusCode | None
) -> None:
    volume, staging = await hostpath.staged()
    one, targets = volume.volume_id, (tmp_path / "a", tmp_path / "b")
    await hostpath.node.publish(publish_on_node(one, staging, targets[0], mode=mode))
    second = hostpath.node.publish(publish_on_node(one, staging, targets[1], mode=mode))
    if code is None:
        await second
        assert await refused(hostpath.node.unstage(one, str(staging))) is StatusCode.FAILED_PRECONDITION
    else:
        assert await refused(second) is code
    for target in targets:
        await hostpath.node.unpublish(one, str(target))
    await hostpath.node.unstage(one, str(staging))


async def test_the_same_path_in_another_way_is_refused(hostpath: Driver, tmp_path: Path) -> None:
    volume, staging = await hostpath.staged()
    one, target = volume.volume_id, tmp_path / "target"
    node = hostpath.node
    await node.publish(publish_on_node(one, staging, target))
    other_ways: list[dict[str, Any]] = [{"readonly": True}, {"mode": Mode.MULTI_NODE_MULTI_WRITER}]
    for how in other_ways:
        assert await refused(node.publish(publish_on_node(one, staging, target, **how))) is StatusCode.ALREADY_EXISTS
    other = stage(one, staging, mode=Mode.MULTI_NODE_MULTI_WRITER)
    assert await refused(node.stage(other)) is StatusCode.ALREADY_EXISTS
    await node.unpublish(one, str(target))
    await node.unstage(one, str(staging))


Call = Callable[[Driver, str, Path], Awaitable[Any]]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda d, v, p: d.node.stage(stage("", p)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.stage(pb.NodeStageVolumeRequest(volume_id=v)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.stage(stage(v, Path("relative"))), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.stage(stage(v, p / "../x")), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.stage(stage("none", p)), StatusCode.NOT_FOUND),
        (lambda d, v, p: d.node.stage(stage(v, p, block=True)), StatusCode.FAILED_PRECONDITION),
        (lambda d, v, p: d.node.unstage("", str(p)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.unstage(v, ""), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.publish(publish_on_node("", p, p)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.publish(publish_on_node(v, "", p)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.publish(publish_on_node(v, p, Path("x"))), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.publish(publish_on_node(v, p, p)), StatusCode.FAILED_PRECONDITION),
        (lambda d, v, p: d.node.publish(publish_on_node(v, p, p, flags=("a,b",))), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.unpublish("", str(p)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.unpublish(v, ""), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.stats(measure("", p)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.stats(pb.NodeGetVolumeStatsRequest(volume_id=v)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.stats(measure("none", p)), StatusCode.NOT_FOUND),
        (lambda d, v, p: d.node.stats(measure(v, p)), StatusCode.NOT_FOUND),
        (lambda d, v, p: d.node.expand(expand("", p)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.expand(pb.NodeExpandVolumeRequest(volume_id=v)), StatusCode.INVALID_ARGUMENT),
        (lambda d, v, p: d.node.expand(expand("none", p)), StatusCode.NOT_FOUND),
    ],
)
async def test_what_the_node_refuses(hostpath: Driver, tmp_path: Path, call: Call, code: StatusCode) -> None:
    volume = await hostpath.attached()
    assert await refused(call(hostpath, volume.volume_id, tmp_path / "path")) is code


async def test_what_is_not_attached_is_not_staged(hostpath: Driver, tmp_path: Path) -> None:
    volume = await hostpath.made()
    assert await refused(hostpath.node.stage(stage(volume.volume_id, tmp_path))) is StatusCode.FAILED_PRECONDITION


async def test_what_is_staged_is_neither_detached_nor_deleted(hostpath: Driver) -> None:
    volume, staging = await hostpath.staged()
    one, controller = volume.volume_id, hostpath.controller
    assert await refused(controller.unpublish(one, "n1")) is StatusCode.FAILED_PRECONDITION
    assert await refused(controller.delete_volume(one)) is StatusCode.FAILED_PRECONDITION
    await hostpath.node.unstage(one, str(staging))
    await controller.unpublish(one, "n1")
    await controller.delete_volume(one)


async def test_growing_beyond_the_volume_is_refused(hostpath: Driver) -> None:
    volume, staging = await hostpath.staged()
    assert await refused(hostpath.node.expand(expand(volume.volume_id, staging, 2 * MI))) is StatusCode.OUT_OF_RANGE
    await hostpath.node.unstage(volume.volume_id, str(staging))


async def test_a_pods_own_volume_comes_and_goes_with_it(hostpath: Driver, tmp_path: Path) -> None:
    one, target = "csi-0123abcd", tmp_path / "target"
    context = {"csi.storage.k8s.io/ephemeral": "true", "size": str(2 * MI)}
    request = publish_on_node(one, "", target, context=context)
    for _ in range(2):
        await hostpath.node.publish(request)
    (target / "file").write_text("x")
    for _ in range(2):
        await hostpath.node.unpublish(one, str(target))
    assert not target.exists()
    assert not list((tmp_path / "state" / "volumes").iterdir())


@pytest.mark.parametrize("one", ["../../escaped", "a/b", ".hidden", "x" * 129])
async def test_a_pods_own_volume_can_not_lead_elsewhere(hostpath: Driver, tmp_path: Path, one: str) -> None:
    request = publish_on_node(one, "", tmp_path / "target", context={"csi.storage.k8s.io/ephemeral": "true"})
    assert await refused(hostpath.node.publish(request)) is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("size", ["big", "-1", "0", "1Gi", "9" * 30])
async def test_a_pods_own_volume_has_a_size_or_none(hostpath: Driver, tmp_path: Path, size: str) -> None:
    context = {"csi.storage.k8s.io/ephemeral": "true", "size": size}
    request = publish_on_node("csi-1", "", tmp_path / "target", context=context)
    assert await refused(hostpath.node.publish(request)) is StatusCode.INVALID_ARGUMENT


async def test_files_at_a_path_that_is_not_ours_stay(hostpath: Driver, tmp_path: Path) -> None:
    volume = await hostpath.made()
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("precious")
    for name in ("file", "folder"):
        with pytest.raises(PluginError):
            await hostpath.node.unpublish(volume.volume_id, str(tmp_path / name))
    assert (tmp_path / "file").exists()
    assert (tmp_path / "folder" / "file").exists()


async def test_after_the_machines_restart_the_same_calls_mount_again(tmp_path: Path, real_mounts: LinuxMounts) -> None:
    async with driver(tmp_path, real_mounts) as hostpath:
        volume, staging = await hostpath.staged()
        one, target = volume.volume_id, tmp_path / "target"
        await hostpath.node.publish(publish_on_node(one, staging, target))
        (target / "file").write_text("kept")
        context = {"csi.storage.k8s.io/ephemeral": "true"}
        await hostpath.node.publish(publish_on_node("csi-1", "", tmp_path / "own", context=context))
    for path in (target, staging, tmp_path / "own"):
        await real_mounts.unmount(path)
    async with driver(tmp_path, real_mounts) as hostpath:
        assert [entry.volume.volume_id async for entry in hostpath.controller.volumes()] == [one]
        again = publish_on_node(one, staging, target)
        assert await refused(hostpath.node.publish(again)) is StatusCode.FAILED_PRECONDITION
        await hostpath.node.stage(stage(one, staging))
        await hostpath.node.publish(again)
        assert (target / "file").read_text() == "kept"
        await hostpath.node.unpublish(one, str(target))
        await hostpath.node.unstage(one, str(staging))


def size_of(device: Path) -> int:
    descriptor = os.open(device, os.O_RDONLY)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def loops() -> str:
    return subprocess.run(["losetup", "--list"], capture_output=True, text=True, check=True).stdout
