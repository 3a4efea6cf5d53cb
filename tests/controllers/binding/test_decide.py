"""The two state machines as tables: what is there, and what is to be done."""

import pytest

from controllers.binding import patches
from controllers.binding.actions import (
    AssignClass,
    Bind,
    Broken,
    HandOver,
    LookAtClaim,
    Nothing,
    Release,
    SetPhase,
    Tell,
    TellBoth,
    Unbind,
    Unsettle,
)
from controllers.binding.decide import ClaimFacts, decide_claim, decide_volume
from controllers.phases import volume_phase
from controllers.reclaim import Reclaim
from model import names
from model.volumes import ClaimPhase, StorageClass, VolumePhase
from tests.controllers.binding.objects import claim, volume
from tests.controllers.tables import table

DONE = {names.BIND_COMPLETED: "yes"}
OURS = {names.BOUND_BY_CONTROLLER: "yes"}
FOR_C = {"namespace": "ns", "name": "c"}
BOUND_TO_C = FOR_C | {"uid": "uid-c"}
OTHER = FOR_C | {"uid": "uid-other"}
LATE = StorageClass(provisioner="csi.example.com", volume_binding_mode="WaitForFirstConsumer")
FAST = StorageClass(provisioner="csi.example.com")
V = volume("v")
LABELLED = {"matchLabels": {"a": "b"}}


def said(action):
    return action.said.reason if getattr(action, "said", None) else None


UNNAMED = [
    ("a volume was found", claim("c"), ClaimFacts(match=V), Bind, None),
    ("nothing and no class", claim("c"), ClaimFacts(), Unsettle, "FailedBinding"),
    ("a default came", claim("c", storage_class=None), ClaimFacts(default=FAST), AssignClass, None),
    ("no class is a choice", claim("c"), ClaimFacts(default=FAST), Unsettle, "FailedBinding"),
    (
        "the old way to choose none",
        claim("c", storage_class=None, annotations={names.BETA_STORAGE_CLASS: ""}),
        ClaimFacts(default=FAST),
        Unsettle,
        "FailedBinding",
    ),
    ("late", claim("c", storage_class="l"), ClaimFacts(LATE), Unsettle, "WaitForFirstConsumer"),
    ("late, a pod", claim("c", storage_class="l"), ClaimFacts(LATE, waiting_pod="p"), Unsettle, "WaitForPodScheduled"),
    (
        "late, a node, even an empty one",
        claim("c", storage_class="l", annotations={names.SELECTED_NODE: ""}),
        ClaimFacts(LATE),
        HandOver,
        "ExternalProvisioning",
    ),
    ("external", claim("c", storage_class="f"), ClaimFacts(FAST), HandOver, "ExternalProvisioning"),
    ("a plugin of ours", claim("c", storage_class="f"), ClaimFacts(FAST, plugin=True), HandOver, None),
    ("no such class", claim("c", storage_class="f"), ClaimFacts(), Tell, "ProvisioningFailed"),
    (
        "no such plugin",
        claim("c", storage_class="f"),
        ClaimFacts(StorageClass(provisioner=names.NO_PROVISIONER)),
        Tell,
        "ProvisioningFailed",
    ),
    ("not to be made", claim("c", storage_class="f"), ClaimFacts(FAST, provisions=False), Nothing, None),
]


@table("asking facts action reason", UNNAMED)
def test_a_claim_that_names_no_volume(asking, facts, action, reason):
    decided = decide_claim(asking, facts)
    assert (type(decided), said(decided)) == (action, reason)


def test_a_migrated_provisioner_is_asked_by_its_driver_s_name():
    in_tree = StorageClass(provisioner="kubernetes.io/aws-ebs")
    decided = decide_claim(claim("c", storage_class="f"), ClaimFacts(in_tree))
    assert isinstance(decided, HandOver)
    assert decided.provisioner == "ebs.csi.aws.com"


NAMED = [
    ("it is not there", None, {}, Unsettle, None),
    ("it is free", V, {}, Bind, None),
    ("it is too small", volume("v"), {"size": 2}, Unsettle, "VolumeMismatch"),
    ("another class", volume("v", storage_class="x"), {}, Unsettle, "VolumeMismatch"),
    ("it is going", volume("v", deleting=True), {}, Unsettle, "VolumeMismatch"),
    (
        "its phase and labels do not matter",
        volume("v", phase="Released"),
        {"selector": {"matchLabels": {"a": "b"}}},
        Bind,
        None,
    ),
    (
        "it asks for the claim: nothing is checked",
        volume("v", claim_ref=FOR_C, storage_class="x"),
        {"size": 9},
        Bind,
        None,
    ),
    ("it is somebody else's", volume("v", claim_ref=OTHER), {}, Unsettle, "FailedBinding"),
    (
        "it is somebody else's, and was our choice",
        volume("v", claim_ref=OTHER),
        {"annotations": OURS},
        Broken,
        "FailedBinding",
    ),
]


@table("there parts action reason", NAMED)
def test_a_claim_that_names_a_volume(there, parts, action, reason):
    decided = decide_claim(claim("c", volumeName="v", **parts), ClaimFacts(volume=there))
    assert (type(decided), said(decided)) == (action, reason)


ONCE_BOUND = [
    ("no name", "", V, "Bound", Unsettle, "ClaimLost"),
    ("no volume", "v", None, "Bound", Unsettle, "ClaimLost"),
    ("no volume, known", "v", None, "Lost", Unsettle, None),
    ("no volume, never got to Bound", "v", None, "Pending", Unsettle, "ClaimLost"),
    ("it came back", "v", V, "Lost", Bind, None),
    ("it points here", "v", volume("v", claim_ref=BOUND_TO_C), "Pending", Bind, None),
    ("it points elsewhere", "v", volume("v", claim_ref=OTHER), "Bound", Unsettle, "ClaimMisbound"),
    ("an empty UID is another", "v", volume("v", claim_ref=FOR_C), "Bound", Unsettle, "ClaimMisbound"),
]


@table("named there phase action reason", ONCE_BOUND)
def test_a_claim_that_was_bound(named, there, phase, action, reason):
    decided = decide_claim(claim("c", annotations=DONE, phase=phase, volumeName=named), ClaimFacts(volume=there))
    assert (type(decided), said(decided)) == (action, reason)
    if isinstance(decided, Unsettle):
        assert decided.phase == ClaimPhase.LOST


MADE = {names.PROVISIONED_BY: "csi.example.com"}
VOLUMES = [
    ("nobody's", V, None, Nothing()),
    ("nobody's, new", volume("v", phase="Pending"), None, "Available"),
    ("reserved", volume("v", phase="Bound", claim_ref=FOR_C), None, "Available"),
    ("its claim has it", volume("v", claim_ref=BOUND_TO_C), claim("c", volumeName="v"), "Bound"),
    ("its claim waits", volume("v", claim_ref=BOUND_TO_C), claim("c"), LookAtClaim("ns/c")),
    ("its claim waits for a device", volume("v", claim_ref=BOUND_TO_C), claim("c", volumeMode="Block"), TellBoth),
    ("its claim is gone", volume("v", claim_ref=BOUND_TO_C), None, Release),
    ("its claim has another", volume("v", claim_ref=BOUND_TO_C), claim("c", volumeName="w"), Unbind),
    (
        "its claim has another, and it was made for it",
        volume("v", claim_ref=BOUND_TO_C, annotations=MADE, persistentVolumeReclaimPolicy="Delete"),
        claim("c", volumeName="w"),
        Release,
    ),
    (
        "its claim has another, and it is kept",
        volume("v", claim_ref=BOUND_TO_C, annotations=MADE),
        claim("c", volumeName="w"),
        Unbind,
    ),
]


@table("there asking expected", VOLUMES)
def test_a_volume(there, asking, expected):
    decided = decide_volume(there, asking, Reclaim.KEEP)
    if isinstance(expected, str):
        assert decided == SetPhase(there, VolumePhase(expected))
    elif isinstance(expected, type):
        assert isinstance(decided, expected)
    else:
        assert decided == expected


# --- what is written ---


def test_a_volume_of_our_choice_is_marked_and_a_user_s_is_not():
    marked = patches.reserve(V, claim("c"))
    assert marked is not None
    assert marked["metadata"]["annotations"] == OURS
    assert marked["spec"]["claimRef"]["uid"] == "uid-c"
    reserved = patches.reserve(volume("v", claim_ref=FOR_C), claim("c"))
    assert reserved is not None
    assert "metadata" not in reserved
    assert patches.reserve(volume("v", claim_ref=BOUND_TO_C), claim("c")) is None


def test_unbinding_takes_back_what_was_our_choice_and_only_the_uid_of_a_user_s():
    assert patches.unreserve(volume("v", claim_ref=BOUND_TO_C, annotations=OURS)) == {
        "spec": {"claimRef": None},
        "metadata": {"annotations": {names.BOUND_BY_CONTROLLER: None}},
    }
    assert patches.unreserve(volume("v", claim_ref=BOUND_TO_C)) == {"spec": {"claimRef": {"uid": None}}}
    assert patches.unreserve(volume("v", claim_ref=FOR_C)) is None
    assert patches.unreserve(V) is None


def test_a_claim_s_capacity_is_written_with_its_phase_only():
    large = volume("v", 5)
    assert patches.claim_status(claim("c"), large) == {
        "status": {"accessModes": ["ReadWriteOnce"], "phase": "Bound", "capacity": {"storage": "5Gi"}}
    }
    bound = claim("c", phase="Bound", status={"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}})
    assert patches.claim_status(bound, large) is None


@pytest.mark.parametrize(("note", "capacity"), [("3Gi", "3Gi"), ("3072Mi", "3Gi"), ("much", "5Gi")])
def test_a_claim_has_what_its_volume_had_before_an_unfinished_growth(note, capacity):
    grown = volume("v", 5, annotations={names.PRE_RESIZE_CAPACITY: note})
    patch = patches.claim_status(claim("c"), grown)
    assert patch is not None
    assert patch["status"]["capacity"] == {"storage": capacity}


@pytest.mark.parametrize(("phase", "copied"), [("Pending", True), ("Lost", False)])
def test_the_attributes_class_is_copied_to_a_claim_that_was_pending(phase, copied):
    patch = patches.claim_status(claim("c", phase=phase), volume("v", volumeAttributesClassName="gold"))
    assert patch is not None
    assert patch["status"].get("currentVolumeAttributesClassName") == ("gold" if copied else None)


def test_a_lost_claim_forgets_what_it_had():
    bound = claim("c", phase="Bound", status={"capacity": {"storage": "1Gi"}})
    patch = patches.unsettled_status(bound, ClaimPhase.LOST)
    assert patch is not None
    assert patch["status"] == {
        "phase": "Lost",
        "accessModes": None,
        "capacity": None,
        "currentVolumeAttributesClassName": None,
    }
    assert patches.unsettled_status(claim("c"), ClaimPhase.PENDING) is None


def test_only_what_differs_is_written():
    assert volume_phase(V, VolumePhase.AVAILABLE) is None
    assert patches.name_volume(claim("c", volumeName="v", annotations=DONE), V) is None
    assert patches.name_volume(claim("c", volumeName="v"), V) == {"metadata": {"annotations": DONE}}
    assert patches.name_volume(claim("c"), V) == {
        "spec": {"volumeName": "v"},
        "metadata": {"annotations": {**OURS, **DONE}},
    }
    asked = claim("c", annotations={names.STORAGE_PROVISIONER: "x"})
    assert patches.ask_provisioner(asked, "x") is None
    assert patches.ask_provisioner(asked, "y") == {
        "metadata": {"annotations": {names.STORAGE_PROVISIONER: "y", names.BETA_STORAGE_PROVISIONER: "y"}}
    }
