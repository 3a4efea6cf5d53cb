"""Entries of the journal: what is packed can be read, by every later version, and takes little room."""

import zlib

import msgspec
import pytest

from controllers.csi.provisioner.job import Job, read, written
from controllers.csi.provisioner.packing import packed, unpacked
from model.meta import JSON
from plugins.csi import csi_pb2 as pb

UID = "dfc4da55-5ec6-4a34-b94e-ca574afcf3f1"
PACKED = (
    "eLvouNxha8OeBG5qgNJASlqySUqiqamuaWqyma5JorGJbpKlSapucqKpuUliWnKacZohSelkaaIe0I2jiYVgYlmSllhcQkmCWZgM"
    "SjE3VYiJQvzJarGRoRlyyoLEITx5GXERnVSE2DgagIAFb4IEAMSoBq8="
)
"""An entry as the first version packed it."""


def job() -> Job:
    draft: JSON = {
        "metadata": {
            "name": f"pvc-{UID}",
            "annotations": {
                "pv.kubernetes.io/provisioned-by": "a.csi",
                "volume.kubernetes.io/provisioner-deletion-secret-name": "",
                "volume.kubernetes.io/provisioner-deletion-secret-namespace": "",
            },
            "finalizers": ["external-provisioner.volume.kubernetes.io/finalizer"],
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": "fast",
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "namespace": "default",
                "name": "c",
                "uid": UID,
                "apiVersion": "v1",
                "resourceVersion": "216",
            },
            "csi": {"driver": "a.csi"},
        },
    }
    request = pb.CreateVolumeRequest(name=f"pvc-{UID}", capacity_range=pb.CapacityRange(required_bytes=1 << 30))
    return Job(draft=draft, request=request.SerializeToString(deterministic=True))


def test_a_job_is_read_as_it_was_and_takes_little_room() -> None:
    text, shared = written(job())
    assert read(text, shared) == job()
    assert len(text) < len(msgspec.json.encode(job())) / 4


def test_what_the_first_version_wrote_can_be_read() -> None:
    assert read(PACKED, {}) == job()


def test_what_is_cut_off_or_none_of_ours_is_not_read() -> None:
    text = packed(b"content " * 100)
    assert unpacked(text) == b"content " * 100
    for wrong in (text[:-8], "", "?", "YWJj", packed(b"\x00")[:4]):
        with pytest.raises((ValueError, zlib.error)):
            unpacked(wrong)
