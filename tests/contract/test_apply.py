"""Server-side apply: who owns which field, what conflicts, and what a manager gives up."""

import pytest

from tests.contract.servers import APPLY

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _map(labels=None, **data):
    metadata = {"name": "a", **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **({"data": data} if data else {})}


async def _apply(place, manager, body, resource="configmaps", **options):
    return await place.patch(resource, body["metadata"]["name"], body, APPLY, fieldManager=manager, **options)


def _owned(obj):
    """Who owns what, without the times."""
    entries = obj["metadata"].get("managedFields", ())
    return {(each["manager"], each["operation"], each.get("subresource", "")): each["fieldsV1"] for each in entries}


async def test_fields_are_owned_by_who_sets_them(place):
    await _apply(place, "one", _map(x="1"))
    both = await _apply(place, "two", _map({"tier": "x"}, y="2"))
    assert _owned(both.body) == {
        ("one", "Apply", ""): {"f:data": {"f:x": {}}},
        ("two", "Apply", ""): {"f:data": {"f:y": {}}, "f:metadata": {"f:labels": {"f:tier": {}}}},
    }
    entry = both.body["metadata"]["managedFields"][0]
    assert (entry["apiVersion"], entry["fieldsType"]) == ("v1", "FieldsV1")


async def test_a_value_of_another_is_a_conflict(place):
    await _apply(place, "one", _map(x="1", y="1"))
    answer = await _apply(place, "two", _map(x="2", y="2"))
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert answer.body["message"] == ('Apply failed with 2 conflicts: conflicts with "one":\n- .data.x\n- .data.y')
    causes = [(each["reason"], each["message"], each["field"]) for each in answer.body["details"]["causes"]]
    assert causes == [
        ("FieldManagerConflict", 'conflict with "one"', ".data.x"),
        ("FieldManagerConflict", 'conflict with "one"', ".data.y"),
    ]


async def test_the_same_value_is_shared(place):
    await _apply(place, "one", _map(x="1"))
    shared = await _apply(place, "two", _map(x="1"))
    assert _owned(shared.body) == {
        ("one", "Apply", ""): {"f:data": {"f:x": {}}},
        ("two", "Apply", ""): {"f:data": {"f:x": {}}},
    }
    left = await _apply(place, "one", _map())
    assert (left.body["data"], set(_owned(left.body))) == ({"x": "1"}, {("two", "Apply", "")})


async def test_force_takes_over(place):
    await _apply(place, "one", _map(x="1", y="1"))
    forced = await _apply(place, "two", _map(x="2"), force="true")
    assert forced.body["data"] == {"x": "2", "y": "1"}
    assert _owned(forced.body) == {
        ("one", "Apply", ""): {"f:data": {"f:y": {}}},
        ("two", "Apply", ""): {"f:data": {"f:x": {}}},
    }


async def test_what_nobody_applies_any_more_is_removed(place):
    await _apply(place, "one", _map(x="1", y="1"))
    less = await _apply(place, "one", _map(x="1"))
    assert less.body["data"] == {"x": "1"}
    none = await _apply(place, "one", _map())
    assert "data" not in none.body


async def test_an_update_owns_what_it_changes(place):
    await _apply(place, "one", _map(x="1", y="1"))
    patched = await place.patch("configmaps", "a", {"data": {"x": "2", "z": "3"}}, fieldManager="editor")
    assert _owned(patched.body) == {
        ("one", "Apply", ""): {"f:data": {"f:y": {}}},
        ("editor", "Update", ""): {"f:data": {"f:x": {}, "f:z": {}}},
    }
    conflict = await _apply(place, "one", _map(x="1", y="1"))
    assert conflict.body["message"] == 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.x'


async def test_the_manager_of_a_write_is_its_client_by_default(place):
    made = await place.api.session.post(
        place.path("configmaps"),
        json={"metadata": {"name": "a"}, "data": {"x": "1"}},
        headers={"User-Agent": "tool/1.0"},
    )
    body = await made.json()
    assert set(_owned(body)) == {("tool", "Update", "")}


async def test_status_has_owners_of_its_own(place):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = await place.made("persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": spec}, fieldManager="user")
    patch = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    bound = await place.patch("persistentvolumeclaims", "c", patch, subresource="status", fieldManager="binder")
    assert made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert _owned(bound.body)[("binder", "Update", "status")] == {
        "f:status": {"f:capacity": {".": {}, "f:storage": {}}, "f:phase": {}}
    }


async def test_lists_are_owned_by_key(place):
    claim = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": "main", "image": "demo/app:1", "ports": [{"containerPort": 80}]}],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }
    made = await _apply(place, "one", claim, "pods")
    assert made.status == 201
    fields = _owned(made.body)[("one", "Apply", "")]["f:spec"]
    assert fields["f:volumes"] == {'k:{"name":"data"}': {".": {}, "f:name": {}, "f:emptyDir": {}}}
    assert fields["f:containers"] == {
        'k:{"name":"main"}': {
            ".": {},
            "f:name": {},
            "f:image": {},
            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
        }
    }


async def test_owners_can_be_erased(place):
    await _apply(place, "one", _map(x="1"))
    erased = await place.patch("configmaps", "a", {"metadata": {"managedFields": [{}]}}, fieldManager="eraser")
    assert erased.status == 200
    assert "managedFields" not in erased.body["metadata"]
    adopted = await _apply(place, "two", _map(x="1"))
    assert set(_owned(adopted.body)) == {("two", "Apply", ""), ("before-first-apply", "Update", "")}


async def test_an_applied_finalizer_is_one_of_a_set(place):
    first = _map() | {"metadata": {"name": "a", "finalizers": ["demo.io/one"]}}
    second = _map() | {"metadata": {"name": "a", "finalizers": ["demo.io/two"]}}
    await _apply(place, "one", first)
    both = await _apply(place, "two", second)
    assert sorted(both.body["metadata"]["finalizers"]) == ["demo.io/one", "demo.io/two"]
    left = await _apply(place, "one", _map())
    assert left.body["metadata"]["finalizers"] == ["demo.io/two"]


async def test_an_applied_version_must_be_the_current_one(place):
    made = await _apply(place, "one", _map(x="1"))
    old = _map(x="2")
    old["metadata"]["resourceVersion"] = made.version
    assert (await _apply(place, "one", old)).status == 200
    assert (await _apply(place, "one", old | {"data": {"x": "3"}})).refusal[:2] == (409, "Conflict")
    missing = _map() | {"metadata": {"name": "b", "resourceVersion": "1"}}
    assert (await _apply(place, "one", missing)).status == 201, "of an object that is not there yet it says nothing"
