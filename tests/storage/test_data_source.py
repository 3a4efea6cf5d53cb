"""What a claim is filled from, and why not."""

import msgspec
import pytest

from model.grants import ReferenceGrant
from model.names import SNAPSHOT_MODE_CHANGE, SNAPSHOT_RESTORE_PROTECTION
from model.snapshots import VolumeSnapshot, VolumeSnapshotContent
from model.volumes import DataSource, PersistentVolume, PersistentVolumeClaim
from storage.data_source import Foreign, FromClaim, FromSnapshot, Known, Unusable, filling, source_of

DRIVER = "disk.example.com"
GI = 1 << 30


def merged(base, change):
    """The object with the change in it; None takes a field away."""
    whole = dict(base)
    for key, value in change.items():
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, dict) and isinstance(whole.get(key), dict):
            whole[key] = merged(whole[key], value)
        else:
            whole[key] = value
    return whole


def make(view, base, change):
    return msgspec.convert(merged(base, change), view)


def snapshot(**change):
    base = {
        "metadata": {"namespace": "ns", "name": "snap", "uid": "u-snap"},
        "spec": {"source": {"persistentVolumeClaimName": "data"}},
        "status": {"boundVolumeSnapshotContentName": "content", "readyToUse": True, "restoreSize": "1Gi"},
    }
    return make(VolumeSnapshot, base, change)


def content(**change):
    base = {
        "metadata": {"name": "content"},
        "spec": {
            "driver": DRIVER,
            "sourceVolumeMode": "Filesystem",
            "volumeSnapshotRef": {"namespace": "ns", "name": "snap", "uid": "u-snap"},
        },
        "status": {"snapshotHandle": "s-1", "readyToUse": True, "restoreSize": 2 * GI},
    }
    return make(VolumeSnapshotContent, base, change)


def origin(**change):
    base = {
        "metadata": {"namespace": "ns", "name": "data", "uid": "u-data"},
        "spec": {"volumeName": "disk", "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound"},
    }
    return make(PersistentVolumeClaim, base, change)


def disk(**change):
    base = {
        "metadata": {"name": "disk"},
        "spec": {
            "csi": {"driver": DRIVER, "volumeHandle": "v-1"},
            "claimRef": {"namespace": "ns", "name": "data", "uid": "u-data"},
        },
        "status": {"phase": "Bound"},
    }
    return make(PersistentVolume, base, change)


def grant(**change):
    base = {
        "metadata": {"namespace": "ns", "name": "share"},
        "spec": {
            "from": [{"group": "", "kind": "PersistentVolumeClaim", "namespace": "other"}],
            "to": [{"group": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot"}],
        },
    }
    return make(ReferenceGrant, base, change)


SNAPSHOT = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "snap"}
CLAIM = {"kind": "PersistentVolumeClaim", "name": "data"}


def wanting(source, *, namespace="ns", field="dataSource", **spec):
    base = {
        "metadata": {"namespace": namespace, "name": "new", "uid": "u-new"},
        "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}, field: source},
    }
    return make(PersistentVolumeClaim, base, {"spec": spec})


def known(*objects, grants=None):
    by_kind = {
        view: {each.key: each for each in objects if isinstance(each, view)}
        for view in (VolumeSnapshot, VolumeSnapshotContent, PersistentVolumeClaim, PersistentVolume)
    }
    return Known(
        by_kind[VolumeSnapshot].get,
        by_kind[VolumeSnapshotContent].get,
        by_kind[PersistentVolumeClaim].get,
        by_kind[PersistentVolume].get,
        None if grants is None else (lambda namespace: [each for each in grants if each.namespace == namespace]),
    )


def why(claim, *objects, grants=None):
    answer = filling(claim, DRIVER, known(*objects, grants=grants))
    assert isinstance(answer, Unusable)
    return answer.why


@pytest.mark.parametrize("field", ["dataSource", "dataSourceRef"])
def test_a_ready_snapshot_answers_its_handle_and_the_size_it_needs(field):
    there = snapshot(), content()
    assert filling(wanting(SNAPSHOT, field=field), DRIVER, known(*there)) == FromSnapshot(*there, "s-1", GI)


def test_the_size_is_the_contents_where_the_snapshot_has_none_and_unknown_where_neither_has():
    bare = snapshot(status={"restoreSize": None})
    roomy = wanting(SNAPSHOT, resources={"requests": {"storage": "2Gi"}})
    assert filling(roomy, DRIVER, known(bare, content())).restore_bytes == 2 * GI
    assert filling(roomy, DRIVER, known(bare, content(status={"restoreSize": None}))).restore_bytes is None
    assert filling(roomy, DRIVER, known(snapshot(status={"restoreSize": 7}), content())).restore_bytes == 7


@pytest.mark.parametrize(
    ("snapshots", "contents", "expected"),
    [
        ({"metadata": {"name": "other"}}, {}, "there is no VolumeSnapshot ns/snap"),
        ({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, {}, "is being deleted"),
        ({"status": {"boundVolumeSnapshotContentName": None}}, {}, "is not bound to a content yet"),
        ({"status": None}, {}, "is not bound to a content yet"),
        ({}, {"metadata": {"name": "other"}}, "is bound to content content, which is not there"),
        ({}, {"spec": {"volumeSnapshotRef": {"uid": "u-earlier"}}}, "belongs to another snapshot"),
        ({}, {"spec": {"volumeSnapshotRef": {"uid": ""}}}, "belongs to another snapshot"),
        ({}, {"spec": {"volumeSnapshotRef": {"namespace": "other"}}}, "belongs to another snapshot"),
        ({}, {"spec": {"driver": "other.example.com"}}, "is of driver other.example.com, not disk.example.com"),
        ({"status": {"readyToUse": False}}, {}, "is not ready to use"),
        ({"status": {"readyToUse": None}}, {}, "is not ready to use"),
        ({}, {"status": {"snapshotHandle": None}}, "has no handle in content content yet"),
        ({"status": {"restoreSize": "1025Mi"}}, {}, "needs a volume of 1074790400 bytes, the claim requests 1Gi"),
        ({}, {"spec": {"sourceVolumeMode": "Block"}}, "is of a Block volume, the claim wants Filesystem"),
    ],
)
def test_a_snapshot_that_can_not_be_restored_says_why(snapshots, contents, expected):
    assert expected in why(wanting(SNAPSHOT), snapshot(**snapshots), content(**contents))


def test_a_snapshot_that_goes_while_it_is_being_restored_is_restored_to_the_end():
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [SNAPSHOT_RESTORE_PROTECTION]}
    answer = filling(wanting(SNAPSHOT), DRIVER, known(snapshot(metadata=going), content()))
    assert isinstance(answer, FromSnapshot)


@pytest.mark.parametrize(("value", "allowed"), [("true", True), ("T", True), ("1", True), ("yes", False), ("", False)])
def test_the_volume_mode_may_change_where_the_content_allows_it(value, allowed):
    block = content(spec={"sourceVolumeMode": "Block"}, metadata={"annotations": {SNAPSHOT_MODE_CHANGE: value}})
    answer = filling(wanting(SNAPSHOT), DRIVER, known(snapshot(), block))
    assert isinstance(answer, FromSnapshot) == allowed


def test_a_volume_mode_that_nobody_noted_is_not_compared():
    bare = content(spec={"sourceVolumeMode": None})
    assert isinstance(filling(wanting(SNAPSHOT, volumeMode="Block"), DRIVER, known(snapshot(), bare)), FromSnapshot)


def test_another_namespace_needs_a_grant_of_it():
    claim = wanting({**SNAPSHOT, "namespace": "ns"}, namespace="other", field="dataSourceRef")
    there = snapshot(), content()
    assert "not served here" in why(claim, *there)
    assert "no ReferenceGrant of namespace ns" in why(claim, *there, grants=[])
    elsewhere = grant(metadata={"namespace": "elsewhere"})
    assert "no ReferenceGrant of namespace ns" in why(claim, *there, grants=[elsewhere])
    assert isinstance(filling(claim, DRIVER, known(*there, grants=[grant()])), FromSnapshot)


def test_a_clone_answers_the_handle_of_its_source():
    there = origin(), disk()
    assert filling(wanting(CLAIM), DRIVER, known(*there)) == FromClaim(*there, "v-1")


@pytest.mark.parametrize(
    ("origins", "disks", "expected"),
    [
        ({"metadata": {"name": "other"}}, {}, "there is no PersistentVolumeClaim ns/data"),
        ({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, {}, "is being deleted"),
        ({"status": {"phase": "Pending"}}, {}, "is Pending, not Bound"),
        ({"status": {"phase": "Lost"}}, {}, "is Lost, not Bound"),
        ({"spec": {"storageClassName": None}}, {}, "has no class"),
        ({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}, {}, "the copy must not request less: 1Gi"),
        ({"spec": {"volumeMode": "Block"}}, {}, "has volume mode Block, the copy wants Filesystem"),
        ({}, {"metadata": {"name": "other"}}, "is bound to volume 'disk', which is not there"),
        ({"spec": {"volumeName": None}}, {}, "is bound to volume '', which is not there"),
        ({}, {"spec": {"csi": {"driver": "other.example.com"}}}, "which is not of driver disk.example.com"),
        ({}, {"spec": {"csi": None}}, "which is not of driver disk.example.com"),
        ({}, {"spec": {"claimRef": {"uid": "u-earlier"}}}, "which is not bound to it"),
        ({}, {"spec": {"claimRef": None}}, "which is not bound to it"),
        ({}, {"status": {"phase": "Released"}}, "which is Released, not Bound"),
    ],
)
def test_a_claim_that_can_not_be_copied_says_why(origins, disks, expected):
    assert expected in why(wanting(CLAIM), origin(**origins), disk(**disks))


def test_a_copy_may_be_larger_and_of_another_class_but_not_without_one():
    larger = wanting(CLAIM, storageClassName="slow", resources={"requests": {"storage": "3Gi"}})
    assert isinstance(filling(larger, DRIVER, known(origin(), disk())), FromClaim)
    classless = wanting(CLAIM, storageClassName=None)
    assert "can not be copied to a claim without a class" in why(classless, origin(), disk())


def test_a_claim_without_a_source_gets_an_empty_volume():
    assert filling(origin(), DRIVER, known()) is None


def test_kinds_that_populators_fill_are_left_to_them():
    books = {"apiGroup": "library.example.com", "kind": "Book", "name": "b"}
    assert filling(wanting(books, field="dataSourceRef"), DRIVER, known()) == Foreign(
        DataSource("Book", "b", "library.example.com", "ns")
    )
    claims = {"apiGroup": "library.example.com", "kind": "PersistentVolumeClaim", "name": "b"}
    assert isinstance(filling(wanting(claims), DRIVER, known()), Foreign)


def test_a_snapshot_of_another_group_is_refused_rather_than_left_empty():
    assert "is of group snapshot.storage.k8s.io, not 'x.io'" in why(wanting({**SNAPSHOT, "apiGroup": "x.io"}))


def test_the_namespace_of_a_source_is_the_claims_own_unless_the_reference_says_otherwise():
    assert source_of(wanting(SNAPSHOT)).namespace == "ns"
    assert source_of(wanting({**SNAPSHOT, "namespace": "far"}, field="dataSourceRef")).namespace == "far"
    assert source_of(wanting({**SNAPSHOT, "namespace": "far"})).namespace == "ns"
