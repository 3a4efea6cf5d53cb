"""The rules that are asked for, and what actions make of rules."""

from typing import Any

import pytest

from model.meta import JSON
from model.names import (
    BETA_DEFAULT_CLASS,
    BETA_REGION,
    BETA_STORAGE_CLASS,
    BETA_ZONE,
    DEFAULT_CLASS,
    DEFAULT_SNAPSHOT_CLASS,
    MOUNT_OPTIONS,
    PROVISIONED_BY,
    REGION,
    SELECTED_NODE,
    ZONE,
)
from tests.webhooks.objects import Result, admit, capacity, csi_driver, delete, node, pv, pvc, sc
from webhooks.settings import Settings, parse

DRIVER = "block.csi.example.com"
P = "csi.storage.k8s.io/"


def on(*names: str, **options: Any) -> Settings:
    """These rules on; `options` are of the first."""
    rules: JSON = dict.fromkeys(names, "on")
    if options:
        rules[names[0]] = options
    return _settings(rules)


def _settings(rules: JSON) -> Settings:
    import json

    return parse(json.dumps({"rules": rules}))


def requests(size: str) -> JSON:
    return {"requests": {"storage": size}}


def test_what_is_not_asked_for_does_not_happen() -> None:
    volume = pv(labels={BETA_ZONE: "a", ZONE: "a"}, persistentVolumeReclaimPolicy="Delete", csi={"driver": DRIVER})
    assert not admit(volume).changed


def test_deprecated_labels_are_dropped_where_the_current_ones_say_the_same() -> None:
    labels = {BETA_ZONE: "a", BETA_REGION: "r", REGION: "other"}
    result = admit(pv(labels=labels), settings=on("pv-drop-beta-labels"))
    assert result.raw["metadata"]["labels"] == {ZONE: "a", BETA_REGION: "r", REGION: "other"}


def test_zone_labels_become_affinity_even_where_only_some_nodes_have_them() -> None:
    nodes = [node("n1", **{ZONE: "a"}), node("n2")]
    settings = on("pv-zone-affinity-partial")
    made = admit(pv(labels={ZONE: "a", REGION: "r"}), *nodes, settings=settings)
    assert made.raw["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["a"]}]}
    ]
    assert not admit(pv(labels={ZONE: "a"}), settings=settings).changed


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"csi": {"driver": DRIVER, "volumeHandle": "v"}}, "xfs"),
        ({"csi": {"driver": DRIVER, "volumeHandle": "v", "fsType": "ext4"}}, "ext4"),
        ({"csi": {"driver": "other", "volumeHandle": "v"}}, None),
        ({"csi": {"driver": DRIVER, "volumeHandle": "v"}, "volumeMode": "Block"}, None),
    ],
)
def test_a_file_system_type_is_filled_in_by_driver(spec: JSON, expected: str | None) -> None:
    settings = on("pv-fstype-default", types={DRIVER: "xfs"})
    made = admit(pv(**spec), settings=settings).raw
    assert made["spec"]["csi"].get("fsType") == expected
    assert admit(pv(**spec), old=made, settings=settings).raw["spec"] == made["spec"]


@pytest.mark.parametrize(("annotations", "policy"), [({}, "Retain"), ({PROVISIONED_BY: DRIVER}, "Delete")])
def test_hand_made_volumes_are_retained(annotations: dict[str, str], policy: str) -> None:
    volume = pv(annotations=annotations, persistentVolumeReclaimPolicy="Delete")
    result = admit(volume, settings=on("pv-static-retain"))
    assert result.raw["spec"]["persistentVolumeReclaimPolicy"] == policy
    assert result.warnings == []


def test_an_in_tree_disk_becomes_a_csi_volume_once() -> None:
    source = {"volumeID": "aws://us-east-1a/vol-1", "fsType": "ext4", "partition": 2}
    manifest = pv(labels={ZONE: "us-east-1a"}, awsElasticBlockStore=source, capacity={"storage": "1Gi"})
    settings = on("pv-in-tree-to-csi")
    made = admit(manifest, settings=settings).raw
    assert made["spec"] == {
        "capacity": {"storage": "1Gi"},
        "csi": {
            "driver": "ebs.csi.aws.com",
            "volumeHandle": "vol-1",
            "fsType": "ext4",
            "volumeAttributes": {"partition": "2"},
        },
        "nodeAffinity": {
            "required": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": "topology.ebs.csi.aws.com/zone", "operator": "In", "values": ["us-east-1a"]}
                        ]
                    }
                ]
            }
        },
    }
    assert admit(manifest, old=made, settings=settings).raw["spec"] == made["spec"]
    assert not admit(made, old=made, settings=settings).changed
    assert not admit(manifest, old=manifest, settings=settings).changed, "what is stored stays"


def test_a_disk_that_can_not_be_named_is_left_with_a_warning() -> None:
    result = admit(pv(awsElasticBlockStore={"volumeID": "aws://x/y/z"}), settings=on("pv-in-tree-to-csi"))
    assert not result.changed
    assert "was not rewritten" in result.warnings[0]


REFERENCE = {"namespace": "shop", "name": "cart", "uid": "u-1"}


@pytest.mark.parametrize(
    ("reference", "user", "refused"),
    [
        ({"namespace": "other", "name": "c", "uid": "u-2"}, "", True),
        ({"namespace": "shop", "name": "new", "uid": "u-2"}, "", True),
        ({"namespace": "shop", "name": "cart", "uid": "u-2"}, "", True),
        ({"namespace": "other", "name": "c", "uid": "u-2"}, "populator", False),
        ({"namespace": "shop", "name": "cart"}, "", False),
        (REFERENCE, "", False),
    ],
)
def test_the_strict_rule_refuses_all_but_the_listed(reference: JSON, user: str, refused: bool) -> None:
    old, new = pv(phase="Bound", claimRef=REFERENCE), pv(phase="Bound", claimRef=reference)
    claim = pvc(uid="u-1", volumeName="pv-1")
    settings = on("pv-claimref-repoint-strict", users=["populator"])
    assert bool(admit(new, claim, old=old, settings=settings, user=user).denials) is refused


# --- claims ---


@pytest.mark.parametrize(
    ("size", "class_name", "said"),
    [
        ("2Ti", "fast", None),
        ("11Ti", "fast", "more than the limit of 10Ti"),
        ("2Ti", "slow", "more than the limit of 1Ti"),
        ("512Mi", "slow", "less than the least of 1Gi"),
        ("1Gi", "slow", None),
        ("nonsense", "slow", None),
    ],
)
def test_sizes_have_limits_by_class(size: str, class_name: str, said: str | None) -> None:
    settings = _settings({"pvc-max-size": {"sizes": {"fast": "10Ti", "*": "1Ti"}},
                          "pvc-min-size": {"sizes": {"*": "1Gi"}}})  # fmt: skip
    claim = pvc(resources=requests(size), storageClassName=class_name)
    denials = admit(claim, sc("fast"), sc("slow"), settings=settings).denials
    assert [said in each and size in each for each in denials] == ([True] if said else [])
    assert admit(claim | {"metadata": claim["metadata"] | {"labels": {}}}, old=claim, settings=settings).denials == []


def test_growing_beyond_the_limit_is_refused_too() -> None:
    settings = on("pvc-max-size", sizes={"*": "10Gi"})
    old = pvc(resources=requests("20Gi"))
    assert admit(pvc(resources=requests("30Gi")), old=old, settings=settings).denials


def test_a_size_is_rounded_up_to_the_drivers_step_once() -> None:
    settings = on("pvc-size-step", steps={DRIVER: "1Gi"})
    manifest = pvc(resources=requests("1500Mi"), storageClassName="fast")
    made = admit(manifest, sc(), settings=settings).raw
    assert made["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert admit(manifest, sc(), old=made, settings=settings).raw["spec"] == made["spec"]
    assert not admit(pvc(resources=requests("1500Mi"), storageClassName="other"), settings=settings).changed
    assert not admit(made, sc(), settings=settings).changed


DEFAULT = sc("standard", annotations={DEFAULT_CLASS: "true"})
CLASSES = [{"class": "gold", "namespaces": ["bank"]}, {"class": "db", "labels": {"tier": "db"}}]


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (pvc(namespace="bank"), "gold"),
        (pvc(namespace="bank", storageClassName="standard"), "gold"),
        (pvc(namespace="bank", storageClassName="mine"), "mine"),
        (pvc(namespace="bank", storageClassName=""), ""),
        (pvc(labels={"tier": "db"}, storageClassName="standard"), "db"),
        (pvc(storageClassName="standard"), "standard"),
        (pvc(namespace="bank", volumeName="pv-9", storageClassName="standard"), "standard"),
    ],
)
def test_a_claim_whose_class_nobody_chose_gets_that_of_its_namespace_or_workload(claim: JSON, expected: str) -> None:
    settings = on("pvc-default-class", classes=CLASSES)
    made = admit(claim, DEFAULT, settings=settings).raw
    assert made["spec"]["storageClassName"] == expected
    assert admit(claim, DEFAULT, old=made, settings=settings).raw["spec"] == made["spec"]


def test_modes_that_the_driver_lacks_are_refused() -> None:
    settings = on("pvc-access-mode-support", modes={DRIVER: ["ReadWriteOnce"]})
    denials = admit(pvc(storageClassName="fast", accessModes=["ReadWriteMany"]), sc(), settings=settings).denials
    assert "has no access mode ReadWriteMany; it has ReadWriteOnce" in denials[0]
    assert not admit(pvc(storageClassName="fast", accessModes=["ReadWriteOnce"]), sc(), settings=settings).denials
    other = sc(provisioner="other")
    assert not admit(pvc(storageClassName="fast", accessModes=["ReadWriteMany"]), other, settings=settings).denials


def test_a_provisioner_without_driver_object_is_warned_of() -> None:
    settings, claim = on("pvc-class-driver-missing"), pvc(storageClassName="fast")
    assert "no CSIDriver block.csi.example.com" in admit(claim, sc(), settings=settings).warnings[0]
    assert not admit(claim, sc(), csi_driver(DRIVER), settings=settings).warnings
    assert not admit(claim, sc(provisioner="kubernetes.io/no-provisioner"), settings=settings).warnings


def test_a_selected_node_must_be_allowed_and_be_there() -> None:
    allowed = sc(allowedTopologies=[{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}])
    nodes = [node("in", **{ZONE: "a"}), node("out", **{ZONE: "b"})]
    settings = on("pvc-selected-node-topology", "pvc-drop-selected-node")

    def chosen(name: str) -> Result:
        claim = pvc(storageClassName="fast", annotations={SELECTED_NODE: name, "a": "b"})
        return admit(claim, allowed, *nodes, settings=settings)

    assert not chosen("in").denials
    assert "node out is outside allowedTopologies of class fast" in chosen("out").denials[0]
    assert chosen("gone").raw["metadata"]["annotations"] == {"a": "b"}
    assert chosen("in").raw["metadata"]["annotations"][SELECTED_NODE] == "in"


# --- classes ---


def test_classes_of_listed_provisioners_wait_retain_and_expand() -> None:
    names = ("sc-binding-mode", "sc-reclaim-policy", "sc-expansion")
    settings = _settings({name: {"provisioners": [DRIVER]} for name in names})
    manifest = sc(volumeBindingMode="Immediate", reclaimPolicy="Delete")
    made = admit(manifest, settings=settings).raw
    assert (made["volumeBindingMode"], made["reclaimPolicy"]) == ("WaitForFirstConsumer", "Retain")
    assert made["allowVolumeExpansion"] is True
    assert admit(manifest, old=made, settings=settings).raw == made
    said = sc(allowVolumeExpansion=False, volumeBindingMode="WaitForFirstConsumer", reclaimPolicy="Retain")
    assert not admit(said, settings=settings).changed
    assert not admit(sc(provisioner="other", volumeBindingMode="Immediate"), settings=settings).changed
    assert not admit(manifest, old=manifest, settings=settings).changed


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ({"fsType": "xfs"}, {f"{P}fstype": "xfs"}),
        ({"csiNodeStageSecretName": "s", "csiNodeStageSecretNamespace": "n"},
         {f"{P}node-stage-secret-name": "s", f"{P}node-stage-secret-namespace": "n"}),
        ({"csiProvisionerSecretName": "s", f"{P}provisioner-secret-name": "t"}, None),
        ({"type": "a"}, None),
    ],
)  # fmt: skip
def test_keys_of_old_provisioners_become_those_of_today(given_: JSON, stored: JSON | None) -> None:
    settings = on("sc-deprecated-keys")
    made = admit(sc(parameters=given_), settings=settings).raw
    assert made["parameters"] == (stored or given_)
    assert admit(sc(parameters=given_), old=made, settings=settings).raw == made


def snapshot_class(name: str, driver: str = DRIVER, **annotations: str) -> JSON:
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": name, "annotations": annotations},
        "driver": driver,
        "deletionPolicy": "Delete",
    }


def test_a_driver_has_one_default_class_of_snapshots() -> None:
    mark, settings = {DEFAULT_SNAPSHOT_CLASS: "true"}, on("vsc-one-default")
    mine, other = snapshot_class("mine", **mark), snapshot_class("other", **mark)
    assert "other is already the default of driver" in admit(mine, other, settings=settings).denials[0]
    assert admit(mine, other, old=snapshot_class("mine"), settings=settings).denials
    assert not admit(mine, other, old=mine, settings=settings).denials, "it was before"
    assert not admit(mine, snapshot_class("other"), settings=settings).denials
    assert not admit(mine, snapshot_class("other", "elsewhere", **mark), settings=settings).denials


# --- actions ---


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("pvc-unknown-class", lambda settings: admit(pvc(storageClassName="gone"), settings=settings)),
        ("pv-affinity-no-node", lambda settings: admit(pv(nodeAffinity=NOWHERE), node("n"), settings=settings)),
        ("pv-delete-bound", lambda settings: delete(
            pv(phase="Bound", claimRef=REFERENCE), pvc(uid="u-1"), settings=settings)),
        ("sc-delete-in-use", lambda settings: delete(sc(), pvc(storageClassName="fast"), settings=settings)),
        ("sc-multiple-defaults", lambda settings: admit(
            sc(annotations={DEFAULT_CLASS: "true"}), DEFAULT, settings=settings)),
    ],
)  # fmt: skip
def test_a_warning_can_be_made_a_refusal(name: str, act: Any) -> None:
    warned = act(Settings())
    (message,) = warned.warnings
    assert warned.denials == []
    for settings in (_settings({name: "refuse"}), on(f"{name}-deny")):
        refused = act(settings)
        assert (refused.denials, refused.warnings) == ([message], [])
    softened = act(_settings({f"{name}-deny": "warn"}))
    assert (softened.denials, softened.warnings) == ([], [message])


NOWHERE = {
    "required": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "x/y", "operator": "In", "values": ["z"]}]}],
    }
}


def test_a_refusal_can_be_made_a_warning() -> None:
    volume = pv(hostPath={"path": "/etc"})
    (message,) = admit(volume).denials
    softened = admit(volume, settings=_settings({"pv-hostpath-protected": "warn"}))
    assert (softened.denials, softened.warnings) == ([], [message])
    assert admit(volume, settings=_settings({"pv-hostpath-protected": "off"})).rules == []


def test_a_normalizing_rule_can_say_what_it_would_do() -> None:
    volume = pv(mountOptions=[" ro "], labels={BETA_ZONE: "a"})
    result = admit(volume, settings=_settings({"pv-mount-options": "warn", "pv-ga-topology-labels": "warn"}))
    assert not result.changed
    assert sorted(result.warnings) == [
        'not normalized: would set metadata.labels[topology.kubernetes.io/zone] to "a"',
        'not normalized: would set spec.mountOptions to ["ro"]',
    ]


def test_annotations_can_be_kept() -> None:
    settings = on("keep-deprecated-annotations")
    volume = pv(annotations={BETA_STORAGE_CLASS: "slow", MOUNT_OPTIONS: "ro"})
    made = admit(volume, settings=settings)
    assert made.raw["spec"] == {"storageClassName": "slow", "mountOptions": ["ro"]}
    assert made.raw["metadata"] == volume["metadata"]
    assert not admit(made.raw, settings=settings).changed
    claim = pvc(annotations={BETA_STORAGE_CLASS: "slow"})
    assert admit(claim, sc("slow"), settings=settings).raw["metadata"] == claim["metadata"]
    marked = sc(annotations={BETA_DEFAULT_CLASS: "true"})
    assert admit(marked, settings=settings).raw["metadata"]["annotations"] == {
        BETA_DEFAULT_CLASS: "true",
        DEFAULT_CLASS: "true",
    }


def test_capacity_rules_do_not_meet_what_was_left_out() -> None:
    claim = pvc(storageClassName="fast", resources=requests("2Gi"))
    tracking = csi_driver(DRIVER, storageCapacity=True)
    refused = admit(claim, sc(), tracking, capacity("fast", capacity="1Gi"),
                    settings=_settings({"pvc-exceeds-capacity": "refuse"}))  # fmt: skip
    assert "larger than any volume class fast" in refused.denials[0]
