"""The sample drivers, with real mounts: from attaching to detaching."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.errors import Failed
from plugins.flexvolume.probe import Prober, Settings
from plugins.host import Host
from plugins.on_node import NodePlugins
from plugins.source import of_pod
from tests.plugins.objects import persistent, pod

SAMPLES = Path(__file__).parents[3] / "plugins" / "flexvolume" / "samples"
MI = 1 << 20


@pytest.fixture
def prober(tmp_path: Path, real_host: Host) -> Iterator[Prober]:
    """The samples, installed; the loop driver keeps its files in the test's own folder."""
    folder = tmp_path / "exec"
    shutil.copytree(SAMPLES, folder)
    script = folder / "lading~loop" / "loop"
    script.write_text(script.read_text().replace("/var/lib/lading-loop", str(tmp_path / "images")))
    with Prober(Settings(folder), real_host) as prober:
        yield prober


async def test_memory_for_a_pod(prober: Prober, real_host: Host) -> None:
    plugins = NodePlugins(real_host, prober)
    body = {"driver": "lading/tmpfs", "options": {"size": "2m"}}
    source = of_pod({"name": "scratch", "flexVolume": body})
    assert await plugins.attacher(source) is None
    assert await plugins.device_mounter(source) is None
    mounter = await plugins.mounter(source)
    path = await mounter.mount(source, pod())
    assert await mounter.mount(source, pod()) == path
    assert shutil.disk_usage(path).total == 2 * MI
    (path / "file").write_text("x")
    for _ in range(2):
        await mounter.unmount("scratch", "uid-1")
        assert not path.exists()


async def test_a_read_only_use_can_not_write(prober: Prober, real_host: Host) -> None:
    body = {"driver": "lading/tmpfs", "readOnly": True}
    mounter = await NodePlugins(real_host, prober).mounter(source := of_pod({"name": "scratch", "flexVolume": body}))
    path = await mounter.mount(source, pod())
    with pytest.raises(OSError, match="Read-only"):
        (path / "file").write_text("x")
    await mounter.unmount("scratch", "uid-1")


async def test_a_disk_from_attaching_to_detaching(prober: Prober, real_host: Host, loop_device: Path) -> None:
    driver = await prober.driver("lading/loop")
    assert driver is not None
    source = persistent("pv-1", flexVolume={"driver": "lading/loop", "options": {"sizeMi": "32"}})
    device = await driver.attach(source, "n1")
    assert await driver.attach(source, "n1") == device
    assert await driver.attached([source], "n1") == {"pv-1": True}
    assert await driver.wait_for_attach(source, device, 60) == device
    staged = await driver.device_mount_path(source)
    await driver.mount_device(source, device, staged)
    one, other = await driver.mount(source, pod("uid-1")), await driver.mount(source, pod("uid-2"))
    (one / "file").write_text("shared")
    assert (other / "file").read_text() == "shared"
    for uid in ("uid-1", "uid-2"):
        await driver.unmount("pv-1", uid)
    await driver.unmount_device(staged)
    assert not staged.exists()
    for _ in range(2):
        await driver.detach("pv-1", "n1")
    assert await driver.attached([source], "n1") == {"pv-1": False}


async def test_what_was_written_is_there_the_next_time_and_the_disk_grows(
    prober: Prober, real_host: Host, loop_device: Path
) -> None:
    driver = await prober.driver("lading/loop")
    assert driver is not None
    source = persistent("pv-1", flexVolume={"driver": "lading/loop", "options": {"sizeMi": "32"}})
    staged = await driver.device_mount_path(source)
    for text in ("", "kept"):
        device = await driver.attach(source, "n1")
        await driver.mount_device(source, device, staged)
        file = staged / "file"
        assert (file.read_text() if file.exists() else "") == text
        file.write_text("kept")
        await driver.unmount_device(staged)
        await driver.detach("pv-1", "n1")
    grown = await driver.expand(source, 64 * MI, 32 * MI)
    assert grown.node_expansion_required
    device = await driver.attach(source, "n1")
    sectors = Path("/sys/class/block") / Path(device).name / "size"
    assert int(sectors.read_text()) * 512 == 64 * MI
    await driver.detach("pv-1", "n1")


async def test_a_name_that_leads_elsewhere_is_refused_by_the_driver_too(prober: Prober) -> None:
    driver = await prober.driver("lading/loop")
    assert driver is not None
    with pytest.raises(Failed, match="no name for a file"):
        await driver.detach("../../etc/passwd", "n1")
