"""What drivers are asked to attach: the mode of several, what is only read, the file system."""

import msgspec
import pytest

from controllers.csi.attacher.requests import PublishOptions, publish_request
from model.volumes import VolumeSpec
from plugins.csi import csi_pb2 as pb
from plugins.csi.access import one_mode
from plugins.errors import Failed
from storage.translation import repaired_handle

Mode = pb.VolumeCapability.AccessMode


def spec(*modes, **more):
    csi = {"driver": "a.csi", "volumeHandle": "h", **more.pop("csi", {})}
    return msgspec.convert({"accessModes": list(modes or ("ReadWriteOnce",)), "csi": csi, **more}, VolumeSpec)


def asked(given, **options):
    return publish_request(given, "n", {}, PublishOptions(**options))


@pytest.mark.parametrize(
    ("modes", "plain", "sharper"),
    [
        (["ReadWriteOnce"], Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_MULTI_WRITER),
        (["ReadOnlyMany"], Mode.MULTI_NODE_READER_ONLY, Mode.MULTI_NODE_READER_ONLY),
        (["ReadWriteOncePod"], Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_SINGLE_WRITER),
        (
            ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
            Mode.MULTI_NODE_MULTI_WRITER,
            Mode.MULTI_NODE_MULTI_WRITER,
        ),
    ],
)
def test_one_mode_stands_for_all(modes, plain, sharper):
    assert asked(spec(*modes)).volume_capability.access_mode.mode == plain
    assert asked(spec(*modes), tells_pods_apart=True).volume_capability.access_mode.mode == sharper


@pytest.mark.parametrize(
    ("modes", "why"),
    [
        ([], "has no access mode"),
        (["ReadWriteOnce", "ReadOnlyMany"], "no access mode that is all of ReadOnlyMany, ReadWriteOnce"),
        (["ReadWriteOncePod", "ReadWriteMany"], "goes with no other"),
        (["Sometimes"], "'Sometimes' is no access mode"),
    ],
)
def test_modes_that_exclude_each_other_are_refused(modes, why):
    with pytest.raises(Failed, match=why):
        asked(msgspec.structs.replace(spec(), access_modes=tuple(modes)))


def test_equal_modes_are_one():
    assert one_mode(["ReadOnlyMany", "ReadOnlyMany"]) == "ReadOnlyMany"


def test_only_a_driver_that_knows_it_is_asked_to_attach_for_reading():
    given = spec(csi={"readOnly": True})
    assert not asked(given).readonly
    assert asked(given, reads_only=True).readonly
    assert not asked(spec(), reads_only=True).readonly


def test_the_file_system_and_its_options_are_told():
    mount = asked(spec(csi={"fsType": "xfs"}, mountOptions=["noatime"]), default_fs_type="ext4").volume_capability.mount
    assert (mount.fs_type, list(mount.mount_flags)) == ("xfs", ["noatime"])
    assert asked(spec(), default_fs_type="ext4").volume_capability.mount.fs_type == "ext4"


def test_a_block_volume_has_neither():
    capability = asked(spec(volumeMode="Block"), default_fs_type="ext4").volume_capability
    assert capability.WhichOneof("access_type") == "block"


def test_the_volumes_attributes_are_told():
    assert dict(asked(spec(csi={"volumeAttributes": {"pool": "fast"}})).volume_context) == {"pool": "fast"}


@pytest.mark.parametrize(
    ("handle", "mended"),
    [
        ("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d", "projects/p/zones/us-east1-b/disks/d"),
        ("projects/UNSPECIFIED/zones/us-east1-c/disks/d", "projects/p/zones/us-east1-c/disks/d"),
        ("projects/UNSPECIFIED/regions/us-east1/disks/d", "projects/p/regions/us-east1/disks/d"),
        ("projects/UNSPECIFIED/regions/UNSPECIFIED/disks/d", "projects/p/regions/us-east1/disks/d"),
        ("projects/q/zones/z/disks/d", "projects/q/zones/z/disks/d"),
        ("vol-1", "vol-1"),
    ],
)
def test_what_a_gce_handle_does_not_tell_the_node_tells(handle, mended):
    assert repaired_handle(handle, "projects/p/zones/us-east1-b/instances/i") == mended
    assert repaired_handle(handle, "i") == handle
