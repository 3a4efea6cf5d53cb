"""Each rule of PersistentVolumeClaims at its edges. The plain cases are in tests/cases/admission/pvc.json."""

from typing import Any

import pytest

from model.meta import JSON
from model.names import BETA_STORAGE_CLASS, BIND_COMPLETED, BOUND_BY_CONTROLLER, DEFAULT_CLASS
from tests.webhooks.objects import admit, capacity, csi_driver, grant, pv, pvc, sc

GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
DEFAULT = sc("standard", annotations={DEFAULT_CLASS: "true"}, creationTimestamp="2025-01-01T00:00:00Z")


def requests(size: str, **limits: str) -> JSON:
    return {"requests": {"storage": size}, **({"limits": limits} if limits else {})}


# --- the class annotation ---


@pytest.mark.parametrize(
    ("annotation", "spec", "class_name", "warned"),
    [
        pytest.param("slow", {}, "slow", False, id="moved"),
        pytest.param("", {}, "", False, id="an empty one means no class"),
        pytest.param("slow", {"storageClassName": "slow"}, "slow", False, id="the same"),
        pytest.param("slow", {"storageClassName": "fast"}, "slow", True, id="the annotation wins"),
        pytest.param("", {"storageClassName": "fast"}, "", True, id="an empty one wins too"),
    ],
)
def test_the_class_annotation_moves(annotation: str, spec: JSON, class_name: str, warned: bool) -> None:
    result = admit(pvc(annotations={BETA_STORAGE_CLASS: annotation, "a": "b"}, **spec), sc("slow"))
    assert result.raw["spec"]["storageClassName"] == class_name
    assert result.raw["metadata"]["annotations"] == {"a": "b"}
    assert any("the annotation was used" in each for each in result.warnings) is warned


@pytest.mark.parametrize(
    ("new", "old", "moved"),
    [
        pytest.param({}, {"storageClassName": "slow"}, True, id="applied again over the result"),
        pytest.param({"storageClassName": "slow"}, {"storageClassName": "slow"}, True, id="the field merged in"),
        pytest.param({}, {"storageClassName": "fast"}, False, id="another class is stored"),
        pytest.param({}, {}, False, id="no class is stored"),
    ],
)
def test_an_annotation_that_means_the_stored_class_is_taken_out(new: JSON, old: JSON, moved: bool) -> None:
    result = admit(pvc(annotations={BETA_STORAGE_CLASS: "slow"}, **new), old=pvc(**old))
    assert (BETA_STORAGE_CLASS not in result.raw["metadata"]["annotations"]) is moved
    assert (result.raw["spec"] == old) is (moved or new == old)


def test_a_stored_claim_that_lives_by_its_annotation_is_not_migrated() -> None:
    stored = pvc(annotations={BETA_STORAGE_CLASS: "slow"})
    labelled = pvc(annotations={BETA_STORAGE_CLASS: "slow"}, labels={"a": "b"})
    assert not admit(labelled, old=stored).changed


# --- modes and sizes ---


def test_access_modes_keep_their_first_occurrence_and_their_order() -> None:
    result = admit(pvc(accessModes=["ReadWriteMany", "ReadWriteOnce", "ReadWriteMany"], storageClassName=""))
    assert result.raw["spec"]["accessModes"] == ["ReadWriteMany", "ReadWriteOnce"]


@pytest.mark.parametrize(
    ("new", "old", "stored"),
    [
        pytest.param(["A", "A"], ["A"], ["A"], id="put back to what is stored"),
        pytest.param(["A", "A"], ["A", "A"], ["A", "A"], id="stored before the webhook came"),
        pytest.param(["A", "A", "B"], ["A"], ["A", "A", "B"], id="another list is the server's to refuse"),
    ],
)
def test_access_modes_on_updates(new: list[str], old: list[str], stored: list[str]) -> None:
    assert admit(pvc(accessModes=new), old=pvc(accessModes=old)).raw["spec"]["accessModes"] == stored


@pytest.mark.parametrize(
    ("size", "more", "stored"),
    [
        ("1181116006400m", {}, "1181116006"),
        ("1.1Gi", {}, "1181116006"),
        ("0.5", {}, "1"),
        ("1n", {}, "1"),
        ("1.5Gi", {}, "1.5Gi"),
        ("2e9", {}, "2e9"),
        ("-1.5", {}, "-1.5"),
        ("nonsense", {}, "nonsense"),
        ("1.1Gi", {"dataSource": {"kind": "VolumeSnapshot", "name": "s"}}, "1181116007"),
        ("1.1Gi", {"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "s"}}, "1181116007"),
    ],
)
def test_a_request_is_rounded_down_unless_it_has_a_source(size: str, more: JSON, stored: str) -> None:
    result = admit(pvc(resources=requests(size), storageClassName="", **more))
    assert result.raw["spec"]["resources"]["requests"]["storage"] == stored


def test_limits_are_rounded_up() -> None:
    result = admit(pvc(resources=requests("1Gi", storage="1.1Gi"), storageClassName=""))
    assert result.raw["spec"]["resources"] == {"requests": {"storage": "1Gi"}, "limits": {"storage": "1181116007"}}


def test_a_claim_and_a_volume_of_the_same_odd_size_fit_each_other() -> None:
    volume = admit(pv(capacity={"storage": "1.1Gi"}, storageClassName="s")).raw
    claim = admit(pvc(resources=requests("1.1Gi"), storageClassName="s", volumeName="pv-1"), volume)
    assert claim.warnings == []


@pytest.mark.parametrize(
    ("new", "old", "stored"),
    [
        pytest.param("1.1Gi", "1181116006", "1181116006", id="applied again: no growth by a fraction"),
        pytest.param("1.1Gi", "1.1Gi", "1.1Gi", id="stored before the webhook came"),
        pytest.param("2.1Gi", "1.1Gi", "2254857830", id="grown"),
    ],
)
def test_a_request_on_updates(new: str, old: str, stored: str) -> None:
    result = admit(pvc(resources=requests(new)), old=pvc(resources=requests(old)))
    assert result.raw["spec"]["resources"]["requests"]["storage"] == stored


# --- binding ---


def test_binding_marks_of_a_new_claim_go_and_its_volume_stays() -> None:
    marks = {BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes", "a": "b"}
    result = admit(pvc(annotations=marks, volumeName="pv-1", storageClassName=""))
    assert result.raw["metadata"]["annotations"] == {"a": "b"}
    assert result.raw["spec"]["volumeName"] == "pv-1"


def test_the_binders_own_marks_stay() -> None:
    marked = pvc(annotations={BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes"}, volumeName="pv-1")
    assert not admit(marked, old=pvc()).changed


@pytest.mark.parametrize(
    ("spec", "volume", "classes", "stored"),
    [
        pytest.param({}, pv(storageClassName="slow"), [DEFAULT], "slow", id="no class"),
        pytest.param({"storageClassName": "standard"}, pv(storageClassName="slow"), [DEFAULT], "slow", id="default"),
        pytest.param({"storageClassName": "standard"}, pv(), [DEFAULT], "", id="a volume without class"),
        pytest.param({"storageClassName": "fast"}, pv(storageClassName="slow"), [DEFAULT], "fast", id="chosen"),
        pytest.param({"storageClassName": ""}, pv(storageClassName="slow"), [DEFAULT], "", id="chosen to be none"),
        pytest.param({"storageClassName": "standard"}, pv(storageClassName="slow"), [], "standard", id="no default"),
        pytest.param(
            {"storageClassName": "standard"}, pv(storageClassName="standard"), [DEFAULT], "standard", id="they agree"
        ),
        pytest.param({}, pv(storageClassName="slow", **GOING), [DEFAULT], None, id="the volume is going"),
        pytest.param(
            {"storageClassName": "standard"},
            pv(annotations={BETA_STORAGE_CLASS: "old"}, storageClassName="new"),
            [DEFAULT],
            "old",
            id="the volume's annotation counts before its field",
        ),
        pytest.param(
            {"storageClassName": "standard"},
            pv(storageClassName="slow"),
            [DEFAULT, sc("newer", annotations={DEFAULT_CLASS: "true"}, creationTimestamp="2026-01-01T00:00:00Z")],
            "standard",
            id="the newest default is the default",
        ),
    ],
)
def test_a_claim_for_a_volume_gets_its_class(spec: JSON, volume: JSON, classes: list[JSON], stored: str | None) -> None:
    result = admit(pvc(volumeName="pv-1", **spec), volume, *classes)
    assert result.raw["spec"].get("storageClassName") == stored


def test_a_class_that_an_annotation_names_was_chosen() -> None:
    claim = pvc(volumeName="pv-1", annotations={BETA_STORAGE_CLASS: "mine"})
    result = admit(claim, pv(storageClassName="slow"), DEFAULT, sc("mine"))
    assert result.raw["spec"]["storageClassName"] == "mine"


def test_the_class_is_put_back_when_the_manifest_comes_again() -> None:
    stored = pvc(volumeName="pv-1", storageClassName="slow")
    again = pvc(volumeName="pv-1", storageClassName="standard")
    assert admit(again, pv(storageClassName="slow"), DEFAULT, old=stored).raw["spec"] == stored["spec"]
    other = pvc(volumeName="pv-1", storageClassName="other")
    assert not admit(other, pv(storageClassName="slow"), DEFAULT, old=stored).changed


# --- sources in other namespaces ---

SOURCE = {"kind": "PersistentVolumeClaim", "name": "gold", "namespace": "golden"}
OURS = {"group": "", "kind": "PersistentVolumeClaim", "namespace": "shop"}
THEIRS = {"group": "", "kind": "PersistentVolumeClaim"}


@pytest.mark.parametrize(
    ("source", "grants", "refused"),
    [
        pytest.param(SOURCE, [], True, id="none"),
        pytest.param(SOURCE, [grant("golden", OURS, THEIRS)], False, id="for all claims there"),
        pytest.param(SOURCE, [grant("golden", OURS, THEIRS | {"name": "gold"})], False, id="for this one"),
        pytest.param(SOURCE, [grant("golden", OURS, THEIRS | {"name": ""})], False, id="an empty name is all"),
        pytest.param(SOURCE, [grant("golden", OURS, THEIRS | {"name": "lead"})], True, id="for another"),
        pytest.param(SOURCE, [grant("elsewhere", OURS, THEIRS)], True, id="of another namespace"),
        pytest.param(SOURCE, [grant("golden", OURS | {"namespace": "bank"}, THEIRS)], True, id="to another namespace"),
        pytest.param(SOURCE, [grant("golden", OURS | {"kind": "Pod"}, THEIRS)], True, id="to other objects"),
        pytest.param(SOURCE, [grant("golden", OURS, THEIRS | {"kind": "Secret"})], True, id="of other objects"),
        pytest.param(
            {**SOURCE, "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot"},
            [grant("golden", OURS, {"group": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot"})],
            False,
            id="a snapshot",
        ),
        pytest.param({**SOURCE, "namespace": "shop"}, [], False, id="one's own namespace"),
        pytest.param({"kind": "PersistentVolumeClaim", "name": "gold"}, [], False, id="no namespace"),
    ],
)
def test_a_source_elsewhere_needs_a_grant(source: JSON, grants: list[JSON], refused: bool) -> None:
    result = admit(pvc(dataSourceRef=source, storageClassName=""), *grants)
    assert bool(result.denials) is refused
    assert all("golden" in each and "namespace shop" in each for each in result.denials)


def test_without_the_whole_cluster_no_grant_is_called_missing() -> None:
    assert admit(pvc(dataSourceRef=SOURCE), complete=False).denials == []


# --- refusals and warnings ---


@pytest.mark.parametrize(
    ("claim_mode", "volume_mode", "refused"),
    [
        ({}, {}, False),
        ({"volumeMode": "Filesystem"}, {}, False),
        ({"volumeMode": "Block"}, {}, True),
        ({}, {"volumeMode": "Block"}, True),
        ({"volumeMode": "Block"}, {"volumeMode": "Block"}, False),
    ],
)
def test_blocks_and_file_systems_never_meet(claim_mode: JSON, volume_mode: JSON, refused: bool) -> None:
    result = admit(pvc(volumeName="pv-1", storageClassName="", **claim_mode), pv(**volume_mode))
    assert bool(result.denials) is refused
    assert all("PersistentVolume pv-1" in each and "immutable" in each for each in result.denials)


@pytest.mark.parametrize(
    ("reference", "warned"),
    [
        ({"namespace": "shop", "name": "other"}, True),
        ({"namespace": "bank", "name": "cart"}, True),
        ({"namespace": "shop", "name": "cart", "uid": "u-9"}, False),
        (None, False),
    ],
)
def test_a_volume_kept_for_another_claim(reference: JSON | None, warned: bool) -> None:
    volume = pv(**({"claimRef": reference} if reference else {}))
    result = admit(pvc(volumeName="pv-1", storageClassName=""), volume)
    assert ("pvc-volume-reserved" in result.rules) is warned
    assert result.denials == []


@pytest.mark.parametrize(
    ("wanted", "volume", "said"),
    [
        pytest.param({}, pv(), None, id="nothing asked for"),
        pytest.param({"resources": requests("2Gi")}, pv(capacity={"storage": "1Gi"}), "2Gi requested, 1Gi", id="small"),
        pytest.param({"resources": requests("1Gi")}, pv(capacity={"storage": "1024Mi"}), None, id="equal"),
        pytest.param(
            {"accessModes": ["ReadWriteMany"]}, pv(accessModes=["ReadWriteOnce"]), "no access mode ReadWriteMany",
            id="modes",
        ),
        pytest.param(
            {"storageClassName": "fast"}, pv(storageClassName="slow"), 'class "fast" is not "slow"', id="class"
        ),
    ],
)  # fmt: skip
def test_what_a_wanted_volume_lacks(wanted: JSON, volume: JSON, said: str | None) -> None:
    result = admit(pvc(volumeName="pv-1", **({"storageClassName": ""} | wanted)), volume)
    mismatches = [each for each in result.warnings if "does not fit PersistentVolume pv-1" in each]
    assert [said in each for each in mismatches] == ([True] if said else [])


def test_several_lacks_are_one_warning() -> None:
    claim = pvc(volumeName="pv-1", storageClassName="x", accessModes=["ReadWriteMany"], resources=requests("2Gi"))
    (warning,) = admit(claim, pv(capacity={"storage": "1Gi"})).warnings
    assert warning.count(",") == 3


@pytest.mark.parametrize(
    ("spec", "context", "warned"),
    [
        ({"storageClassName": "gone"}, [], True),
        ({"storageClassName": "fast"}, [sc()], False),
        ({"storageClassName": "manual"}, [pv(storageClassName="manual")], False),
        ({"storageClassName": ""}, [], False),
        ({}, [], False),
        ({"storageClassName": "gone", "volumeName": "pv-9"}, [], False),
    ],
)
def test_a_class_that_nobody_knows(spec: JSON, context: list[JSON], warned: bool) -> None:
    assert ("pvc-unknown-class" in admit(pvc(**spec), *context).rules) is warned
    assert "pvc-unknown-class" not in admit(pvc(**spec), *context, complete=False).rules


@pytest.mark.parametrize(
    ("size", "warned"), [("100", True), ("1Ki", True), ("1048575", True), ("1Mi", False), ("0", False), ("x", False)]
)
def test_a_size_without_its_unit(size: str, warned: bool) -> None:
    result = admit(pvc(resources=requests(size), storageClassName=""))
    assert ("pvc-tiny-request" in result.rules) is warned
    assert "pvc-tiny-request" not in admit(pvc(resources=requests(size), volumeName="pv-1")).rules


SELECTOR = {"matchLabels": {"app": "x"}}


@pytest.mark.parametrize(
    ("storage_class", "volumes", "warned"),
    [
        pytest.param([sc()], [], True, id="no volume"),
        pytest.param([sc()], [pv(labels={"app": "x"}, storageClassName="fast")], False, id="one that matches"),
        pytest.param([sc()], [pv(labels={"app": "y"}, storageClassName="fast")], True, id="another label"),
        pytest.param([sc()], [pv(labels={"app": "x"}, storageClassName="slow")], True, id="another class"),
        pytest.param(
            [sc()], [pv(phase="Bound", labels={"app": "x"}, storageClassName="fast")], True, id="one that is taken"
        ),
        pytest.param([sc(provisioner="kubernetes.io/no-provisioner")], [], False, id="hand-made volumes"),
        pytest.param([], [], False, id="no such class"),
    ],
)
def test_a_selector_needs_a_volume_that_is_there(storage_class: list[JSON], volumes: list[JSON], warned: bool) -> None:
    sized = [{**each, "spec": {"capacity": {"storage": "1Gi"}, **each["spec"]}} for each in volumes]
    claim = pvc(selector=SELECTOR, storageClassName="fast", resources=requests("1Gi"))
    assert ("pvc-selector-dynamic" in admit(claim, *storage_class, *sized).rules) is warned
    assert "pvc-selector-dynamic" not in admit(claim, *storage_class, *sized, complete=False).rules


TRACKING = csi_driver("block.csi.example.com", storageCapacity=True)


@pytest.mark.parametrize(
    ("size", "context", "warned"),
    [
        pytest.param("2Gi", [TRACKING, capacity("fast", capacity="1Gi")], True, id="too large for all"),
        pytest.param("1Gi", [TRACKING, capacity("fast", capacity="1Gi")], False, id="it fits"),
        pytest.param(
            "2Gi", [TRACKING, capacity("fast", capacity="9Gi", maximumVolumeSize="1Gi")], True, id="the maximum counts"
        ),
        pytest.param(
            "2Gi", [TRACKING, capacity("fast", capacity="1Gi", maximumVolumeSize="3Gi")], False, id="before capacity"
        ),
        pytest.param("2Gi", [TRACKING], False, id="nothing published"),
        pytest.param("2Gi", [TRACKING, capacity("slow", capacity="1Gi")], False, id="for another class"),
        pytest.param("2Gi", [capacity("fast", capacity="1Gi")], False, id="no driver object"),
        pytest.param(
            "2Gi",
            [csi_driver("block.csi.example.com", storageCapacity=False), capacity("fast", capacity="1Gi")],
            False,
            id="not tracked",
        ),
    ],
)
def test_a_size_that_no_segment_has(size: str, context: list[JSON], warned: bool) -> None:
    claim = pvc(storageClassName="fast", resources=requests(size))
    assert ("pvc-exceeds-capacity" in admit(claim, sc(), *context).rules) is warned
    assert "pvc-exceeds-capacity" not in admit(claim, *context).rules


@pytest.mark.parametrize(
    "spec",
    [
        {"storageClassName": "gone", "resources": requests("1")},
        {"volumeName": "pv-1", "volumeMode": "Block", "storageClassName": "x"},
        {"dataSourceRef": SOURCE},
    ],
)
def test_what_is_stored_already_is_neither_refused_nor_warned_of(spec: dict[str, Any]) -> None:
    stored = pvc(**spec)
    result = admit(pvc(labels={"a": "b"}, **spec), pv(), old=stored)
    assert (result.denials, result.warnings) == ([], [])
