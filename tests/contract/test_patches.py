"""The four types of patches: what they do, what they refuse, and what they are decided on."""

import pytest

from tests.contract.servers import APPLY, JSON_PATCH, MERGE, STRATEGIC

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEPLOYMENT = {
    "metadata": {"name": "d"},
    "spec": {
        "selector": {"matchLabels": {"app": "d"}},
        "template": {
            "metadata": {"labels": {"app": "d"}},
            "spec": {
                "containers": [
                    {"name": "one", "image": "demo/one:1", "env": [{"name": "A", "value": "1"}]},
                    {"name": "two", "image": "demo/two:1"},
                ],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
        },
    },
}


async def _map(place, **data):
    return await place.made("configmaps", {"metadata": {"name": "a", "labels": {"x": "1"}}, "data": data})


async def _pod_spec(place, patch, content=STRATEGIC):
    answer = await place.patch("deployments", "d", {"spec": {"template": {"spec": patch}}}, content)
    assert answer.status == 200, answer
    return answer.body["spec"]["template"]["spec"]


async def test_a_merge_patch_merges_maps_and_removes_by_null(place):
    await _map(place, a="1", b="2")
    patched = await place.patch("configmaps", "a", {"data": {"a": None, "c": "3"}, "metadata": {"labels": None}})
    assert (patched.body["data"], "labels" in patched.body["metadata"]) == ({"b": "2", "c": "3"}, False)


async def test_a_merge_patch_replaces_lists(place):
    await place.made("deployments", DEPLOYMENT)
    spec = await _pod_spec(place, {"containers": [{"name": "three", "image": "demo/three:1"}]}, MERGE)
    assert [each["name"] for each in spec["containers"]] == ["three"]


async def test_a_json_patch_works_step_by_step(place):
    await _map(place, a="1", b="2")
    steps = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "9"},
        {"op": "add", "path": "/data/c", "value": "3"},
        {"op": "copy", "from": "/data/c", "path": "/data/d"},
        {"op": "move", "from": "/data/b", "path": "/data/e"},
        {"op": "remove", "path": "/metadata/labels/x"},
        {"op": "add", "path": "/metadata/annotations", "value": {"demo.io/a~b": "1"}},
        {"op": "replace", "path": "/metadata/annotations/demo.io~1a~0b", "value": "2"},
    ]
    patched = await place.patch("configmaps", "a", steps, JSON_PATCH)
    # An annotation of that name is refused, so the object says what the steps made.
    assert patched.verdict == (422, "Invalid", {("metadata.annotations", "FieldValueInvalid")})
    patched = await place.patch("configmaps", "a", steps[:6], JSON_PATCH)
    assert patched.body["data"] == {"a": "9", "c": "3", "d": "3", "e": "2"}


@pytest.mark.parametrize(
    "step",
    [
        {"op": "test", "path": "/data/a", "value": "2"},
        {"op": "remove", "path": "/data/nothing"},
        {"op": "replace", "path": "/nothing/here", "value": "1"},
        {"op": "add", "path": "/nothing/here", "value": "1"},
    ],
    ids=["test", "remove", "replace", "add"],
)
async def test_a_json_patch_that_does_not_fit_changes_nothing(place, step):
    made = await _map(place, a="1")
    answer = await place.patch("configmaps", "a", [{"op": "add", "path": "/data/b", "value": "2"}, step], JSON_PATCH)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert (await place.get("configmaps", "a")).body == made


async def test_a_strategic_patch_merges_lists_by_key(place):
    await place.made("deployments", DEPLOYMENT)
    spec = await _pod_spec(place, {"containers": [{"name": "two", "image": "demo/two:2"}]})
    assert [(each["name"], each["image"]) for each in spec["containers"]] == [
        ("one", "demo/one:1"),
        ("two", "demo/two:2"),
    ]
    spec = await _pod_spec(place, {"containers": [{"name": "one", "$patch": "delete"}]})
    assert [each["name"] for each in spec["containers"]] == ["two"]
    spec = await _pod_spec(place, {"containers": [{"name": "new", "image": "demo/new:1"}, {"$patch": "replace"}]})
    assert [each["name"] for each in spec["containers"]] == ["new"]


async def test_a_strategic_patch_orders_and_keeps_keys_as_told(place):
    await place.made("deployments", DEPLOYMENT)
    patch = {
        "$setElementOrder/containers": [{"name": "two"}, {"name": "zero"}, {"name": "one"}],
        "containers": [{"name": "zero", "image": "demo/zero:1"}],
        "volumes": [{"name": "data", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/data"}}],
    }
    spec = await _pod_spec(place, patch)
    assert [each["name"] for each in spec["containers"]] == ["two", "zero", "one"]
    assert spec["volumes"] == [{"name": "data", "hostPath": {"path": "/data", "type": ""}}]


async def test_a_strategic_patch_deletes_from_lists_of_values(place):
    finalizers = ["demo.io/a", "demo.io/b"]
    await place.made("configmaps", {"metadata": {"name": "a", "finalizers": finalizers}})
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["demo.io/a"], "finalizers": ["demo.io/c"]}}
    patched = await place.patch("configmaps", "a", patch, STRATEGIC)
    assert sorted(patched.body["metadata"]["finalizers"]) == ["demo.io/b", "demo.io/c"]


@pytest.mark.parametrize(
    ("content", "body", "status"),
    [
        (MERGE, b"{nonsense", 400),
        (JSON_PATCH, b"{}", 400),
        (STRATEGIC, b"[]", 400),
        (MERGE, b'{"data": {"a": 1}}', 422),
        (MERGE, b'{"data": ["a"]}', 422),
        ("application/json", b"{}", 415),
        ("text/plain", b"{}", 415),
    ],
)
async def test_a_patch_must_be_of_its_type(place, content, body, status):
    await _map(place, a="1")
    answer = await place.patch("configmaps", "a", body, content)
    reasons = {400: "BadRequest", 415: "UnsupportedMediaType", 422: "Invalid"}
    assert (answer.status, answer.body["reason"]) == (status, reasons[status])


@pytest.mark.parametrize("content", [MERGE, STRATEGIC])
async def test_a_patch_may_name_the_version_it_was_decided_on(place, content):
    made = await _map(place, a="1")
    version = made["metadata"]["resourceVersion"]
    first = await place.patch(
        "configmaps", "a", {"metadata": {"resourceVersion": version}, "data": {"b": "2"}}, content
    )
    assert first.status == 200
    second = await place.patch(
        "configmaps", "a", {"metadata": {"resourceVersion": version}, "data": {"c": "3"}}, content
    )
    assert second.refusal[:2] == (409, "Conflict")


async def test_a_patch_may_test_the_version_it_was_decided_on(place):
    made = await _map(place, a="1")
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]}
    change = {"op": "replace", "path": "/data/a", "value": "2"}
    assert (await place.patch("configmaps", "a", [test, change], JSON_PATCH)).status == 200
    assert (await place.patch("configmaps", "a", [test, change], JSON_PATCH)).refusal[:2] == (422, "Invalid")


async def test_a_patch_can_not_make_another_object(place):
    await _map(place, a="1")
    uid = "11111111-1111-1111-1111-111111111111"
    renamed = await place.patch("configmaps", "a", {"metadata": {"name": "b"}})
    assert renamed.refusal == (400, "BadRequest", "the name of the object (b) does not match the name on the URL (a)")
    moved = await place.patch("configmaps", "a", {"metadata": {"namespace": "b"}})
    assert moved.refusal[:2] == (400, "BadRequest")
    other = await place.patch("configmaps", "a", {"metadata": {"uid": uid}})
    assert other.verdict == (422, "Invalid", {("metadata.uid", "FieldValueInvalid")})
    for patch in ({"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z"}}, {"metadata": {"generation": 9}}):
        assert (await place.patch("configmaps", "a", patch)).status in {200, 422}


async def test_unknown_fields_of_a_patch_are_refused_or_warned_of(place):
    await _map(place, a="1")
    warned = await place.patch("configmaps", "a", {"colour": "red"})
    assert (warned.status, warned.warnings) == (200, ['unknown field "colour"'])
    strict = await place.patch("configmaps", "a", {"colour": "red"}, fieldValidation="Strict")
    assert strict.verdict[:2] == (422, "Invalid")
    assert 'strict decoding error: unknown field "colour"' in strict.body["message"]


async def test_the_generation_counts_what_is_wanted_anew(place):
    made = await place.made("deployments", DEPLOYMENT)
    assert made["metadata"]["generation"] == 1
    scaled = await place.patch("deployments", "d", {"spec": {"replicas": 3}})
    assert scaled.body["metadata"]["generation"] == 2
    labelled = await place.patch("deployments", "d", {"metadata": {"labels": {"x": "1"}}})
    assert labelled.body["metadata"]["generation"] == 2
    status = await place.patch("deployments", "d", {"status": {"replicas": 3}}, subresource="status")
    assert (status.body["metadata"]["generation"], status.body["status"]["replicas"]) == (2, 3)


async def test_scale_is_a_view_of_an_object(place):
    await place.made("deployments", DEPLOYMENT)
    scale = await place.get("deployments", "d", "scale")
    assert (scale.body["kind"], scale.body["apiVersion"], scale.body["spec"]) == (
        *("Scale", "autoscaling/v1"),
        {"replicas": 1},
    )
    written = await place.update("deployments", scale.body | {"spec": {"replicas": 4}}, "scale")
    assert written.body["spec"] == {"replicas": 4}
    patched = await place.patch("deployments", "d", {"spec": {"replicas": 5}}, subresource="scale")
    assert patched.body["spec"] == {"replicas": 5}
    assert (await place.get("deployments", "d")).body["spec"]["replicas"] == 5


async def test_an_apply_patch_makes_what_is_not_there(place):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    made = await place.patch("configmaps", "a", body, APPLY, fieldManager="m")
    assert (made.status, made.body["data"]) == (201, {"x": "1"})
    again = await place.patch("configmaps", "a", body, APPLY, fieldManager="m")
    assert (again.status, again.version) == (200, made.version)


@pytest.mark.parametrize(
    ("body", "options", "verdict"),
    [
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, {}, (422, "Invalid")),
        ({"kind": "ConfigMap", "metadata": {"name": "a"}}, {"fieldManager": "m"}, (400, "BadRequest")),
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, {"fieldManager": "m"}, (400, "BadRequest")),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}},
            {"fieldManager": "m"},
            (400, "BadRequest"),
        ),
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}},
            {"fieldManager": "m"},
            (400, "BadRequest"),
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [{"manager": "x"}]}},
            {"fieldManager": "m"},
            (400, "BadRequest"),
        ),
    ],
    ids=["no-manager", "no-version", "no-kind", "other-name", "other-kind", "managed-fields"],
)
async def test_an_apply_patch_must_say_what_and_for_whom(place, body, options, verdict):
    answer = await place.patch("configmaps", "a", body, APPLY, **options)
    assert (answer.status, answer.body["reason"]) == verdict


async def test_only_an_apply_patch_is_forced(place):
    await _map(place, a="1")
    answer = await place.patch("configmaps", "a", {"data": {"b": "2"}}, force="true")
    assert answer.verdict == (422, "Invalid", {("force", "FieldValueForbidden")})
