"""What a driver is to do about a content, decided without one; what it is told; and when it is asked again."""

import msgspec
import pytest

from controllers.csi.snapshotter import parameters
from controllers.csi.snapshotter.contents.decide import Destroy, LetGo, Look, Nothing, Settle, Take, decide, is_settled
from controllers.csi.snapshotter.contents.pace import Pace
from kube.times import moment
from model.names import CONTENT_BEING_CREATED, CONTENT_BEING_DELETED, CONTENT_PROTECTION
from model.secrets import SecretReference
from model.snapshots import VolumeSnapshotContent
from plugins.errors import Failed

PREFIX = "csi.storage.k8s.io/"


def content(*, before=False, marks=(), going=False, held=True, policy="Delete", uid="u", **status):
    """A content as the driver's side sees it; `marks` are annotations."""
    metadata = {
        "name": "c",
        "annotations": dict.fromkeys(marks, "yes"),
        "finalizers": [CONTENT_PROTECTION] if held else [],
        **({"deletionTimestamp": "2026-01-02T03:04:05Z"} if going else {}),
    }
    spec = {
        "driver": "a.csi",
        "deletionPolicy": policy,
        "source": {"snapshotHandle": "s-0"} if before else {"volumeHandle": "v"},
        "volumeSnapshotRef": {"namespace": "ns", "name": "snap", "uid": uid},
    }
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, VolumeSnapshotContent)


KNOWN = {"snapshotHandle": "s"}
DONE = {**KNOWN, "readyToUse": True}
CREATED, DELETED = (CONTENT_BEING_CREATED,), (CONTENT_BEING_DELETED,)
FREED = {"going": True, "marks": DELETED}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (content(), Take(content(), "v")),
        (content(held=False), Nothing()),
        (content(**KNOWN, readyToUse=False), Take(content(**KNOWN, readyToUse=False), "v")),
        (content(readyToUse=True), Take(content(readyToUse=True), "v")),
        (content(**DONE), Nothing()),
        (content(**DONE, marks=CREATED), Settle(content(**DONE, marks=CREATED))),
        (content(before=True), Look(content(before=True), "s-0")),
        (content(before=True, uid=""), Look(content(before=True, uid=""), "s-0")),
        (content(before=True, **DONE), Nothing()),
    ],
)
def test_a_content_that_stays(given, expected):
    assert decide(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # deleted by hand: its snapshot is still wanted
        (content(going=True), Take),
        (content(going=True, **DONE), Nothing),
        (content(going=True, before=True, **DONE), Nothing),
        # its snapshot is deleted, too
        (content(**FREED), LetGo),
        (content(**FREED, **DONE), Destroy),
        (content(**FREED, **KNOWN), Destroy),
        (content(**FREED, **DONE, policy="Retain"), LetGo),
        (content(**FREED, **DONE, policy="Other"), LetGo),
        (content(**FREED, before=True, **DONE), Destroy),
        (content(**FREED, held=False, **DONE), Nothing),
        # a call may be under way
        (content(going=True, marks=(*CREATED, *DELETED)), Take),
        (content(going=True, marks=(*CREATED, *DELETED), **KNOWN), Take),
        (content(going=True, marks=(*CREATED, *DELETED), **DONE), Settle),
        (content(going=True, marks=(*CREATED, *DELETED), policy="Retain"), Take),
        # marked, and not deleted
        (content(marks=DELETED, **DONE), Nothing),
        (content(marks=DELETED, **DONE, policy="Retain"), Nothing),
        # there before, and never bound
        (content(going=True, before=True, uid="", **DONE), Destroy),
        (content(going=True, before=True, uid=""), LetGo),
        (content(going=True, before=True, uid="", **DONE, policy="Retain"), LetGo),
    ],
)
def test_a_content_on_its_way_out(given, expected):
    assert type(decide(given)) is expected


@pytest.mark.parametrize("going", [True, False])
@pytest.mark.parametrize("marks", [(), CREATED, DELETED, (*CREATED, *DELETED)])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("status", [{}, KNOWN, DONE])
@pytest.mark.parametrize("uid", ["", "u"])
def test_what_is_to_be_retained_is_never_destroyed_nor_what_is_not_going(going, marks, before, status, uid):
    given = {"going": going, "marks": marks, "before": before, "uid": uid, **status}
    assert not isinstance(decide(content(policy="Retain", **given)), Destroy)
    action = decide(content(**given))
    if isinstance(action, Destroy):
        assert going
        assert (before and not uid) or (CONTENT_BEING_DELETED in marks and CONTENT_BEING_CREATED not in marks)
    assert is_settled(content(**given)) == isinstance(action, Nothing)


def test_the_drivers_own_parameters_are_told_and_the_names_where_they_are_wanted():
    secret = {f"{PREFIX}snapshotter-secret-name": "s", f"{PREFIX}snapshotter-list-secret-namespace": "n"}
    assert parameters.told_to_driver({"tier": "cold", **secret}, content(), names=False) == {"tier": "cold"}
    assert parameters.told_to_driver({}, content(), names=True) == {
        f"{PREFIX}volumesnapshot/name": "snap",
        f"{PREFIX}volumesnapshot/namespace": "ns",
        f"{PREFIX}volumesnapshotcontent/name": "c",
    }


def test_a_misspelt_parameter_is_refused():
    with pytest.raises(Failed, match="snapshoter-secret-name' are unknown"):
        parameters.told_to_driver({f"{PREFIX}snapshoter-secret-name": "s"}, content(), names=False)


def test_secrets_are_named_by_templates_and_only_by_the_keys_of_their_operation():
    own = {
        f"{PREFIX}snapshotter-list-secret-name": "${volumesnapshot.name}-${volumesnapshotcontent.name}",
        f"{PREFIX}snapshotter-list-secret-namespace": "${volumesnapshot.namespace}",
    }
    reference = content().spec.volume_snapshot_ref
    assert parameters.secret(own, parameters.LISTER, "c", reference) == SecretReference("ns", "snap-c")
    assert parameters.secret(own, parameters.SNAPSHOTTER, "c", reference) is None
    plain = {f"{PREFIX}secret-name": "s", f"{PREFIX}secret-namespace": "n"}
    assert parameters.secret(plain, parameters.SNAPSHOTTER, "c", reference) is None


def test_who_is_not_done_is_asked_ever_less_often_and_at_once_when_something_changes():
    now = [0.0]
    pace = Pace(1.0, 5.0, lambda: now[0])
    assert pace.left("a") == 0
    assert [pace.again("a") for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert (pace.left("a"), pace.left("b")) == (5.0, 0)
    now[0] = 3.0
    assert pace.left("a") == 2.0
    pace.forget("a")
    assert pace.left("a") == 0
    assert pace.again("a") == 1.0


def test_moments_are_told_in_seconds():
    assert moment(1_767_323_045_999_999_999) == "2026-01-02T03:04:05Z"
