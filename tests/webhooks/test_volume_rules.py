"""Each rule of PersistentVolumes at its edges. The plain cases are in tests/cases/admission/pv.json."""

import pytest

from model.meta import JSON
from model.names import (
    BETA_REGION,
    BETA_STORAGE_CLASS,
    BETA_ZONE,
    BOUND_BY_CONTROLLER,
    MOUNT_OPTIONS,
    REGION,
    ZONE,
)
from tests.webhooks.objects import admit, node, pv, pvc

BOTH = node("n1", **{ZONE: "a", REGION: "r"})


def csi(handle: str = "v1", driver: str = "block") -> JSON:
    return {"driver": driver, "volumeHandle": handle}


def affinity(*terms: list[JSON]) -> JSON:
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}}


def is_in(key: str, *values: str, operator: str = "In") -> JSON:
    return {"key": key, "operator": operator, "values": list(values)}


# --- topology labels ---


@pytest.mark.parametrize(
    ("nodes", "added"),
    [
        pytest.param([], True, id="no node speaks against it"),
        pytest.param([node("n", **{BETA_ZONE: "a", ZONE: "a"})], True, id="both labels agree"),
        pytest.param([node("n", **{ZONE: "b"})], True, id="only the current label is used"),
        pytest.param([node("n", **{BETA_ZONE: "a"})], False, id="a node has only the deprecated label"),
        pytest.param([node("n", **{BETA_ZONE: "a", ZONE: "b"})], False, id="a node's labels disagree"),
    ],
)
def test_a_current_zone_label_is_added_where_no_node_knows_only_the_old_one(nodes: list[JSON], added: bool) -> None:
    result = admit(pv(labels={BETA_ZONE: "a"}), *nodes)
    assert (result.raw["metadata"]["labels"].get(ZONE) == "a") is added
    assert result.raw["metadata"]["labels"][BETA_ZONE] == "a"


def test_an_empty_zone_label_says_nothing() -> None:
    assert not admit(pv(labels={BETA_ZONE: ""})).changed


def test_labels_that_disagree_are_left_and_reported_once() -> None:
    volume = pv(labels={BETA_ZONE: "a", ZONE: "b"})
    result = admit(volume)
    assert (result.changed, result.warnings) == (
        False,
        [f"labels {BETA_ZONE}=a and {ZONE}=b disagree; neither was changed"],
    )
    assert admit(pv(labels={BETA_ZONE: "a", ZONE: "b", "app": "x"}), old=volume).warnings == []


def test_the_current_label_follows_when_only_the_deprecated_one_is_changed() -> None:
    old = pv(labels={BETA_ZONE: "a", ZONE: "a"})
    assert admit(pv(labels={BETA_ZONE: "b", ZONE: "a"}), old=old).raw["metadata"]["labels"][ZONE] == "b"
    both_changed = admit(pv(labels={BETA_ZONE: "b", ZONE: "c"}), old=old)
    assert both_changed.raw["metadata"]["labels"][ZONE] == "c"
    assert both_changed.warnings


def test_a_stored_volume_gets_the_current_label_on_any_update() -> None:
    old = pv(labels={BETA_REGION: "r"})
    assert admit(pv(labels={BETA_REGION: "r", "app": "x"}), old=old).raw["metadata"]["labels"][REGION] == "r"


# --- node affinity ---


def test_deprecated_keys_are_exchanged_in_place_and_nothing_else() -> None:
    terms = [
        {
            "matchFields": [is_in("metadata.name", "n1")],
            "matchExpressions": [is_in("x/y", "1"), is_in(BETA_ZONE, "a", operator="NotIn")],
        },
        {"matchExpressions": [is_in(BETA_REGION, "r"), {"key": "beta.kubernetes.io/os", "operator": "Exists"}]},
        {},
    ]
    result = admit(pv(nodeAffinity={"required": {"nodeSelectorTerms": terms}}))
    assert result.raw["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] == [
        {
            "matchFields": [is_in("metadata.name", "n1")],
            "matchExpressions": [is_in("x/y", "1"), is_in(ZONE, "a", operator="NotIn")],
        },
        {"matchExpressions": [is_in(REGION, "r"), {"key": "kubernetes.io/os", "operator": "Exists"}]},
        {},
    ]


@pytest.mark.parametrize(
    ("expressions", "kept"),
    [
        pytest.param([is_in(BETA_ZONE, "a", "b"), is_in(ZONE, "b", "a")], [is_in(ZONE, "a", "b")], id="old one first"),
        pytest.param([is_in(ZONE, "a"), is_in(BETA_ZONE, "a")], [is_in(ZONE, "a")], id="current one first"),
        pytest.param([is_in(ZONE, "a"), is_in(BETA_ZONE, "b")], [is_in(ZONE, "a"), is_in(ZONE, "b")], id="differing"),
        pytest.param([is_in("x", "a"), is_in("x", "a"), is_in(BETA_ZONE, "a")],
                     [is_in("x", "a"), is_in("x", "a"), is_in(ZONE, "a")], id="a repetition of the author's own stays"),
    ],
)  # fmt: skip
def test_a_requirement_made_equal_to_another_is_dropped(expressions: list[JSON], kept: list[JSON]) -> None:
    result = admit(pv(nodeAffinity=affinity(expressions)))
    assert result.raw["spec"]["nodeAffinity"] == affinity(kept)


def test_a_key_that_some_node_knows_only_in_its_old_form_stays() -> None:
    assert not admit(pv(nodeAffinity=affinity([is_in(BETA_ZONE, "a")])), node("n", **{BETA_ZONE: "a"})).changed


def test_a_stored_affinity_is_put_back_even_if_the_nodes_have_changed_since() -> None:
    stored = pv(nodeAffinity=affinity([is_in(ZONE, "a")]))
    manifest = pv(nodeAffinity=affinity([is_in(BETA_ZONE, "a")]))
    assert admit(manifest, node("n", **{BETA_ZONE: "a"}), old=stored).raw["spec"] == stored["spec"]
    assert not admit(manifest, old=manifest).changed
    other = pv(nodeAffinity=affinity([is_in(BETA_ZONE, "b")]))
    assert not admit(other, old=stored).changed


def test_an_affinity_that_is_set_later_is_treated_as_new() -> None:
    late = admit(pv(nodeAffinity=affinity([is_in(BETA_ZONE, "a")])), old=pv())
    assert late.raw["spec"]["nodeAffinity"] == affinity([is_in(ZONE, "a")])


@pytest.mark.parametrize(
    ("labels", "nodes", "expected"),
    [
        pytest.param({ZONE: "b__a__a", REGION: "r"}, [BOTH], [is_in(ZONE, "a", "b"), is_in(REGION, "r")], id="sorted"),
        pytest.param({ZONE: "a", REGION: "r"}, [BOTH, node("n2", **{ZONE: "b"})], [is_in(ZONE, "a")], id="one key"),
        pytest.param({ZONE: "a"}, [], None, id="no nodes known"),
        pytest.param({ZONE: "a"}, [node("n")], None, id="a node without zones"),
        pytest.param({ZONE: "a__", REGION: "r"}, [BOTH], None, id="an empty part"),
        pytest.param({ZONE: "a", BETA_ZONE: "b", REGION: "r"}, [BOTH], None, id="labels that disagree"),
        pytest.param({BETA_ZONE: "a"}, [BOTH], [is_in(ZONE, "a")], id="from the label that was just added"),
    ],
)
def test_zone_labels_become_affinity(labels: dict[str, str], nodes: list[JSON], expected: list[JSON] | None) -> None:
    result = admit(pv(labels=labels, csi=csi()), *nodes)
    assert result.raw["spec"].get("nodeAffinity") == (affinity(expected) if expected else None)


def test_local_volumes_and_those_with_affinity_keep_theirs() -> None:
    own = affinity([is_in("x", "y")])
    assert admit(pv(labels={ZONE: "a"}, nodeAffinity=own), BOTH).raw["spec"]["nodeAffinity"] == own
    assert "nodeAffinity" not in admit(pv(labels={ZONE: "a"}, local={"path": "/mnt"}), BOTH).raw["spec"]
    assert admit(pv(labels={ZONE: "a"}, nodeAffinity={}), BOTH).raw["spec"]["nodeAffinity"] == affinity(
        [is_in(ZONE, "a")]
    )


def test_affinity_that_came_of_labels_is_put_back_on_update_and_never_added() -> None:
    stored = pv(labels={ZONE: "a"}, nodeAffinity=affinity([is_in(ZONE, "a")]))
    assert admit(pv(labels={ZONE: "a"}), node("n"), old=stored).raw["spec"] == stored["spec"]
    assert not admit(pv(labels={ZONE: "b"}), BOTH, old=stored).changed
    assert not admit(pv(labels={ZONE: "a"}), BOTH, old=pv()).changed


# --- annotations and lists ---


@pytest.mark.parametrize(
    ("spec", "old", "class_name", "warned"),
    [
        pytest.param({}, None, "slow", False, id="moved"),
        pytest.param({"storageClassName": "slow"}, None, "slow", False, id="the same"),
        pytest.param({"storageClassName": "fast"}, None, "slow", True, id="the annotation wins"),
        pytest.param({"storageClassName": "fast"}, pv(), "slow", True, id="added by an update"),
    ],
)
def test_the_class_annotation_moves(spec: JSON, old: JSON | None, class_name: str, warned: bool) -> None:
    result = admit(pv(annotations={BETA_STORAGE_CLASS: "slow", "a": "b"}, **spec), old=old)
    assert result.raw["spec"]["storageClassName"] == class_name
    assert result.raw["metadata"]["annotations"] == {"a": "b"}
    assert bool(result.warnings) is warned


def test_a_stored_class_annotation_is_left_on_unrelated_updates() -> None:
    old = pv(annotations={BETA_STORAGE_CLASS: "slow"})
    assert not admit(pv(annotations={BETA_STORAGE_CLASS: "slow", "a": "b"}), old=old).changed
    assert admit(pv(annotations={BETA_STORAGE_CLASS: "fast"}), old=old).raw["spec"] == {"storageClassName": "fast"}


@pytest.mark.parametrize(
    ("text", "field", "expected", "annotated"),
    [
        pytest.param(" ro,, hard ", None, ["ro", "hard"], False, id="moved"),
        pytest.param("", None, None, False, id="empty"),
        pytest.param("hard,ro", ["ro", " hard"], ["ro", "hard"], False, id="the same set"),
        pytest.param("ro", [], ["ro"], False, id="an empty list"),
        pytest.param("ro", ["rw"], ["rw"], True, id="others"),
    ],
)
def test_the_mount_options_annotation_moves(
    text: str, field: list[str] | None, expected: list[str] | None, annotated: bool
) -> None:
    spec = {} if field is None else {"mountOptions": field}
    result = admit(pv(annotations={MOUNT_OPTIONS: text}, **spec))
    assert result.raw["spec"].get("mountOptions") == expected
    assert (MOUNT_OPTIONS in result.raw["metadata"]["annotations"]) is annotated
    assert any("disagree" in each for each in result.warnings) is annotated


def test_mount_options_are_trimmed_in_order_and_may_repeat() -> None:
    result = admit(pv(mountOptions=[" b ", "", "a", "b"]))
    assert result.raw["spec"]["mountOptions"] == ["b", "a", "b"]
    stored = pv(mountOptions=[" b "])
    assert not admit(pv(mountOptions=[" b "], labels={"a": "b"}), old=stored).changed


@pytest.mark.parametrize(
    ("handle", "old", "stored"),
    [
        (" v1\n", None, "v1"),
        ("a b", None, "a b"),
        ("  ", None, "  "),
        (" v1", "v1", "v1"),
        (" v1", " v1", " v1"),
        (" v2", "v1", " v2"),
    ],
)
def test_a_handle_is_trimmed_or_put_back(handle: str, old: str | None, stored: str) -> None:
    result = admit(pv(csi=csi(handle)), old=None if old is None else pv(csi=csi(old)))
    assert result.raw["spec"]["csi"]["volumeHandle"] == stored


def test_access_modes_keep_their_order() -> None:
    result = admit(pv(accessModes=["ReadWriteMany", "ReadWriteOnce", "ReadWriteMany"]))
    assert result.raw["spec"]["accessModes"] == ["ReadWriteMany", "ReadWriteOnce"]


@pytest.mark.parametrize(
    ("size", "stored"),
    [
        ("1181116006400m", "1181116007"),
        ("0.5", "1"),
        ("1.5Gi", "1.5Gi"),
        ("2e9", "2e9"),
        ("-1.5", "-1.5"),
        ("nonsense", "nonsense"),
        ("1n", "1"),
    ],
)
def test_a_capacity_is_rounded_up_to_whole_bytes(size: str, stored: str) -> None:
    assert admit(pv(capacity={"storage": size})).raw["spec"]["capacity"]["storage"] == stored


# --- claimRef ---

REFERENCE = {"namespace": "shop", "name": "cart", "uid": "u-1", "resourceVersion": "7"}
MARK = {BOUND_BY_CONTROLLER: "yes"}
BOUND = pv(phase="Bound", claimRef=REFERENCE)
CLAIM = pvc(uid="u-1", volumeName="pv-1")


@pytest.mark.parametrize(
    ("volume", "context", "freed"),
    [
        pytest.param(pv(annotations=MARK, claimRef=REFERENCE), [], True, id="the claim is gone"),
        pytest.param(pv(annotations=MARK, claimRef=REFERENCE), [pvc(uid="u-2")], True, id="another one has its name"),
        pytest.param(pv(annotations=MARK, claimRef=REFERENCE), [CLAIM], False, id="the claim lives"),
        pytest.param(pv(claimRef=REFERENCE), [], False, id="fresh from a provisioner"),
        pytest.param(pv(annotations=MARK, claimRef={"namespace": "shop", "name": "cart"}), [], False, id="by name"),
    ],
)
def test_a_dead_uid_becomes_a_reservation(volume: JSON, context: list[JSON], freed: bool) -> None:
    result = admit(volume, *context)
    assert result.changed is freed
    if freed:
        assert result.raw["spec"]["claimRef"] == {"namespace": "shop", "name": "cart"}
        assert result.raw["metadata"]["annotations"] == {}


def test_an_update_frees_only_what_the_same_export_had_become() -> None:
    export, reserved = pv(annotations=MARK, claimRef=REFERENCE), pv(claimRef={"namespace": "shop", "name": "cart"})
    assert admit(export, old=reserved).raw["spec"] == reserved["spec"]
    assert not admit(export, old=export).changed
    assert not admit(export, old=pv()).changed


@pytest.mark.parametrize(
    ("new", "old", "refused"),
    [
        (pv(claimRef={"name": "cart"}), None, True),
        (pv(claimRef={"name": "cart"}), pv(), True),
        (pv(claimRef={"name": "cart"}), pv(claimRef={"name": "cart"}), False),
        (pv(claimRef={"namespace": "shop"}), None, False),
    ],
)
def test_a_reference_without_namespace_is_refused_when_it_is_new(new: JSON, old: JSON | None, refused: bool) -> None:
    assert bool(admit(new, old=old).denials) is refused


@pytest.mark.parametrize(
    ("reference", "context", "said"),
    [
        pytest.param({"namespace": "other", "name": "cart"}, [CLAIM], "denied", id="another namespace"),
        pytest.param({"namespace": "other", "name": "cart", "uid": "u-9"}, [CLAIM], None, id="a populator, with uid"),
        pytest.param({"namespace": "shop", "name": "new"}, [CLAIM], "warned", id="another name"),
        pytest.param(None, [CLAIM], "warned", id="removed"),
        pytest.param({"namespace": "shop", "name": "cart"}, [CLAIM], None, id="the same, without uid"),
        pytest.param({"namespace": "other", "name": "cart"}, [], None, id="the claim is gone"),
        pytest.param(
            {"namespace": "other", "name": "cart"},
            [pvc(uid="u-1", volumeName="pv-1", deletionTimestamp="2026-01-01T00:00:00Z")],
            None,
            id="the claim is going",
        ),
        pytest.param({"namespace": "other", "name": "cart"}, [pvc(volumeName="pv-2")], None, id="bound elsewhere"),
    ],
)
def test_a_volume_in_use_is_not_handed_over(reference: JSON | None, context: list[JSON], said: str | None) -> None:
    new = pv(phase="Bound", **({"claimRef": reference} if reference else {}))
    result = admit(new, *context, old=BOUND)
    assert (bool(result.denials), bool(result.warnings)) == (said == "denied", said == "warned")


def test_a_volume_that_is_not_bound_may_be_handed_over() -> None:
    released = pv(phase="Released", claimRef=REFERENCE)
    assert not admit(pv(phase="Released", claimRef={"namespace": "o", "name": "c"}), CLAIM, old=released).denials
