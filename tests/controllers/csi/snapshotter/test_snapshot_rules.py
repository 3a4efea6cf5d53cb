"""What is next about a VolumeSnapshot, decided without a server."""

import msgspec
import pytest

from controllers.csi.snapshotter.snapshots.actions import (
    Bind,
    DeleteContent,
    Fail,
    Hold,
    HoldClaim,
    LetGo,
    MakeContent,
    Nothing,
    Postpone,
    Reason,
    Release,
    SetClass,
    Tell,
)
from controllers.csi.snapshotter.snapshots.decide import decide, frees
from controllers.csi.snapshotter.snapshots.execute import status_of
from model import names
from tests.controllers.csi.snapshotter import objects
from tests.controllers.csi.snapshotter.views import (
    BOUND,
    FAILED,
    GIVEN,
    GOING,
    MADE,
    READY,
    SOURCE,
    TOLD,
    claim,
    content,
    earlier,
    going,
    known,
    snapshot,
    snapshot_class,
    volume,
)

# --- what is made ---


def test_a_new_snapshot_is_held_then_its_claim_then_its_content_is_made():
    given = claim(held=False), volume(), snapshot_class()
    assert decide(snapshot(held=False), known(*given)) == Hold(snapshot(held=False), SOURCE)
    assert decide(snapshot(), known(*given)) == HoldClaim(claim(held=False))
    action = decide(snapshot(), known(*GIVEN))
    assert isinstance(action, MakeContent)
    assert action.body["metadata"] == {
        "name": MADE,
        "annotations": {},
        "finalizers": [names.CONTENT_PROTECTION],
    }
    assert action.body["spec"]["source"] == {"volumeHandle": "handle-of-disk"}
    assert action.body["spec"]["deletionPolicy"] == "Delete"


def test_the_content_names_the_secret_of_its_class():
    told = snapshot_class(**objects.secret_named("snapshotter", "${volumesnapshotcontent.name}"))
    action = decide(snapshot(), known(claim(), volume(), told))
    assert isinstance(action, MakeContent)
    assert action.body["metadata"]["annotations"] == {
        names.SNAPSHOT_SECRET_NAME: MADE,
        names.SNAPSHOT_SECRET_NAMESPACE: "default",
    }


@pytest.mark.parametrize(
    ("given", "reason", "told"),
    [
        ((claim(), volume()), Reason.NO_CLASS, "there is no VolumeSnapshotClass 'fast'"),
        ((volume(), snapshot_class()), Reason.NOT_MADE, "PersistentVolumeClaim default/data is not there"),
        (
            (claim(metadata={"deletionTimestamp": GOING}), volume(), snapshot_class()),
            Reason.NOT_MADE,
            "is being deleted",
        ),
        ((claim(status={"phase": "Pending"}), volume(), snapshot_class()), Reason.NOT_MADE, "is Pending, not Bound"),
        ((claim(), snapshot_class()), Reason.NOT_MADE, "is bound to volume disk, which is not there"),
        (
            (claim(), volume(spec={"claimRef": {"uid": "u-earlier"}}), snapshot_class()),
            Reason.NOT_MADE,
            "which is not bound to it",
        ),
        (
            (claim(), volume(spec={"csi": None, "nfs": {"server": "s"}}), snapshot_class()),
            Reason.NOT_MADE,
            "which is not one of a CSI driver",
        ),
        (
            (claim(), volume(spec={"csi": {"driver": "other.csi"}}), snapshot_class()),
            Reason.NOT_MADE,
            "VolumeSnapshotClass fast is of driver a.csi, volume disk of other.csi",
        ),
        (
            (claim(), volume(), snapshot_class(**{"csi.storage.k8s.io/snapshotter-secret-name": "s"})),
            Reason.NOT_MADE,
            "name and namespace of a secret go together",
        ),
        (
            (claim(), volume(), snapshot_class(**objects.secret_named("snapshotter", "${pvc.name}"))),
            Reason.NOT_MADE,
            "'${pvc.name}' is not known here",
        ),
    ],
)
def test_a_snapshot_that_can_not_be_taken_says_why_and_holds_no_claim(given, reason, told):
    action = decide(snapshot(), known(*given))
    assert isinstance(action, Fail)
    assert (action.reason, told in action.message, action.absent) == (reason, True, "")


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        ([snapshot_class("a", default=True)], "a"),
        ([snapshot_class("a", default=True), snapshot_class("b")], "a"),
        ([snapshot_class("a", default=True), snapshot_class("b", default=True, driver="other.csi")], "a"),
        ([snapshot_class("a", default=True), snapshot_class("b", default=True)], None),
        ([snapshot_class("b", default=True, driver="other.csi")], None),
        ([], None),
    ],
)
def test_a_snapshot_without_a_class_gets_the_only_default_one_of_its_driver(defaults, expected):
    bare = snapshot(held=False, spec={"volumeSnapshotClassName": None})
    action = decide(bare, known(claim(), volume(), *defaults))
    if expected:
        assert action == SetClass(bare, expected)
    else:
        assert isinstance(action, Fail)
        assert action.reason == Reason.NO_DEFAULT_CLASS


# --- what is told ---


def test_the_status_follows_the_content():
    waiting, ready = content(), content(**READY)
    assert decide(snapshot(), known(*GIVEN, waiting)) == Tell(snapshot(), waiting)
    unready = snapshot(status={"boundVolumeSnapshotContentName": MADE, "readyToUse": False})
    assert decide(unready, known(*GIVEN, ready)) == Tell(unready, ready)
    told = snapshot(**TOLD)
    assert decide(told, known(*GIVEN, ready)) == Hold(told, BOUND)
    whole = snapshot(**TOLD, metadata={"finalizers": [SOURCE, BOUND]})
    assert decide(whole, known(*GIVEN, ready)) == Nothing()
    failing = content(status={"readyToUse": False, "error": msgspec.to_builtins(FAILED)})
    assert decide(whole, known(*GIVEN, failing)) == Tell(whole, failing)


def test_a_status_says_all_of_the_content_and_leaves_nothing_of_an_earlier_one():
    assert status_of(content(**READY)) == {
        "boundVolumeSnapshotContentName": MADE,
        "creationTime": "2001-09-09T01:46:40Z",
        "readyToUse": True,
        "restoreSize": "1Gi",
        "error": None,
    }
    failing = content(status={"readyToUse": False, "error": msgspec.to_builtins(FAILED)})
    assert status_of(failing)["error"] == msgspec.to_builtins(FAILED)
    assert status_of(failing)["restoreSize"] is None


def test_a_snapshot_that_is_retained_waits_for_no_content():
    retained = content(**READY, spec={"deletionPolicy": "Retain"})
    assert decide(snapshot(**TOLD), known(*GIVEN, retained)) == Nothing()


def test_a_claim_is_held_while_the_snapshot_is_not_ready_and_not_once_it_goes():
    bound = snapshot(
        status={"boundVolumeSnapshotContentName": MADE, "readyToUse": False}, metadata={"finalizers": [SOURCE, BOUND]}
    )
    assert decide(bound, known(claim(held=False), content())) == HoldClaim(claim(held=False))
    gone = claim(held=False, metadata={"deletionTimestamp": GOING})
    assert decide(bound, known(gone, content())) == Nothing()
    assert decide(bound, known(content())) == Nothing()


# --- contents that were there before ---


def test_a_content_that_names_the_snapshot_is_bound_to_it():
    waiting = snapshot(content="kept")
    assert decide(waiting, known(earlier())) == Bind(waiting, earlier())
    assert decide(waiting, known(earlier("u-snap"))) == Tell(waiting, earlier("u-snap"))


@pytest.mark.parametrize(
    ("wanting", "there", "reason"),
    [
        (snapshot(content="kept"), earlier("u-earlier"), Reason.CONTENT_MISBOUND),
        (
            snapshot(content="kept"),
            earlier(spec={"volumeSnapshotRef": {"name": "other"}}),
            Reason.CONTENT_MISBOUND,
        ),
        (snapshot(content="kept"), earlier(spec={"volumeSnapshotRef": {"namespace": "x"}}), Reason.CONTENT_MISBOUND),
        (
            snapshot(content="kept"),
            earlier(spec={"source": {"snapshotHandle": None, "volumeHandle": "v"}}),
            Reason.CONTENT_MISMATCH,
        ),
        (snapshot(), content(spec={"source": {"volumeHandle": None, "snapshotHandle": "s"}}), Reason.CONTENT_MISMATCH),
        (snapshot(), content(spec={"volumeSnapshotRef": {"uid": "u-earlier"}}), Reason.CONTENT_MISBOUND),
        (snapshot(), content(spec={"volumeSnapshotRef": {"uid": None}}), Reason.CONTENT_MISBOUND),
        (snapshot(**TOLD), content(spec={"volumeSnapshotRef": {"uid": "u-earlier"}}), Reason.MISBOUND),
    ],
)
def test_a_content_that_is_not_the_snapshots_is_left_as_it_is(wanting, there, reason):
    action = decide(wanting, known(*GIVEN, there))
    assert isinstance(action, Fail)
    assert action.reason == reason


@pytest.mark.parametrize(
    ("wanting", "name"), [(snapshot(content="kept"), "kept"), (snapshot(**TOLD), MADE)], ids=["before", "bound"]
)
def test_a_content_that_is_not_there_is_made_sure_of(wanting, name):
    told = f"there is no VolumeSnapshotContent {name}"
    assert decide(wanting, known(*GIVEN)) == Fail(wanting, Reason.CONTENT_MISSING, told, absent=name)


# --- the end ---


RELEASED = {"metadata": {"annotations": {names.CONTENT_BEING_DELETED: "yes"}}}


def test_a_snapshot_goes_step_by_step_and_its_content_first():
    assert decide(going(), known(content())) == Release(content())
    assert decide(going(), known(content(**RELEASED))) == DeleteContent(content(**RELEASED))
    deleted = content(metadata={**RELEASED["metadata"], "deletionTimestamp": GOING})
    assert decide(going(), known(deleted)) == LetGo(going(), (SOURCE,))
    rest = going(metadata={"finalizers": [BOUND]})
    assert decide(rest, known(deleted)) == Nothing()
    assert decide(rest, known()) == LetGo(rest, (BOUND,), absent=MADE)
    free = going(metadata={"finalizers": []})
    assert decide(free, known()) == Nothing()


def test_a_retained_content_is_marked_and_stays():
    retained = {"spec": {"deletionPolicy": "Retain"}}
    assert decide(going(), known(content(**retained))) == Release(content(**retained))
    assert decide(going(), known(content(**retained, **RELEASED))) == LetGo(going(), (SOURCE, BOUND))


@pytest.mark.parametrize(
    "there",
    [
        content(spec={"volumeSnapshotRef": {"uid": "u-other"}}),
        content(spec={"volumeSnapshotRef": {"name": "other"}}),
        content(spec={"volumeSnapshotRef": {"uid": None}}),
    ],
    ids=["other uid", "other name", "unbound"],
)
def test_a_content_that_does_not_point_back_is_not_touched(there):
    assert decide(going(), known(there)) == LetGo(going(), (SOURCE, BOUND), absent=MADE)


def test_a_snapshot_that_a_claim_is_filled_from_waits():
    action = decide(going(), known(content(), restored_by=[claim()]))
    assert action == Postpone(going(), "claim default/data is being filled from it")


def test_a_snapshot_that_goes_is_given_no_class_and_no_content():
    bare = snapshot(going=True, held=False, spec={"volumeSnapshotClassName": None})
    assert decide(bare, known(*GIVEN, snapshot_class("a", default=True))) == Nothing()


# --- claims ---


@pytest.mark.parametrize(
    ("of_claim", "snapshots", "contents", "expected"),
    [
        (claim(), [], [], True),
        (claim(held=False), [], [], False),
        (claim(), [snapshot(**TOLD)], [content()], True),
        (claim(), [snapshot()], [], False),
        (claim(), [snapshot(**TOLD), snapshot(metadata={"name": "b", "uid": "u-b"})], [], False),
        (claim(metadata={"deletionTimestamp": GOING}), [snapshot()], [], True),
        (claim(metadata={"deletionTimestamp": GOING}), [snapshot()], [content()], False),
        (claim(), [snapshot(going=True)], [content()], False),
    ],
)
def test_a_claim_is_free_when_none_of_its_snapshots_is_being_taken(of_claim, snapshots, contents, expected):
    assert frees(of_claim, snapshots, {each.name: each for each in contents}.get) == expected
