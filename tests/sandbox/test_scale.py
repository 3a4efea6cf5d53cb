"""The scale subresource shows and sets replicas, wherever a kind keeps them."""

import pytest

from sandbox.errors import ApiError
from sandbox.kinds import Custom, Kind, ScalePaths
from sandbox.scale import scale_of, with_scale
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
    assert scale_of(DEPLOYMENT, SETS) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "5"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "a=b"},
    }


def test_a_scale_sets_replicas_and_nothing_else():
    scaled = with_scale(DEPLOYMENT, SETS, {"spec": {"replicas": 5}})
    assert scaled["spec"] == {"replicas": 5, "selector": {"matchLabels": {"a": "b"}}}
    assert SETS["spec"]["replicas"] == 3


@pytest.mark.parametrize(("replicas", "code"), [(-1, 422), ("5", 400), (True, 400)])
def test_a_scale_that_makes_no_sense_is_refused(replicas, code):
    with pytest.raises(ApiError) as raised:
        with_scale(DEPLOYMENT, SETS, {"spec": {"replicas": replicas}})
    assert raised.value.code == code


def test_a_custom_kind_says_where_its_replicas_are():
    paths = ScalePaths(".spec.size.count", ".status.count", ".status.selector")
    kind = Kind("d.io", "v1", "ws", "w", "W", namespaced=True, custom=Custom(root_schema({}), scale=paths))
    obj = {"metadata": {"name": "w"}, "spec": {"size": {"unit": "x"}}, "status": {"count": 1, "selector": "q=r"}}
    assert scale_of(kind, obj)["status"] == {"replicas": 1, "selector": "q=r"}
    assert with_scale(kind, obj, {"spec": {"replicas": 4}})["spec"] == {"size": {"unit": "x", "count": 4}}
