"""Each rule of StorageClasses at its edges. The plain cases are in tests/cases/admission/storageclass.json."""

import pytest

from model.meta import JSON
from model.names import BETA_DEFAULT_CLASS, BETA_REGION, BETA_ZONE, DEFAULT_CLASS, NO_PROVISIONER, REGION, ZONE
from tests.webhooks.objects import admit, csi_node, delete, node, pvc, sc

DRIVER = "block.csi.example.com"
P = "csi.storage.k8s.io/"


# --- the mark of the default class ---


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({BETA_DEFAULT_CLASS: "true"}, {DEFAULT_CLASS: "true"}),
        ({BETA_DEFAULT_CLASS: "true", DEFAULT_CLASS: "true"}, {DEFAULT_CLASS: "true"}),
        ({BETA_DEFAULT_CLASS: "true", "a": "b"}, {DEFAULT_CLASS: "true", "a": "b"}),
        ({DEFAULT_CLASS: "true"}, {DEFAULT_CLASS: "true"}),
    ],
)
def test_the_deprecated_mark_moves(given: dict[str, str], stored: dict[str, str]) -> None:
    assert admit(sc(annotations=given)).raw["metadata"]["annotations"] == stored
    assert admit(sc(annotations=given), old=sc(annotations=given)).raw["metadata"]["annotations"] == stored


def test_marks_that_disagree_are_left_and_reported_once() -> None:
    marks = {BETA_DEFAULT_CLASS: "true", DEFAULT_CLASS: "false"}
    result = admit(sc(annotations=marks))
    assert not result.changed
    assert any(BETA_DEFAULT_CLASS in each and DEFAULT_CLASS in each for each in result.warnings)
    again = admit(sc(annotations=marks, mountOptions=["ro"]), old=sc(annotations=marks))
    assert "sc-ga-default-annotation" not in again.rules


def test_an_update_of_the_deprecated_mark_alone_is_followed() -> None:
    old = sc(annotations={DEFAULT_CLASS: "true"})
    patched = sc(annotations={DEFAULT_CLASS: "true", BETA_DEFAULT_CLASS: "false"})
    assert admit(patched, old=old).raw["metadata"]["annotations"] == {DEFAULT_CLASS: "false"}
    both = sc(annotations={DEFAULT_CLASS: "maybe", BETA_DEFAULT_CLASS: "false"})
    assert admit(both, old=old).raw["metadata"]["annotations"] == both["metadata"]["annotations"]


# --- topology ---


def term(*keys: str) -> JSON:
    return {"matchLabelExpressions": [{"key": key, "values": ["a"]} for key in keys]}


def keys_of(raw: JSON) -> list[list[str]]:
    return [[each["key"] for each in one["matchLabelExpressions"]] for one in raw["allowedTopologies"]]


@pytest.mark.parametrize(
    ("provisioner", "context", "exchanged"),
    [
        pytest.param("kubernetes.io/aws-ebs", [], True, id="in-tree"),
        pytest.param(DRIVER, [], False, id="nothing known of the driver"),
        pytest.param(DRIVER, [csi_node("n", DRIVER, ZONE)], True, id="it registers the current key"),
        pytest.param(DRIVER, [csi_node("n", DRIVER, BETA_ZONE)], False, id="it registers the deprecated one"),
        pytest.param(DRIVER, [csi_node("n", DRIVER, ZONE), csi_node("m", DRIVER, BETA_ZONE)], False, id="both"),
        pytest.param(DRIVER, [csi_node("n", "other", ZONE)], False, id="another driver registers it"),
    ],
)
def test_a_topology_key_is_exchanged_where_the_driver_uses_the_current_one(
    provisioner: str, context: list[JSON], exchanged: bool
) -> None:
    result = admit(sc(provisioner=provisioner, allowedTopologies=[term(BETA_ZONE, "x")]), *context)
    assert keys_of(result.raw) == [[ZONE if exchanged else BETA_ZONE, "x"]]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param([term(BETA_ZONE, BETA_REGION)], [[ZONE, REGION]], id="both keys"),
        pytest.param([term(BETA_ZONE, ZONE)], [[BETA_ZONE, ZONE]], id="the term has the current key"),
        pytest.param([term(BETA_ZONE), term(ZONE)], [[BETA_ZONE], [ZONE]], id="two terms would be equal"),
        pytest.param([term(BETA_ZONE), term(REGION)], [[ZONE], [REGION]], id="other terms stay"),
        pytest.param([{}], None, id="a term without expressions"),
    ],
)
def test_terms_are_never_made_contradictory(terms: list[JSON], expected: list[list[str]] | None) -> None:
    result = admit(sc(provisioner="kubernetes.io/aws-ebs", allowedTopologies=terms))
    if expected is None:
        assert not result.changed
    else:
        assert keys_of(result.raw) == expected


def test_stored_topologies_are_left_on_unrelated_updates() -> None:
    old = sc(provisioner="kubernetes.io/aws-ebs", allowedTopologies=[term(BETA_ZONE)])
    assert not admit(old | {"mountOptions": ["ro"]}, old=old).changed


# --- parameters ---


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({f"{P}fsType": "xfs"}, {f"{P}fstype": "xfs"}),
        ({f"{P}fstype:": "xfs"}, {f"{P}fstype": "xfs"}),
        ({f" {P}fstype : ": "xfs"}, {f"{P}fstype": "xfs"}),
        ({f"{P}node_stage_secret_name": "s", f"{P}node-stage-secret-namespace": "n"},
         {f"{P}node-stage-secret-name": "s", f"{P}node-stage-secret-namespace": "n"}),
        ({f"{P}fsType": "xfs", f"{P}FSTYPE": "ext4"}, None),
        ({f"{P}fsType": "xfs", f"{P}fstype": "ext4"}, None),
        ({f"{P}fs-type": "xfs"}, None),
        ({"fsType": "xfs"}, None),
        ({"Other.io/FsType": "xfs"}, None),
    ],
)  # fmt: skip
def test_reserved_keys_are_spelt_right(given: dict[str, str], stored: dict[str, str] | None) -> None:
    assert admit(sc(parameters=given)).raw["parameters"] == (given if stored is None else stored)


@pytest.mark.parametrize(
    ("value", "stored"),
    [(" ssd ", "ssd"), ("ssd\n", "ssd"), ("a b", "a b"), ("  ", "  "), ("", ""), ("a\nb\n", "a\nb\n"), ("\ta", "a")],
)
def test_values_are_trimmed_unless_they_have_lines(value: str, stored: str) -> None:
    # A value that ends in a newline has none inside.
    assert admit(sc(parameters={"type": value})).raw["parameters"] == {"type": stored}


@pytest.mark.parametrize(
    ("given", "old", "stored"),
    [
        pytest.param({f"{P}fsType": " xfs"}, {f"{P}fstype": "xfs"}, {f"{P}fstype": "xfs"}, id="replaced again"),
        pytest.param(
            {f"{P}fsType": "xfs", f"{P}fstype": "xfs"}, {f"{P}fstype": "xfs"}, {f"{P}fstype": "xfs"}, id="merged again"
        ),
        pytest.param({"type": " a"}, {"type": " a"}, {"type": " a"}, id="stored before the webhook came"),
        pytest.param({"type": " b"}, {"type": "a"}, {"type": " b"}, id="a change is the server's to refuse"),
        pytest.param({}, {"type": "a"}, {}, id="left out"),
    ],
)
def test_parameters_on_updates(given: dict[str, str], old: dict[str, str], stored: dict[str, str]) -> None:
    assert admit(sc(parameters=given), old=sc(parameters=old)).raw["parameters"] == stored


def test_mount_options_are_trimmed_in_order_and_may_repeat() -> None:
    assert admit(sc(mountOptions=[" b ", "", "a", "b"])).raw["mountOptions"] == ["b", "a", "b"]
    old = sc(mountOptions=[" b "])
    assert not admit(sc(mountOptions=[" b "], reclaimPolicy="Retain"), old=old).changed


KINDS = ("", "provisioner-", "controller-publish-", "node-stage-", "node-publish-", "controller-expand-",
         "node-expand-", "controller-modify-")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_has_a_name_and_a_namespace(kind: str) -> None:
    name, namespace = f"{P}{kind}secret-name", f"{P}{kind}secret-namespace"
    assert admit(sc(parameters={name: "s", namespace: "n"})).denials == []
    assert f"parameter {namespace} is missing" in admit(sc(parameters={name: "s"})).denials[0]
    assert f"parameter {name} is missing" in admit(sc(parameters={namespace: "n"})).denials[0]
    assert "must not be empty" in admit(sc(parameters={name: "s", namespace: ""})).denials[0]
    assert "must not be empty" in admit(sc(parameters={name: "", namespace: "n"})).denials[0]


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"fstype": "a", f"{P}fstype": "b"}, True),
        ({"FSTYPE": "a", "fsType": "b"}, True),
        ({"fsType": "a", f"{P}fsType": "b"}, True),
        ({"fsType": "a"}, False),
        ({f"{P}fstype": "a", "type": "b"}, False),
    ],
)
def test_a_file_system_type_is_given_once(given: dict[str, str], refused: bool) -> None:
    denials = admit(sc(parameters=given)).denials
    assert bool(denials) is refused
    assert all(f"keep only {P}fstype" in each for each in denials)


def test_in_tree_provisioners_have_rules_of_their_own() -> None:
    parameters = {f"{P}secret-name": "x", "fstype": "a", "fsType": "b"}
    assert admit(sc(provisioner="kubernetes.io/aws-ebs", parameters=parameters)).denials == []


def test_stored_parameters_are_not_judged() -> None:
    wrong = sc(parameters={f"{P}secret-name": "x", "fstype": "a", "fsType": "b", f"{P}what": "c"})
    result = admit(wrong | {"mountOptions": ["ro"]}, old=wrong)
    assert (result.denials, result.warnings) == ([], [])


# --- warnings ---


@pytest.mark.parametrize(("key", "warned"), [("what", True), ("fstype", False), ("FsType", False), ("fs-type", True)])
def test_a_reserved_key_that_nobody_knows(key: str, warned: bool) -> None:
    result = admit(sc(parameters={f"{P}{key}": "x"}))
    assert ("sc-csi-unknown-key" in result.rules) is warned
    assert all(f"{P}{key}" in each for each in result.warnings)


def default(name: str, created: str, mark: str = DEFAULT_CLASS) -> JSON:
    return sc(name, annotations={mark: "true"}, creationTimestamp=f"{created}T00:00:00Z")


@pytest.mark.parametrize("mark", [DEFAULT_CLASS, BETA_DEFAULT_CLASS])
def test_a_second_default_is_warned_of_with_the_one_that_counts(mark: str) -> None:
    others = [default("old", "2025-01-01", mark), default("older", "2024-01-01"), sc("none")]
    (warning,) = admit(default("new", "2026-01-01"), *others).warnings
    assert warning == "more than one default StorageClass: new, old, older; claims without class get new"


def test_of_defaults_made_at_once_the_first_by_name_counts() -> None:
    (warning,) = admit(default("b", "2026-01-01"), default("a", "2026-01-01")).warnings
    assert warning.endswith("get a")


def test_only_the_request_that_makes_a_class_default_is_warned() -> None:
    other, mine = default("other", "2025-01-01"), default("mine", "2026-01-01")
    assert admit(mine, other, mine, old=sc("mine", creationTimestamp="2026-01-01T00:00:00Z")).warnings
    assert not admit(mine | {"mountOptions": ["ro"]}, other, mine, old=mine).warnings
    assert not admit(sc("mine"), other, mine, old=mine).warnings
    assert not admit(mine, sc("other")).warnings


@pytest.mark.parametrize(
    ("context", "warned"),
    [
        pytest.param([], False, id="no nodes known"),
        pytest.param([node("n")], True, id="on no node"),
        pytest.param([node("n", **{"x/zone": "a"})], False, id="a label of a node"),
        pytest.param([node("n"), csi_node("n", DRIVER, "x/zone")], False, id="registered by a driver"),
    ],
)
def test_a_topology_key_that_is_nowhere(context: list[JSON], warned: bool) -> None:
    wanted = sc(allowedTopologies=[term("x/zone"), term("x/zone")])
    assert admit(wanted, *context).warnings == (["allowedTopologies key x/zone is on no node"] if warned else [])
    assert admit(wanted, *context, complete=False).warnings == []
    assert admit(wanted | {"reclaimPolicy": "Retain"}, *context, old=wanted).warnings == []


@pytest.mark.parametrize(
    ("provisioner", "mode", "warned"),
    [
        (NO_PROVISIONER, None, True),
        (NO_PROVISIONER, "Immediate", True),
        (NO_PROVISIONER, "WaitForFirstConsumer", False),
        (DRIVER, "Immediate", False),
    ],
)
def test_local_volumes_wait_for_their_consumer(provisioner: str, mode: str | None, warned: bool) -> None:
    result = admit(sc(provisioner=provisioner, **({"volumeBindingMode": mode} if mode else {})))
    assert ("sc-no-provisioner-immediate" in result.rules) is warned


def test_deleting_a_class_in_use_is_warned_of() -> None:
    claims = [pvc("a", storageClassName="fast"), pvc("b", storageClassName="fast"), pvc("c", storageClassName="slow")]
    (warning,) = delete(sc(), *claims).warnings
    assert "StorageClass fast is still used by 2 claim(s)" in warning
    assert delete(sc("unused"), *claims).warnings == []
