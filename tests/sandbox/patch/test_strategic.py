"""Strategic merge patches: lists merged by the keys of the schema, and the directives that kubectl sends."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.patch.strategic import MalformedPatchError, UnprocessablePatchError, strategic_merge
from sandbox.schema import schema_of
from tests.sandbox.records import kind_of

POD = schema_of(kind_of(["v1", "Pod"]))
DEPLOYMENT = schema_of(kind_of(["apps/v1", "Deployment"]))


def _pod(*containers, **metadata):
    return {"metadata": metadata, "spec": {"containers": list(containers)}}


A, B, C = ({"name": name, "image": "1"} for name in "abc")

CASES = {
    "an item is merged by its key": (
        _pod(A, B),
        {"spec": {"containers": [{"name": "b", "image": "2"}]}},
        _pod(A, {"name": "b", "image": "2"}),
    ),
    "an item that is not there yet goes to the front": (_pod(A), {"spec": {"containers": [C]}}, _pod(C, A)),
    "an item is deleted by its key": (
        _pod(A, B),
        {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}},
        _pod(B),
    ),
    "a list is replaced": (
        _pod(A, B),
        {"spec": {"containers": [{"$patch": "replace"}, C]}},
        _pod(C),
    ),
    "items get the order that is asked for, others stay before what they stood before": (
        _pod(A, B, C),
        {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}},
        _pod(B, C, A),
    ),
    "a list without a merge strategy is replaced": (
        {"spec": {"tolerations": [{"key": "a"}]}},
        {"spec": {"tolerations": [{"key": "b"}]}},
        {"spec": {"tolerations": [{"key": "b"}]}},
    ),
    "finalizers are merged": (
        {"metadata": {"finalizers": ["a"]}},
        {"metadata": {"finalizers": ["b", "a"]}},
        {"metadata": {"finalizers": ["b", "a"]}},
    ),
    "a finalizer is deleted": (
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
        {"metadata": {"finalizers": ["b"]}},
    ),
    "null deletes": (
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"a": None}}},
        {"metadata": {"labels": {"b": "2"}}},
    ),
    "a map is replaced": (
        {"metadata": {"labels": {"a": "1"}}},
        {"metadata": {"labels": {"$patch": "replace", "b": "2"}}},
        {"metadata": {"labels": {"b": "2"}}},
    ),
    "a map is emptied": (
        {"metadata": {"labels": {"a": "1"}}},
        {"metadata": {"labels": {"$patch": "delete"}}},
        {"metadata": {"labels": {}}},
    ),
    "of a volume, only the retained source stays": (
        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]}},
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
    ),
    "what a new value directs is no part of it": (
        {"spec": {}},
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"]}], "$setElementOrder/volumes": [{"name": "v"}]}},
        {"spec": {"volumes": [{"name": "v"}]}},
    ),
}


@pytest.mark.parametrize(("target", "patch", "result"), CASES.values(), ids=CASES)
def test_a_strategic_patch(target, patch, result):
    before = copy.deepcopy((target, patch))
    assert strategic_merge(POD, target, patch) == result
    assert (target, patch) == before


def test_only_the_retained_keys_of_a_strategy_stay():
    target = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(DEPLOYMENT, target, patch) == {"spec": {"strategy": {"type": "Recreate"}}}


WRONG = {
    "retained keys that the patch does not keep": (
        MalformedPatchError,
        {"metadata": {"$retainKeys": [], "labels": {}}},
    ),
    "retained keys that are no list": (MalformedPatchError, {"metadata": {"$retainKeys": "a"}}),
    "an order that contradicts the list": (
        MalformedPatchError,
        {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [A, B]}},
    ),
    "an unknown directive": (UnprocessablePatchError, {"spec": {"$patch": "improve"}}),
    "an item without its key": (UnprocessablePatchError, {"spec": {"containers": [{"image": "x"}]}}),
    "an item whose key is an object": (UnprocessablePatchError, {"spec": {"containers": [{"name": {}}]}}),
    "an order that is no list": (UnprocessablePatchError, {"spec": {"$setElementOrder/containers": 1}}),
    "objects and others in one list": (UnprocessablePatchError, {"spec": {"containers": [A, "b"]}}),
}


@pytest.mark.parametrize(("error", "patch"), WRONG.values(), ids=WRONG)
def test_a_patch_that_makes_no_sense_is_refused(error, patch):
    with pytest.raises(error):
        strategic_merge(POD, _pod(A, B, labels={"x": "y"}), patch)


# What follows writes patches as kubectl does: the difference of two objects, with merge keys and the order wanted.
NAMES = st.sampled_from(["a", "b", "c", "d"])
CONTAINERS = st.lists(
    st.builds(lambda name, image: {"name": name, "image": image}, NAMES, NAMES), unique_by=lambda each: each["name"]
)
PODS = st.builds(
    lambda labels, containers, finalizers: {
        "metadata": {"labels": labels, "finalizers": finalizers},
        "spec": {"containers": containers},
    },
    st.dictionaries(NAMES, NAMES),
    CONTAINERS,
    st.lists(NAMES, unique=True),
)


def _map_difference(old, new):
    return dict.fromkeys(old.keys() - new.keys()) | {k: v for k, v in new.items() if old.get(k) != v}


def _difference(old, new):
    before = {each["name"]: each for each in old["spec"]["containers"]}
    after = {each["name"]: each for each in new["spec"]["containers"]}
    gone = [{"name": name, "$patch": "delete"} for name in before if name not in after]
    gone_finalizers = [each for each in old["metadata"]["finalizers"] if each not in new["metadata"]["finalizers"]]
    return {
        "metadata": {
            "labels": _map_difference(old["metadata"]["labels"], new["metadata"]["labels"]),
            "finalizers": [each for each in new["metadata"]["finalizers"] if each not in old["metadata"]["finalizers"]],
            "$deleteFromPrimitiveList/finalizers": gone_finalizers,
            "$setElementOrder/finalizers": new["metadata"]["finalizers"],
        },
        "spec": {
            "containers": [each for name, each in after.items() if before.get(name) != each] + gone,
            "$setElementOrder/containers": [{"name": name} for name in after],
        },
    }


@given(PODS, PODS)
def test_a_difference_as_kubectl_writes_it_leads_from_one_object_to_the_other(old, new):
    patched = strategic_merge(POD, old, _difference(old, new))
    assert patched == new


@given(PODS, PODS, PODS)
def test_such_a_difference_leaves_alone_what_it_does_not_speak_of(old, new, live):
    others = [each for each in live["spec"]["containers"] if each["name"] not in "abc"]
    target = copy.deepcopy(old)
    mentioned = {each["name"] for each in old["spec"]["containers"] + new["spec"]["containers"]}
    others = [each for each in others if each["name"] not in mentioned]
    target["spec"]["containers"] += others
    patched = strategic_merge(POD, target, _difference(old, new))
    assert [each for each in patched["spec"]["containers"] if each not in new["spec"]["containers"]] == others
