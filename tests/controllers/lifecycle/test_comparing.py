"""The replay's own rules: what counts as expected, and how references are resolved."""

import pytest

from tests.controllers.lifecycle.comparing import differences, has, is_about
from tests.controllers.lifecycle.references import Uids

OBJECT = {
    "metadata": {"annotations": {"a.b/c": ""}, "finalizers": ["x.y/z", "other"], "uid": "u"},
    "spec": {"capacity": {"storage": "1Gi"}, "name": "1024"},
    "status": {"conditions": [{"type": "Resizing", "status": "True"}], "phase": "Bound"},
}


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"metadata": {"annotations": {"a.b/c": ""}, "uid": "@any"}},
        {"metadata": {"finalizers": ["other"]}},
        {"spec": {"capacity": {"storage": "1024Mi"}}},
        {"status": {"conditions": [{"type": "Resizing"}]}},
    ],
)
def test_an_object_fits_what_it_contains(expected):
    assert list(differences(expected, OBJECT)) == []


@pytest.mark.parametrize(
    "expected",
    [
        {"metadata": {"labels": {}}},
        {"metadata": {"annotations": {"a.b/c": "@any"}}},
        {"metadata": {"annotations": {"a.b/d": ""}}},
        {"metadata": {"finalizers": ["other", "absent"]}},
        {"spec": {"capacity": {"storage": "1G"}}},
        {"spec": {"name": "1Ki"}},
        {"status": {"conditions": [{"type": "Resizing", "status": "False"}]}},
        {"status": {"phase": {"deeper": 1}}},
    ],
)
def test_it_does_not_fit_what_it_lacks(expected):
    assert list(differences(expected, OBJECT)) != []


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("metadata.annotations.a.b/c", True),
        ("metadata.annotations.a.b/d", False),
        ("metadata.labels.a.b/c", False),
        ("metadata.finalizers.x.y/z", True),
        ("metadata.finalizers.x.y", False),
        ("status.conditions.Resizing", True),
        ("status.conditions.Other", False),
        ("spec.capacity", True),
        ("spec.capacity.storage.deeper", False),
        ("spec.volumeName", False),
    ],
)
def test_paths_end_in_one_key(path, there):
    assert has(OBJECT, path) is there


def test_references_stand_at_the_end_of_any_string():
    uids = Uids()
    wanted = {"metadata": {"name": "pvc-@uid:PersistentVolumeClaim/default/x"}, "list": ["@uid:PersistentVolume//y"]}
    uids.learn({"kind": "PersistentVolumeClaim", "metadata": {"namespace": "default", "name": "x", "uid": "1"}})
    assert not uids.knows_all(wanted)
    uids.learn({"kind": "PersistentVolume", "metadata": {"name": "y", "uid": "2"}})
    assert uids.knows_all(wanted)
    assert uids.resolved(wanted) == {"metadata": {"name": "pvc-1"}, "list": ["2"]}


def test_an_event_is_known_by_its_reason_and_object():
    event = {"reason": "Lost", "involvedObject": {"kind": "PersistentVolume", "name": "y"}}
    assert is_about(event, {"reason": "Lost", "kind": "PersistentVolume", "namespace": "", "name": "y"})
    assert not is_about(event, {"reason": "Found", "kind": "PersistentVolume", "namespace": "", "name": "y"})
    assert not is_about(event, {"reason": "Lost", "kind": "PersistentVolume", "namespace": "ns", "name": "y"})
