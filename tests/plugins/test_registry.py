"""Which plugin answers for which class and volume."""

from typing import Any

import pytest

from plugins.csi.volumes import CsiVolumes
from plugins.host_path import HostPath
from plugins.registry import Registry, Settings
from tests.plugins.objects import at, volume


def test_classes_name_plugins_by_provisioner() -> None:
    registry = Registry()
    assert isinstance(registry.provisioner("kubernetes.io/host-path"), HostPath)
    assert registry.provisioner("kubernetes.io/nfs") is None
    assert registry.provisioner("example.com/unknown") is None


def test_volumes_name_plugins_by_source() -> None:
    registry = Registry()
    nfs = volume(nfs={"server": "s", "path": "/x"})
    assert isinstance(registry.deleter(at("/tmp/x")), HostPath)
    assert registry.deleter(nfs) is None
    assert registry.recycler(nfs) is not None
    assert registry.deleter(volume(csi={"driver": "d", "volumeHandle": "h"})) is None
    assert registry.recycler(volume(local={"path": "/mnt/x"})) is None


@pytest.mark.parametrize(
    ("source", "size", "seconds"),
    [
        ({"hostPath": {"path": "/tmp/x"}}, "1Gi", 60),
        ({"hostPath": {"path": "/tmp/x"}}, "3Gi", 90),
        ({"hostPath": {"path": "/tmp/x"}}, "4095Mi", 90),
        ({"nfs": {"server": "s", "path": "/x"}}, "10Gi", 300),
        ({"nfs": {"server": "s", "path": "/x"}}, "11Gi", 330),
    ],
)
def test_larger_volumes_may_be_scrubbed_longer(source: dict[str, Any], size: str, seconds: int) -> None:
    recycled = volume(size=size, **source)
    recycler = Registry().recycler(recycled)
    assert recycler is not None
    assert recycler.scrub_seconds(recycled) == seconds


def test_a_csi_driver_that_is_named_makes_and_deletes_its_own_volumes_alone() -> None:
    registry = Registry(Settings(csi={"a.csi": "unix:///run/a.sock", "b.csi": "unix:///run/b.sock"}))
    found = registry.provisioner("b.csi")
    assert isinstance(found, CsiVolumes)
    assert found.name == "b.csi"
    assert registry.deleter(volume(csi={"driver": "b.csi", "volumeHandle": "h"})) is found
    assert registry.deleter(volume(csi={"driver": "c.csi", "volumeHandle": "h"})) is None
    assert registry.recycler(volume(csi={"driver": "b.csi", "volumeHandle": "h"})) is None
