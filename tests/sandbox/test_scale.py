"""The scale subresource shows and sets replicas, wherever a kind keeps them."""

import pytest

from sandbox import scale
from sandbox.errors import ApiError
from sandbox.kinds import Custom, Kind, ScalePaths
from sandbox.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from sandbox.schema.structural import root_schema
from tests.sandbox.records import kind_of

DEPLOYMENT = kind_of(["apps/v1", "Deployment"])
SETS = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "5", "labels": {"a": "b"}},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}},
    "status": {"replicas": 2},
}


def test_a_scale_shows_replicas_and_selector():
    assert scale.read(DEPLOYMENT, SETS) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "5"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "a=b"},
    }


def test_a_scale_sets_replicas_and_nothing_else():
    scaled = scale.write(DEPLOYMENT, SETS, {"spec": {"replicas": 5}})
    assert scaled["spec"] == {"replicas": 5, "selector": {"matchLabels": {"a": "b"}}}
    assert SETS["spec"]["replicas"] == 3


PATCHES = [
    (MERGE_PATCH, b'{"spec":{"replicas":7}}'),
    (STRATEGIC_PATCH, b'{"spec":{"replicas":7}}'),
    (JSON_PATCH, b'[{"op":"replace","path":"/spec/replicas","value":7}]'),
]


@pytest.mark.parametrize(("content_type", "body"), PATCHES)
def test_a_scale_can_be_patched(content_type, body):
    assert scale.patched(DEPLOYMENT, SETS, content_type, body)["spec"] == {"replicas": 7}


@pytest.mark.parametrize(
    ("content_type", "body", "code"), [(APPLY_PATCH, b"{}", 415), (MERGE_PATCH, b"{", 400), (MERGE_PATCH, b"[]", 400)]
)
def test_a_patch_that_leaves_no_scale_is_refused(content_type, body, code):
    with pytest.raises(ApiError) as raised:
        scale.patched(DEPLOYMENT, SETS, content_type, body)
    assert raised.value.code == code


def test_a_scale_speaks_of_the_version_that_it_names():
    scaled = scale.write(DEPLOYMENT, SETS, {"metadata": {"resourceVersion": "3"}, "spec": {"replicas": 1}})
    assert scaled["metadata"]["resourceVersion"] == "3"


@pytest.mark.parametrize(("replicas", "code"), [(-1, 422), ("5", 400), (True, 400)])
def test_a_scale_that_makes_no_sense_is_refused(replicas, code):
    with pytest.raises(ApiError) as raised:
        scale.write(DEPLOYMENT, SETS, {"spec": {"replicas": replicas}})
    assert raised.value.code == code


def test_a_custom_kind_says_where_its_replicas_are():
    paths = ScalePaths(".spec.size.count", ".status.count", ".status.selector")
    kind = Kind("d.io", "v1", "ws", "w", "W", namespaced=True, custom=Custom(root_schema({}), scale=paths))
    obj = {"metadata": {"name": "w"}, "spec": {"size": {"unit": "x"}}, "status": {"count": 1, "selector": "q=r"}}
    assert scale.read(kind, obj)["status"] == {"replicas": 1, "selector": "q=r"}
    assert scale.write(kind, obj, {"spec": {"replicas": 4}})["spec"] == {"size": {"unit": "x", "count": 4}}
