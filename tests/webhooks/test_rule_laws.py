"""Laws that hold for every rule, whatever the object and whatever the cluster (hypothesis)."""

import copy
from dataclasses import replace
from typing import Any

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st

from model import names
from model.meta import JSON
from tests.webhooks.cases import applied, view
from webhooks.rules import DEFAULTS
from webhooks.rules.evaluate import Verdict, evaluate
from webhooks.rules.facts import Snapshot
from webhooks.rules.rule import Operation, Phase, Review

ZONES = st.sampled_from(["a", "b", "", "b__a", "a__", " a"])
CLASS_NAMES = st.sampled_from(["", "fast", "slow", "gone"])
SIZES = st.sampled_from(["10Gi", "1181116006400m", "0.5", "1", "1500m", "1e3", "-1", "no size"])
MODES = st.lists(st.sampled_from(["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]), max_size=4)
OPTIONS = st.lists(st.sampled_from(["ro", " ro", "", " ", "hard"]), max_size=4)
KEYS = st.sampled_from([names.ZONE, names.BETA_ZONE, names.REGION, names.BETA_REGION, names.OS, names.BETA_OS, "x/y"])
TOPOLOGY_KEYS = (names.ZONE, names.BETA_ZONE, names.REGION, names.BETA_REGION)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[JSON]:
    """An object with any of these fields, and one that nobody modelled."""
    return st.fixed_dictionaries({}, optional=fields | {"futureField": st.just({"keep": [" me "]})})


LABELS = maybe(**dict.fromkeys(TOPOLOGY_KEYS, ZONES), app=st.just("x")).map(
    lambda labels: {key: value for key, value in labels.items() if isinstance(value, str)}
)
EXPRESSION = st.builds(
    lambda key, operator, values: {"key": key, "operator": operator, "values": values},
    KEYS,
    st.sampled_from(["In", "NotIn", "Exists"]),
    st.lists(st.sampled_from(["a", "b"]), max_size=2),
)
TERMS = st.lists(maybe(matchExpressions=st.lists(EXPRESSION, max_size=3)), max_size=2)
REFERENCE = st.fixed_dictionaries(
    {"name": st.sampled_from(["cart", "gone"])},
    optional={"namespace": st.sampled_from(["shop", "", "other"]), "uid": st.sampled_from(["u-1", "u-2"])},
)
VOLUME_ANNOTATIONS = st.fixed_dictionaries(
    {},
    optional={
        names.BETA_STORAGE_CLASS: CLASS_NAMES,
        names.MOUNT_OPTIONS: st.sampled_from(["ro", "", " ro,,hard ", "hard"]),
        names.BOUND_BY_CONTROLLER: st.just("yes"),
        "a/b~c": st.just(" x "),
    },
)
VOLUMES = st.builds(
    lambda labels, annotations, spec, phase: {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-1", "labels": labels, "annotations": annotations, "futureField": 1},
        "spec": spec,
        "status": {"phase": phase},
    },
    LABELS,
    VOLUME_ANNOTATIONS,
    maybe(
        capacity=st.builds(lambda size: {"storage": size, "other": "1"}, SIZES),
        accessModes=MODES,
        storageClassName=CLASS_NAMES,
        mountOptions=OPTIONS,
        claimRef=REFERENCE,
        csi=st.builds(
            lambda handle: {"driver": "block", "volumeHandle": handle, "futureField": 1},
            st.sampled_from(["v1", " v1 ", " ", "v2"]),
        ),
        hostPath=st.builds(lambda path: {"path": path}, st.sampled_from(["/etc", "/", "/data", ""])),
        local=st.just({"path": "/mnt"}),
        nodeAffinity=maybe(required=st.builds(lambda terms: {"nodeSelectorTerms": terms}, TERMS)),
        persistentVolumeReclaimPolicy=st.sampled_from(["Delete", "Retain"]),
    ),
    st.sampled_from(["Bound", "Available", "Released"]),
)
CLAIM_ANNOTATIONS = st.fixed_dictionaries(
    {},
    optional={
        names.BETA_STORAGE_CLASS: CLASS_NAMES,
        names.BIND_COMPLETED: st.just("yes"),
        names.BOUND_BY_CONTROLLER: st.just("yes"),
    },
)
CLAIMS = st.builds(
    lambda annotations, spec: {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "cart", "namespace": "shop", "annotations": annotations},
        "spec": spec,
    },
    CLAIM_ANNOTATIONS,
    maybe(
        accessModes=MODES,
        storageClassName=CLASS_NAMES,
        volumeName=st.sampled_from(["pv-1", "pv-2", "gone"]),
        volumeMode=st.sampled_from(["Block", "Filesystem"]),
        resources=maybe(
            requests=st.builds(lambda size: {"storage": size}, SIZES),
            limits=st.builds(lambda size: {"storage": size}, SIZES),
        ),
        selector=st.just({"matchLabels": {"app": "x"}}),
        dataSourceRef=st.just({"kind": "PersistentVolumeClaim", "name": "x", "namespace": "golden"}),
    ),
)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "fstype",
            "FsType",
            "csi.storage.k8s.io/fstype",
            "csi.storage.k8s.io/fsType",
            "csi.storage.k8s.io/fstype: ",
            "csi.storage.k8s.io/node_stage-secret-name",
            "csi.storage.k8s.io/node-stage-secret-namespace",
            "csi.storage.k8s.io/what",
        ]
    ),
    st.sampled_from(["x", " x\n", "", " ", "a\nb\n"]),
    max_size=4,
)
ALLOWED = st.lists(
    maybe(matchLabelExpressions=st.lists(st.builds(lambda key: {"key": key, "values": ["a"]}, KEYS), max_size=3)),
    max_size=3,
)
DEFAULT_MARKS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys((names.DEFAULT_CLASS, names.BETA_DEFAULT_CLASS), st.sampled_from(["true", "false"]))
)
CLASSES = st.builds(
    lambda annotations, more, provisioner: {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "fast", "annotations": annotations},
        "provisioner": provisioner,
        **more,
    },
    DEFAULT_MARKS,
    maybe(parameters=PARAMETERS, mountOptions=OPTIONS, allowedTopologies=ALLOWED),
    st.sampled_from(["block", "kubernetes.io/aws-ebs", "kubernetes.io/no-provisioner"]),
)
NODES = st.builds(
    lambda name, labels: {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}},
    st.sampled_from(["n1", "n2", "n3"]),
    LABELS,
)
CSI_NODES = st.builds(
    lambda keys: {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": "n1"},
        "spec": {"drivers": [{"name": "block", "nodeID": "n1", "topologyKeys": keys}]},
    },
    st.lists(KEYS, max_size=2),
)


def named(name: str) -> Any:
    return lambda raw: {**raw, "metadata": {**raw["metadata"], "name": name}}


OBJECTS = st.one_of(VOLUMES, CLAIMS, CLASSES)
PAIRS = st.one_of(st.tuples(each, each) for each in (VOLUMES, CLAIMS, CLASSES))
FACTS = st.lists(
    st.one_of(NODES, CSI_NODES, VOLUMES.map(named("pv-2")), CLASSES, CLASSES.map(named("slow")), CLAIMS), max_size=6
).map(lambda objects: Snapshot([view(each) for each in objects]))


def create(raw: JSON) -> Review[Any]:
    return Review(Operation.CREATE, view(raw), raw)


def update(raw: JSON, old: JSON) -> Review[Any]:
    return Review(Operation.UPDATE, view(raw), raw, view(old), old)


def mutate(review: Review[Any], facts: Snapshot) -> Verdict:
    return evaluate(Phase.MUTATE, DEFAULTS, review, facts)


def without_patches(value: Any, verdict: Verdict) -> Any:
    """The value at the top of paths that no operation touches."""
    touched = {
        operation[key].split("/")[1] for operation in verdict.patch for key in ("path", "from") if key in operation
    }
    return {key: each for key, each in value.items() if key not in touched}


@given(OBJECTS, FACTS)
def test_the_patch_of_a_creation_applies_and_a_second_run_finds_nothing(raw: JSON, facts: Snapshot) -> None:
    received = copy.deepcopy(raw)
    once = mutate(create(raw), facts)
    assert raw == received
    assert jsonpatch.apply_patch(raw, once.patch) == once.raw
    assert mutate(create(once.raw), facts).patch == []


@given(PAIRS, FACTS)
def test_so_it_is_with_an_update(pair: tuple[JSON, JSON], facts: Snapshot) -> None:
    review = update(*pair)
    once = mutate(review, facts)
    assert jsonpatch.apply_patch(review.raw, once.patch) == once.raw
    again = mutate(replace(review, raw=once.raw, subject=view(once.raw)), facts)
    assert again.patch == []


@given(OBJECTS, FACTS)
def test_every_operation_changes_something(raw: JSON, facts: Snapshot) -> None:
    result = raw
    for operation in mutate(create(raw), facts).patch:
        before, result = result, jsonpatch.apply_patch(result, [operation])
        assert result != before


@given(OBJECTS, FACTS)
def test_fields_that_nobody_modelled_and_foreign_annotations_survive(raw: JSON, facts: Snapshot) -> None:
    result = mutate(create(raw), facts).raw
    assert futures(result) == futures(raw)
    assert result["metadata"]["annotations"].get("a/b~c") == raw["metadata"]["annotations"].get("a/b~c")
    assert result.get("status") == raw.get("status")


def futures(value: Any) -> int:
    """How often `futureField` stands in the value."""
    if isinstance(value, dict):
        return sum(futures(each) for each in value.values()) + ("futureField" in value)
    return sum(futures(each) for each in value) if isinstance(value, list) else 0


@given(OBJECTS, FACTS)
def test_an_object_in_deletion_is_let_pass_untouched(raw: JSON, facts: Snapshot) -> None:
    going = {**raw, "metadata": {**raw["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    for review in (update(going, going), update(raw, going), Review(Operation.DELETE, view(going), going)):
        for phase in Phase:
            assert evaluate(phase, DEFAULTS, review, facts).findings == ()


@given(OBJECTS, FACTS)
def test_an_update_of_something_else_changes_no_stored_field(raw: JSON, facts: Snapshot) -> None:
    labelled = {**raw, "metadata": {**raw["metadata"], "finalizers": ["example.com/x"]}}
    verdict = mutate(update(labelled, raw), facts)
    wanted_on_what_exists = {"pv-ga-topology-labels", "sc-ga-default-annotation"}
    assert {each.rule for each in verdict.findings} <= wanted_on_what_exists
    assert without_patches(verdict.raw, verdict) == without_patches(labelled, verdict)


@given(OBJECTS, FACTS)
def test_an_update_of_something_else_is_never_refused(raw: JSON, facts: Snapshot) -> None:
    assert evaluate(Phase.VALIDATE, DEFAULTS, update(raw, raw), facts).findings == ()


@given(OBJECTS, FACTS)
def test_whatever_the_cluster_validation_answers(raw: JSON, facts: Snapshot) -> None:
    for each in evaluate(Phase.VALIDATE, DEFAULTS, create(raw), facts).findings:
        assert not isinstance(each.effect, dict)


@given(OBJECTS, FACTS)
def test_from_manifests_alone_nothing_is_concluded_from_absence(raw: JSON, facts: Snapshot) -> None:
    """What is denied or warned of with few facts is denied or warned of with more, unless a fact speaks of it."""
    offline = Snapshot([], complete=False)
    from_absence = {
        "pv-affinity-no-node",
        "pv-stale-claimref",
        "pv-zone-affinity",
        "pvc-cross-namespace-grant",
        "pvc-exceeds-capacity",
        "pvc-selector-dynamic",
        "pvc-unknown-class",
        "sc-unknown-topology-key",
    }
    for phase in Phase:
        assert not from_absence & set(evaluate(phase, DEFAULTS, create(raw), offline).rules)


@given(OBJECTS, FACTS)
def test_replacing_by_the_manifest_that_made_it_changes_nothing(manifest: JSON, facts: Snapshot) -> None:
    stored = mutate(create(manifest), facts).raw
    again = mutate(update(manifest, stored), facts).raw
    assert without_binding_marks(again) == without_binding_marks(stored)


def without_binding_marks(raw: JSON) -> JSON:
    """The binder writes these on updates, so on updates they are left alone."""
    kept = {
        key: each for key, each in raw["metadata"]["annotations"].items() if not key.startswith("pv.kubernetes.io/b")
    }
    return {**raw, "metadata": {**raw["metadata"], "annotations": kept}}


@given(OBJECTS, FACTS)
def test_so_it_is_with_a_client_side_apply_which_keeps_what_the_manifest_lacks(manifest: JSON, facts: Snapshot) -> None:
    stored = mutate(create(manifest), facts).raw
    again = mutate(update(applied(stored, manifest), stored), facts).raw
    assert without_binding_marks(again) == without_binding_marks(stored)
