"""Who destroys a volume, and which marks of migration it carries."""

import msgspec

from controllers.migration import claim_marks, volume_marks
from controllers.reclaim import Reclaim, reclaim_of
from model import names
from plugins.registry import Registry
from tests.controllers.binding.objects import claim, volume
from tests.controllers.tables import table

PLUGINS = Registry()
HOST = {"hostPath": {"path": "/tmp/x"}}
CSI = {"csi": {"driver": "csi.example.com", "volumeHandle": "h"}}
BY_US = {names.PROVISIONED_BY: "kubernetes.io/host-path"}

RECLAIMS = [
    ("kept", "Retain", {}, {}, Reclaim.KEEP),
    ("emptied", "Recycle", {}, {"nfs": {"server": "s", "path": "/"}}, Reclaim.RECYCLE),
    ("what is that", "Burn", {}, {}, Reclaim.UNKNOWN_POLICY),
    ("a driver's by its source", "Delete", {}, CSI, Reclaim.DESTROY),
    ("a driver's by its provisioner", "Delete", {names.PROVISIONED_BY: "csi.example.com"}, {}, Reclaim.DESTROY),
    ("our plugin's by its source", "Delete", {}, HOST, Reclaim.DESTROY),
    ("our plugin's by its provisioner", "Delete", BY_US, HOST, Reclaim.DESTROY),
    ("a plugin that is not there", "Delete", {names.PROVISIONED_BY: "kubernetes.io/flocker"}, HOST, Reclaim.NO_DELETER),
    ("our plugin's, of another's source", "Delete", BY_US, {"nfs": {"server": "s"}}, Reclaim.NO_DELETER),
    ("nobody's", "Delete", {}, {"gcePersistentDisk": {"pdName": "d"}}, Reclaim.NO_DELETER),
    ("a driver has taken over", "Delete", {names.MIGRATED_TO: "d"}, HOST, Reclaim.KEEP),
    ("an empty mark", "Delete", {names.MIGRATED_TO: ""}, HOST, Reclaim.DESTROY),
]


@table("policy marks source expected", RECLAIMS)
def test_what_becomes_of_a_released_volume(policy, marks, source, expected):
    there = volume("v", annotations=marks, persistentVolumeReclaimPolicy=policy, **source)
    assert reclaim_of(there, PLUGINS) is expected


def with_finalizers(there, *finalizers):
    metadata = msgspec.structs.replace(there.metadata, finalizers=finalizers)
    return msgspec.structs.replace(there, metadata=metadata)


EBS = {names.PROVISIONED_BY: "kubernetes.io/aws-ebs"}
TO_EBS = {names.MIGRATED_TO: "ebs.csi.aws.com"}
OURS, THEIRS = names.VOLUME_CONTROLLER, names.EXTERNAL_PROVISIONER
MARKS = [
    ("by hand", {}, "Delete", (THEIRS,), None),
    ("migrated", EBS, "Delete", (OURS, THEIRS), {"annotations": TO_EBS, "finalizers": [THEIRS]}),
    ("migrated, marked", EBS | TO_EBS, "Delete", (THEIRS,), None),
    ("no longer migrated", BY_US | TO_EBS, "Delete", (OURS,), {"annotations": {names.MIGRATED_TO: None}}),
    ("in the tree", BY_US, "Delete", (THEIRS,), {"finalizers": [OURS]}),
    ("in the tree, kept", BY_US, "Retain", ("a", OURS), {"finalizers": ["a"]}),
    ("a driver's", {names.PROVISIONED_BY: "csi.example.com"}, "Delete", (THEIRS,), None),
]


@table("marks policy finalizers changes", MARKS)
def test_the_marks_of_a_volume(marks, policy, finalizers, changes):
    there = with_finalizers(volume("v", annotations=marks, persistentVolumeReclaimPolicy=policy), *finalizers)
    assert volume_marks(there) == (changes and {"metadata": changes})


def test_a_volume_that_goes_is_given_no_finalizer():
    there = volume("v", annotations=BY_US, persistentVolumeReclaimPolicy="Delete", deleting=True)
    assert volume_marks(there) is None


def test_the_marks_of_a_claim():
    assert claim_marks(claim("c")) is None
    assert claim_marks(claim("c", annotations={names.BETA_STORAGE_PROVISIONER: "kubernetes.io/aws-ebs"})) == {
        "metadata": {"annotations": TO_EBS}
    }
    assert claim_marks(claim("c", annotations={names.STORAGE_PROVISIONER: "csi.example.com", **TO_EBS})) == {
        "metadata": {"annotations": {names.MIGRATED_TO: None}}
    }
