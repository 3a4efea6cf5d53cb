"""Snapshots taken, used and deleted, with a driver that answers as it is told."""

from dataclasses import replace

import pytest
from grpc import StatusCode

from model import names
from tests.controllers.csi.beside import NAME, SETTINGS
from tests.controllers.csi.snapshotter.objects import (
    BOTH,
    claim,
    content,
    secret_named,
    snapshot,
    snapshot_class,
    volume,
)
from tests.controllers.csi.snapshotter.parts import CREATE, DELETE, SNAPSHOTS, USUAL, nothing, refuses, snapshotting
from tests.controllers.csi.snapshotter.storage import CREATED, CREATED_SECONDS, GI, Storage
from tests.waiting import eventually


async def test_a_snapshot_is_taken_and_ready(tmp_path):
    async with snapshotting(tmp_path, *USUAL) as parts:
        await parts.running.settle()
        uid = parts.snapshot()["metadata"]["uid"]
        assert parts.status() == {
            "boundVolumeSnapshotContentName": f"snapcontent-{uid}",
            "creationTime": CREATED,
            "readyToUse": True,
            "restoreSize": "1Gi",
        }
        made = parts.content()
        assert made["spec"] == {
            "deletionPolicy": "Delete",
            "driver": NAME,
            "source": {"volumeHandle": "handle-of-disk"},
            "sourceVolumeMode": "Filesystem",
            "volumeSnapshotClassName": "fast",
            "volumeSnapshotRef": made["spec"]["volumeSnapshotRef"],
        }
        assert made["spec"]["volumeSnapshotRef"]["uid"] == uid
        assert made["status"] == {
            "snapshotHandle": "s-1",
            "creationTime": CREATED_SECONDS * 10**9,
            "readyToUse": True,
            "restoreSize": GI,
        }
        assert names.CONTENT_BEING_CREATED not in made["metadata"].get("annotations", {})
        assert [each.name for each in parts.storage.requests(CREATE)] == [f"snapshot-{uid}"]


async def test_what_must_not_go_is_held_and_the_claim_only_until_the_snapshot_is_ready(tmp_path):
    storage = Storage()
    storage.before = refuses(StatusCode.INTERNAL, CREATE)
    async with snapshotting(tmp_path, *USUAL, storage=storage) as parts:
        await parts.complains("INTERNAL")
        assert names.SNAPSHOT_CLAIM_PROTECTION in parts.finalizers(parts.made.claim("data"))
        storage.before = nothing
        await parts.is_ready()
        await parts.running.settle()
        assert parts.finalizers(parts.snapshot()) == {
            names.SNAPSHOT_SOURCE_PROTECTION,
            names.SNAPSHOT_BOUND_PROTECTION,
        }
        assert parts.finalizers(parts.content()) == {names.CONTENT_PROTECTION}
        assert names.SNAPSHOT_CLAIM_PROTECTION not in parts.finalizers(parts.made.claim("data"))
        assert "error" not in parts.status()
        assert "error" not in parts.content()["status"]


async def test_what_happened_is_told(tmp_path):
    async with snapshotting(tmp_path, *USUAL) as parts:
        await eventually(lambda: {"CreatingSnapshot", "SnapshotCreated", "SnapshotReady"} <= parts.made.reasons("snap"))


async def test_a_snapshot_that_takes_long_is_asked_about_until_it_is_ready(tmp_path):
    storage = Storage()
    storage.polls = 3
    async with snapshotting(tmp_path, *USUAL, storage=storage) as parts:
        await eventually(lambda: parts.status().get("readyToUse") is False and parts.status().get("creationTime"))
        await parts.is_ready()
        assert len(storage.requests(CREATE)) == 4
        assert len({each.SerializeToString(deterministic=True) for each in storage.requests(CREATE)}) == 1


async def test_a_deleted_snapshot_takes_its_storage_along(tmp_path):
    async with snapshotting(tmp_path, *USUAL) as parts:
        await parts.is_ready()
        await parts.goes()
        await parts.is_gone()
        await eventually(lambda: not parts.contents())
        assert parts.storage.snapshots == {}
        assert [each.snapshot_id for each in parts.storage.requests(DELETE)] == ["s-1"]
        await parts.running.settle()


async def test_what_is_to_be_retained_stays_and_its_content_tells_that_the_snapshot_is_gone(tmp_path):
    async with snapshotting(tmp_path, snapshot_class(policy="Retain"), snapshot()) as parts:
        await parts.is_ready()
        await parts.running.settle()
        assert parts.finalizers(parts.snapshot()) == {names.SNAPSHOT_SOURCE_PROTECTION}
        await parts.goes()
        await parts.is_gone()
        await parts.running.settle()
        (left,) = parts.contents()
        assert left["metadata"]["annotations"][names.CONTENT_BEING_DELETED] == "yes"
        assert "s-1" in parts.storage.snapshots
        await parts.made.delete("VolumeSnapshotContent", "", left["metadata"]["name"])
        await eventually(lambda: not parts.contents())
        assert not parts.storage.requests(DELETE)


async def test_a_content_that_is_deleted_by_hand_waits_for_its_snapshot(tmp_path):
    async with snapshotting(tmp_path, *USUAL) as parts:
        await parts.is_ready()
        await parts.made.delete("VolumeSnapshotContent", "", parts.content()["metadata"]["name"])
        await parts.running.settle()
        assert "deletionTimestamp" in parts.content()["metadata"]
        assert parts.status()["readyToUse"] is True
        assert not parts.storage.requests(DELETE)
        await parts.goes()
        await parts.is_gone()
        assert parts.storage.snapshots == {}


async def test_the_policy_counts_that_the_content_has_when_its_snapshot_goes(tmp_path):
    async with snapshotting(tmp_path, *USUAL) as parts:
        await parts.is_ready()
        name = parts.content()["metadata"]["name"]
        await parts.made.merge("VolumeSnapshotContent", "", name, {"spec": {"deletionPolicy": "Retain"}})
        await parts.goes()
        await parts.is_gone()
        await parts.running.settle()
        assert not parts.storage.requests(DELETE)


# --- classes and sources ---


async def test_the_default_class_of_the_drivers_is_written_into_a_snapshot_without_one(tmp_path):
    others = snapshot_class("others", default=True, driver="other.csi")
    objects = (others, snapshot_class(), snapshot_class("default", default=True))
    async with snapshotting(tmp_path, *objects, snapshot(spec={"volumeSnapshotClassName": None})) as parts:
        await parts.is_ready()
        assert parts.snapshot()["spec"]["volumeSnapshotClassName"] == "default"


@pytest.mark.parametrize(
    ("defaults", "told_"), [((), "there is none"), (("one", "two"), "one, two all are")], ids=["none", "two"]
)
async def test_without_a_single_default_class_nothing_is_taken_until_there_is_one(tmp_path, defaults, told_):
    classes = [snapshot_class(each, default=True) for each in defaults]
    async with snapshotting(tmp_path, *classes, snapshot(spec={"volumeSnapshotClassName": None})) as parts:
        await parts.complains(told_)
        assert parts.status()["readyToUse"] is False
        await eventually(lambda: "SetDefaultSnapshotClassFailed" in parts.made.reasons("snap"))
        if defaults:
            await parts.made.delete("VolumeSnapshotClass", "", "two")
        else:
            await parts.made.create(snapshot_class("one", default=True))
        await parts.is_ready()


async def test_our_own_word_of_what_is_wrong_cuts_no_wait_short(tmp_path):
    settings = replace(SETTINGS, backoff_seconds=(60.0, 60.0))
    held = snapshot(metadata={"finalizers": [names.SNAPSHOT_SOURCE_PROTECTION]})
    async with snapshotting(tmp_path, held, settings=settings) as parts:
        await parts.complains("there is no VolumeSnapshotClass")
        await parts.made.delete("VolumeSnapshot", "default", "snap")
        await parts.is_gone()
        labels = {"loop": "snapshot-controller-snapshot", "result": "retry"}
        assert parts.running.registry.get_sample_value("lading_controller_passes_total", labels) == 1


async def test_a_class_that_is_not_there_yet_is_waited_for(tmp_path):
    async with snapshotting(tmp_path, snapshot()) as parts:
        await parts.complains("there is no VolumeSnapshotClass 'fast'")
        await eventually(lambda: "GetSnapshotClassFailed" in parts.made.reasons("snap"))
        await parts.made.create(snapshot_class())
        await parts.is_ready()


async def test_a_claim_that_is_not_bound_yet_is_waited_for(tmp_path):
    objects = (*USUAL, claim(volume="", status={"phase": "Pending"}))
    async with snapshotting(tmp_path, *objects, bound=False) as parts:
        await parts.complains("is Pending, not Bound")
        await eventually(lambda: "SnapshotContentCreationFailed" in parts.made.reasons("snap"))
        assert names.SNAPSHOT_CLAIM_PROTECTION not in parts.finalizers(parts.made.claim("data"))
        await parts.made.create(volume(uid=parts.made.claim("data")["metadata"]["uid"]))
        await parts.made.merge("PersistentVolumeClaim", "default", "data", {"spec": {"volumeName": "disk"}})
        await parts.made.merge(
            "PersistentVolumeClaim", "default", "data", {"status": {"phase": "Bound"}}, subresource="status"
        )
        await parts.is_ready()


async def test_parameters_and_secrets_reach_the_driver_and_what_is_kubernetes_own_does_not(tmp_path):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key-of-snap", "namespace": "default"},
        "stringData": {"token": "t"},
    }
    by = secret_named("snapshotter", "key-of-${volumesnapshot.name}")
    settings = SETTINGS.__class__(backoff_seconds=(0.01, 0.1), resync_seconds=1e6, extra_create_metadata=True)
    async with snapshotting(tmp_path, snapshot_class(tier="cold", **by), snapshot(), settings=settings) as parts:
        await parts.complains("secret default/key-of-snap not found")
        assert not parts.storage.asked
        kind = parts.made.api.kind("v1", "Secret")
        await parts.made.api.create(kind, "default", secret)
        await parts.is_ready()
        (request,) = parts.storage.requests(CREATE)
        uid = parts.snapshot()["metadata"]["uid"]
        assert dict(request.secrets) == {"token": "t"}
        assert dict(request.parameters) == {
            "tier": "cold",
            "csi.storage.k8s.io/volumesnapshot/name": "snap",
            "csi.storage.k8s.io/volumesnapshot/namespace": "default",
            "csi.storage.k8s.io/volumesnapshotcontent/name": f"snapcontent-{uid}",
        }
        await parts.goes()
        await parts.is_gone()
        assert [dict(each.secrets) for each in parts.storage.requests(DELETE)] == [{"token": "t"}]


# --- snapshots that were there before ---


@pytest.mark.parametrize("calls", [(), ("LIST_SNAPSHOTS",), ("GET_SNAPSHOT",)], ids=str)
async def test_a_snapshot_that_was_there_before_is_bound_and_ready(tmp_path, calls):
    storage = Storage()
    storage.add("s-0")
    objects = (content(), snapshot(content="kept", spec={"volumeSnapshotClassName": None}))
    async with snapshotting(tmp_path, *objects, storage=storage, calls=(*SNAPSHOTS, *calls)) as parts:
        await parts.is_ready()
        await parts.running.settle()
        facts = {"creationTime": CREATED, "restoreSize": "1Gi"} if calls else {}
        assert parts.status() == {"boundVolumeSnapshotContentName": "kept", "readyToUse": True, **facts}
        reference = parts.content("kept")["spec"]["volumeSnapshotRef"]
        assert reference["uid"] == parts.snapshot()["metadata"]["uid"]
        assert not storage.requests(CREATE)
        await parts.goes()
        await parts.is_gone()
        assert storage.snapshots == {}


async def test_a_handle_that_the_driver_does_not_know_is_an_error_until_it_does(tmp_path):
    objects = (content(), snapshot(content="kept"), snapshot_class())
    async with snapshotting(tmp_path, *objects, calls=(*SNAPSHOTS, "LIST_SNAPSHOTS")) as parts:
        await parts.complains("knows no snapshot s-0")
        await eventually(lambda: "SnapshotContentCheckandUpdateFailed" in parts.made.reasons("kept"))
        parts.storage.add("s-0", ready=False)
        await eventually(lambda: parts.status().get("restoreSize") == "1Gi")
        parts.storage.add("s-0")
        await parts.is_ready()


@pytest.mark.parametrize(
    ("contents", "told_", "reason"),
    [
        ((), "there is no VolumeSnapshotContent kept", "SnapshotContentMissing"),
        (
            (content(spec={"source": {"volumeHandle": "v"}}),),
            "is not one of a snapshot that was there before",
            "SnapshotContentMismatch",
        ),
        (
            (content(spec={"volumeSnapshotRef": {"namespace": "default", "name": "other"}}),),
            "is for another snapshot, default/other",
            "SnapshotContentMisbound",
        ),
        (
            (content(spec={"volumeSnapshotRef": {"namespace": "default", "name": "snap", "uid": "u"}}),),
            "is for another snapshot, default/snap of UID u",
            "SnapshotContentMisbound",
        ),
    ],
    ids=["missing", "mismatch", "other", "earlier"],
)
async def test_a_content_that_can_not_be_the_snapshots_is_told_of_and_outlives_it(tmp_path, contents, told_, reason):
    async with snapshotting(tmp_path, *contents, snapshot(content="kept"), controllers=BOTH[:1]) as parts:
        await parts.complains(told_)
        await eventually(lambda: reason in parts.made.reasons("snap"))
        assert parts.status()["readyToUse"] is False
        await parts.goes()
        await parts.is_gone()
        await parts.running.settle()
        assert len(parts.contents()) == len(contents)
        for each in parts.contents():
            assert "deletionTimestamp" not in each["metadata"]
            assert names.CONTENT_BEING_DELETED not in each["metadata"].get("annotations", {})


async def test_a_ready_snapshot_whose_content_vanishes_is_no_longer_ready_and_never_taken_anew(tmp_path):
    async with snapshotting(tmp_path, *USUAL) as parts:
        await parts.is_ready()
        await parts.running.settle()
        name = parts.content()["metadata"]["name"]
        await parts.made.merge("VolumeSnapshotContent", "", name, {"metadata": {"finalizers": None}})
        await parts.made.delete("VolumeSnapshotContent", "", name)
        await parts.complains(f"there is no VolumeSnapshotContent {name}")
        assert parts.status()["readyToUse"] is False
        assert len(parts.storage.requests(CREATE)) == 1


# --- claims that are filled from them ---


async def test_a_snapshot_stays_while_a_claim_is_being_filled_from_it(tmp_path):
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "snap"}
    restored = claim("restored", volume="", spec={"dataSource": source}, status={"phase": "Pending"})
    async with snapshotting(tmp_path, *USUAL, restored) as parts:
        await parts.is_ready()
        await parts.goes()
        await eventually(lambda: "SnapshotDeletePending" in parts.made.reasons("snap"))
        assert names.CONTENT_BEING_DELETED not in parts.content()["metadata"].get("annotations", {})
        await parts.made.merge(
            "PersistentVolumeClaim", "default", "restored", {"status": {"phase": "Bound"}}, subresource="status"
        )
        await parts.is_gone()


async def test_contents_of_other_drivers_are_left_alone(tmp_path):
    foreign = content(spec={"driver": "other.csi"})
    async with snapshotting(tmp_path, foreign, snapshot(content="kept"), snapshot_class()) as parts:
        await eventually(lambda: parts.status().get("boundVolumeSnapshotContentName") == "kept")
        await parts.running.settle()
        assert not parts.storage.asked
        assert "status" not in parts.content("kept")
