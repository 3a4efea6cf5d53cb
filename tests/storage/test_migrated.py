"""Volumes of in-tree plugins as their drivers are told of them."""

import pytest

from model.secrets import SecretReference
from model.volumes import Csi
from storage.migrated import as_csi, driver_of
from storage.translation import TranslationError
from tests.controllers.given import volume

FILE = {"shareName": "s", "secretName": "azure-storage-account-acc-secret", "readOnly": True}
ROWS = [
    (
        {"awsElasticBlockStore": {"volumeID": "aws://a/vol-1", "fsType": "xfs", "readOnly": True}},
        Csi("ebs.csi.aws.com", "vol-1", "xfs", True, {"partition": "0"}),
    ),
    (
        {"gcePersistentDisk": {"pdName": "d", "partition": 2}},
        Csi("pd.csi.storage.gke.io", "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d", "", False, {"partition": "2"}),
    ),
    (
        {"azureDisk": {"diskURI": "/d", "cachingMode": "None", "fsType": "ext4", "kind": "Managed"}},
        Csi(
            "disk.csi.azure.com",
            "/d",
            "ext4",
            False,
            {"kind": "Managed", "cachingmode": "None", "fstype": "ext4"},
        ),
    ),
    (
        {"cinder": {"volumeID": "c", "fsType": "ext4"}},
        Csi("cinder.csi.openstack.org", "c", "ext4", False, {}),
    ),
    (
        {"portworxVolume": {"volumeID": "p"}},
        Csi("pxd.portworx.com", "p", "", False, {}),
    ),
    (
        {"vsphereVolume": {"volumePath": "[ds] a.vmdk", "fsType": "ext4", "storagePolicyName": "gold"}},
        Csi("csi.vsphere.vmware.com", "[ds] a.vmdk", "ext4", False, {"storagepolicyname": "gold"}),
    ),
    (
        {"azureFile": {**FILE, "secretNamespace": "n"}},
        Csi("file.csi.azure.com", "#acc#s#disk#n", "", True, {"sharename": "s"}),
    ),
    (
        {"azureFile": {**FILE, "secretName": "mine"}, "claimRef": {"namespace": "ns", "name": "c"}},
        Csi("file.csi.azure.com", "#mine#s#disk#ns", "", True, {"sharename": "s"}),
    ),
]


@pytest.mark.parametrize(("spec", "csi"), ROWS, ids=[next(iter(spec)) for spec, _ in ROWS])
def test_the_whole_source_is_told(spec, csi):
    given = volume(spec=spec)
    assert as_csi(given).csi == csi
    assert driver_of(given) == csi.driver


def test_a_portworx_volume_has_its_secret_from_annotations():
    keys = {"openstorage.io/auth-secret-name": "s", "openstorage.io/auth-secret-namespace": "n"}
    csi = as_csi(volume(metadata={"annotations": keys}, spec={"portworxVolume": {"volumeID": "p"}})).csi
    assert csi is not None
    assert csi.controller_publish_secret_ref == csi.controller_expand_secret_ref == SecretReference("n", "s")


@pytest.mark.parametrize(
    ("modes", "told"),
    [
        (["ReadWriteMany"], ("ReadWriteOnce",)),
        (["ReadWriteOnce", "ReadOnlyMany"], ("ReadWriteOnce",)),
        (["ReadOnlyMany"], ("ReadOnlyMany",)),
    ],
)
def test_a_gce_disk_is_written_by_one_or_read_by_many(modes, told):
    given = volume(spec={"gcePersistentDisk": {"pdName": "d"}, "accessModes": modes})
    assert as_csi(given).access_modes == told


def test_what_is_csi_already_stays_as_it_is():
    given = volume(spec={"csi": {"driver": "a.csi", "volumeHandle": "h"}})
    assert as_csi(given) is given.spec
    assert driver_of(given) == "a.csi"


@pytest.mark.parametrize(
    ("spec", "why"),
    [({"nfs": {}}, "no volume of a CSI driver"), ({"azureFile": FILE}, "could not find a secret namespace")],
)
def test_what_no_driver_can_name_is_told(spec, why):
    with pytest.raises(TranslationError, match=why):
        as_csi(volume(spec=spec))
