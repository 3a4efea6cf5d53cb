"""Which plugin mounts what on a node."""

import pytest

from plugins.empty_dir import EmptyDir
from plugins.errors import Failed
from plugins.flexvolume.driver import Missing
from plugins.host import Host
from plugins.local import Local
from plugins.on_node import NodePlugins
from plugins.source import of_pod
from tests.plugins.objects import local, persistent


async def test_each_source_has_its_plugin_and_what_that_can_do(recorded_host: Host) -> None:
    plugins = NodePlugins(recorded_host)
    assert isinstance(await plugins.mounter(of_pod({"name": "x"})), EmptyDir)
    disk = local("/mnt/x")
    for found in (await plugins.mounter(disk), await plugins.device_mounter(disk), await plugins.block_mapper(disk)):
        assert isinstance(found, Local)
    assert await plugins.device_mounter(local("/mnt/x", volumeMode="Block")) is None
    assert await plugins.attacher(disk) is None
    assert await plugins.expander(disk) is None
    nfs = persistent(nfs={"server": "s", "path": "/"})
    assert await plugins.device_mounter(nfs) is None
    assert await plugins.block_mapper(nfs) is None


async def test_what_nobody_mounts_is_an_error_that_says_so(recorded_host: Host) -> None:
    with pytest.raises(Failed, match="no plugin mounts volume 'pv-a' of kind gitRepo"):
        await NodePlugins(recorded_host).mounter(persistent(gitRepo={"repository": "x"}))


async def test_a_flex_driver_that_is_not_here_leaves_growing_to_the_node(recorded_host: Host) -> None:
    plugins = NodePlugins(recorded_host)
    source = persistent(flexVolume={"driver": "acme.io/disk"})
    assert isinstance(await plugins.expander(source), Missing)
    with pytest.raises(Failed, match="no plugin mounts"):
        await plugins.mounter(source)
