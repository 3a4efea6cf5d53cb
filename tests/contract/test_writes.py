"""Single writes: names, versions, preconditions, dry runs and subresources."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

POD = {"containers": [{"name": "main", "image": "demo/app:1"}]}


def _map(name, **data):
    return {"metadata": {"name": name}, "data": data}


async def test_a_new_object_gets_what_only_the_server_knows(place):
    sent = {"metadata": {"name": "a", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}}
    made = await place.made("configmaps", sent)
    metadata = made["metadata"]
    assert (made["kind"], made["apiVersion"], metadata["namespace"]) == ("ConfigMap", "v1", place.namespace)
    assert metadata["uid"] != "mine"
    assert metadata["creationTimestamp"] > "2020"
    assert metadata["generation"] == 7, "kinds that do not count their generations do not touch them"
    assert metadata["resourceVersion"].isdigit()
    assert (await place.get("configmaps", "a")).body == made


async def test_a_name_is_taken_once(place):
    await place.made("configmaps", _map("a"))
    again = await place.create("configmaps", _map("a"))
    assert again.refusal == (409, "AlreadyExists", 'configmaps "a" already exists')
    assert again.body["details"] == {"name": "a", "kind": "configmaps"}


async def test_a_name_may_be_generated(place):
    names = {
        (await place.made("configmaps", {"metadata": {"generateName": "map-"}}))["metadata"]["name"] for _ in range(3)
    }
    assert len(names) == 3
    assert all(name.startswith("map-") and len(name) == len("map-") + 5 for name in names)
    long = await place.made("configmaps", {"metadata": {"generateName": "x" * 80}})
    assert long["metadata"]["name"].startswith("x" * 58)
    assert len(long["metadata"]["name"]) == 63
    named = await place.made("configmaps", {"metadata": {"generateName": "map-", "name": "own"}})
    assert named["metadata"]["name"] == "own"


async def test_an_object_needs_a_name(place):
    answer = await place.create("configmaps", {"data": {}})
    assert answer.verdict == (422, "Invalid", {("metadata.name", "FieldValueRequired")})
    assert (
        answer.refusal[2] == 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    )


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"name": "a", "namespace": "elsewhere"}},
        {"metadata": {"name": "a"}, "kind": "Secret"},
        {"metadata": {"name": "a"}, "apiVersion": "v2", "kind": "ConfigMap"},
        {"metadata": {"name": "a"}, "data": {"x": 1}},
        {"metadata": {"name": "a"}, "data": ["x"]},
        b"{nonsense",
        b"",
    ],
    ids=["namespace", "kind", "apiVersion", "number", "list", "json", "empty"],
)
async def test_a_body_that_is_not_the_object_is_refused(place, body):
    answer = await place.create("configmaps", body)
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


async def test_a_new_object_has_no_version_yet(place):
    answer = await place.create("configmaps", {"metadata": {"name": "a", "resourceVersion": "1"}})
    assert (answer.status, answer.body["message"]) == (
        500,
        "resourceVersion should not be set on objects to be created",
    )


async def test_a_namespace_must_be_there(place):
    answer = await place.api.call("POST", "/api/v1/namespaces/nowhere-at-all/configmaps", _map("a"))
    assert answer.refusal == (404, "NotFound", 'namespaces "nowhere-at-all" not found')


@pytest.mark.parametrize("validation", ["Strict", "Warn", "Ignore"])
async def test_unknown_fields_are_refused_warned_of_or_dropped(place, validation):
    body = {"metadata": {"name": "a"}, "colour": "red", "data": {"x": "1"}}
    answer = await place.create("configmaps", body, fieldValidation=validation)
    if validation == "Strict":
        message = (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "colour"'
        )
        assert answer.refusal == (400, "BadRequest", message)
    else:
        assert answer.warnings == (['unknown field "colour"'] if validation == "Warn" else [])
        assert "colour" not in answer.body


async def test_an_update_replaces_all(place):
    made = await place.made("configmaps", _map("a", x="1", y="2"))
    updated = await place.update("configmaps", {"metadata": {"name": "a", "labels": {"tier": "x"}}, "data": {"z": "3"}})
    assert (updated.status, updated.body["data"]) == (200, {"z": "3"})
    assert updated.body["metadata"]["uid"] == made["metadata"]["uid"]
    assert int(updated.version) > int(made["metadata"]["resourceVersion"])


async def test_an_update_that_changes_nothing_makes_no_version(place):
    made = await place.made("configmaps", _map("a", x="1"))
    assert (await place.update("configmaps", made)).version == made["metadata"]["resourceVersion"]
    assert (await place.patch("configmaps", "a", {"data": {"x": "1"}})).version == made["metadata"]["resourceVersion"]


async def test_of_two_writers_on_one_version_one_loses(place):
    made = await place.made("configmaps", _map("a", x="1"))
    answers = await asyncio.gather(
        place.update("configmaps", made | {"data": {"x": "2"}}), place.update("configmaps", made | {"data": {"x": "3"}})
    )
    assert sorted(each.status for each in answers) == [200, 409]
    (lost,) = [each for each in answers if each.status == 409]
    message = (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert lost.refusal == (409, "Conflict", message)
    assert lost.body["details"] == {"name": "a", "kind": "configmaps"}


async def test_writers_without_a_version_all_win(place):
    await place.made("configmaps", _map("a"))
    answers = await asyncio.gather(
        *(place.patch("configmaps", "a", {"data": {f"k{number}": "x"}}) for number in range(10))
    )
    assert {each.status for each in answers} == {200}
    assert len((await place.get("configmaps", "a")).body["data"]) == 10


@pytest.mark.parametrize("kind", ["claim", "volume"])
async def test_most_kinds_can_be_replaced_without_naming_a_version(place, kind):
    resource, body = await _stored(place, kind)
    made = await place.made(resource, body)
    made["metadata"].pop("resourceVersion")
    made["metadata"]["labels"] = {"tier": "x"}
    assert (await place.update(resource, made)).status == 200


@pytest.mark.parametrize("resource", ["leases", "csinodes", "csidrivers", "customresourcedefinitions"])
async def test_some_kinds_are_only_replaced_at_a_version(place, resource):
    group, content = {
        "leases": ("coordination.k8s.io", {"spec": {}}),
        "csinodes": ("storage.k8s.io", {"spec": {"drivers": []}}),
        "csidrivers": ("storage.k8s.io", {"spec": {}}),
        "customresourcedefinitions": ("apiextensions.k8s.io", _definition(place)),
    }[resource]
    name = f"{place.unique('x')}s.example.com" if resource == "customresourcedefinitions" else place.unique("x")
    made = await place.made(resource, {"metadata": {"name": name}, **content})
    made["metadata"].pop("resourceVersion")
    answer = await place.update(resource, made)
    message = (
        f'{resource}.{group} "{name}" is invalid: metadata.resourceVersion: Invalid value: 0: '
        "must be specified for an update"
    )
    assert answer.refusal == (422, "Invalid", message)
    assert answer.body["details"]["kind"] == resource


def _definition(place):
    schema = {"openAPIV3Schema": {"type": "object"}}
    kind = f"X{place.namespace.replace('-', '')}"
    return {
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": f"{place.unique('x')}s", "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        }
    }


async def _stored(place, kind):
    spec = {"accessModes": ["ReadWriteOnce"]}
    if kind == "claim":
        return "persistentvolumeclaims", {
            "metadata": {"name": "c"},
            "spec": spec | {"resources": {"requests": {"storage": "1Gi"}}},
        }
    source = {"hostPath": {"path": "/data"}, "capacity": {"storage": "1Gi"}}
    return "persistentvolumes", {"metadata": {"name": place.unique("v")}, "spec": spec | source}


async def test_an_update_of_what_is_not_there(place):
    answer = await place.update("configmaps", _map("nobody"))
    assert answer.refusal == (404, "NotFound", 'configmaps "nobody" not found')
    patched = await place.patch("configmaps", "nobody", {"data": {}})
    assert patched.refusal == (404, "NotFound", 'configmaps "nobody" not found')


async def test_a_few_kinds_are_made_by_an_update(place):
    lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "one"}}
    made = await place.update("leases", lease)
    assert (made.status, made.body["spec"]) == (201, {"holderIdentity": "one"})
    assert (await place.get("leases", "a")).body == made.body
    other = await place.api.call("PUT", place.path("leases", "b"), lease)
    assert other.refusal[:2] == (400, "BadRequest")


async def test_an_update_must_mean_the_object_of_its_path(place):
    made = await place.made("configmaps", _map("a"))
    other = made | {"metadata": made["metadata"] | {"name": "b"}}
    answer = await place.api.call("PUT", place.path("configmaps", "a"), other)
    message = "the name of the object (b) does not match the name on the URL (a)"
    assert answer.refusal == (400, "BadRequest", message)
    foreign = made | {"metadata": made["metadata"] | {"uid": "11111111-1111-1111-1111-111111111111"}}
    assert (await place.update("configmaps", foreign)).refusal[:2] == (409, "Conflict")


async def test_a_dry_run_tells_and_does_nothing(place):
    dry = await place.create("configmaps", _map("a", x="1"), dryRun="All")
    assert (dry.status, dry.body["data"]) == (201, {"x": "1"})
    assert (await place.get("configmaps", "a")).status == 404
    made = await place.made("configmaps", _map("a", x="1"))
    changed = await place.patch("configmaps", "a", {"data": {"x": "2"}}, dryRun="All")
    assert (changed.status, changed.body["data"]) == (200, {"x": "2"})
    assert (await place.create("configmaps", _map("a"), dryRun="All")).refusal[:2] == (409, "AlreadyExists")
    assert (await place.delete("configmaps", "a", dryRun="All")).status == 200
    assert (await place.get("configmaps", "a")).body == made


async def test_only_all_is_a_dry_run(place):
    answer = await place.create("configmaps", _map("a"), dryRun="some")
    assert answer.verdict[:2] == (422, "Invalid")


async def test_status_and_spec_have_their_own_paths(place):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"metadata": {"name": "c"}, "spec": spec, "status": {"phase": "Bound"}}
    made = await place.made("persistentvolumeclaims", body)
    assert made["status"] == {"phase": "Pending"}
    bound = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    labelled = made["metadata"] | {"annotations": {"a": "b"}}
    written = await place.update(
        "persistentvolumeclaims",
        made | {"status": bound, "spec": spec | {"volumeName": "v"}, "metadata": labelled},
        "status",
    )
    assert (written.status, written.body["status"], written.body["spec"]) == (200, bound, made["spec"])
    assert written.body["metadata"]["annotations"] == {"a": "b"}
    again = await place.update("persistentvolumeclaims", written.body | {"status": {"phase": "Lost"}})
    assert again.body["status"] == bound
    assert (await place.get("persistentvolumeclaims", "c", "status")).body == again.body


async def test_a_volumes_status_tells_when_its_phase_changed(place):
    _, body = await _stored(place, "volume")
    made = await place.made("persistentvolumes", body | {"status": {"phase": "Bound"}})
    name, old = made["metadata"]["name"], {"lastPhaseTransitionTime": "2001-01-01T00:00:00Z"}
    assert (made["status"]["phase"], made["status"]["lastPhaseTransitionTime"] > "2020") == ("Pending", True)

    async def told(**status):
        answer = await place.patch("persistentvolumes", name, {"status": status}, subresource="status")
        return answer.body["status"]

    assert await told(**old) == {"phase": "Pending"} | old, "a client may say when it was"
    assert await told(message="x") == {"phase": "Pending", "message": "x"} | old
    assert await told(lastPhaseTransitionTime=None) == {"phase": "Pending", "message": "x"} | old
    assert (await told(phase="Available"))["lastPhaseTransitionTime"] > "2020"


async def test_a_pod_is_bound_once(place):
    pod = await place.made("pods", {"metadata": {"name": "p"}, "spec": POD})
    path = place.path("pods", "p", "binding")
    binding = {"metadata": {"name": "p", "annotations": {"a": "b"}}, "target": {"kind": "Node", "name": "n1"}}
    wrong = binding | {"metadata": {"name": "p", "uid": "11111111-1111-1111-1111-111111111111"}}
    assert (await place.api.call("POST", path, wrong)).refusal[:2] == (409, "Conflict")
    bound = await place.api.call("POST", path, binding)
    assert (bound.status, bound.body["kind"], bound.body["status"]) == (201, "Status", "Success")
    after = (await place.get("pods", "p")).body
    assert (after["spec"]["nodeName"], after["metadata"]["annotations"]) == ("n1", {"a": "b"})
    (condition,) = after["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    assert int(after["metadata"]["resourceVersion"]) > int(pod["metadata"]["resourceVersion"])
    again = await place.api.call("POST", path, binding)
    message = 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"'
    assert again.refusal == (409, "Conflict", message)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({}, "target.name: Required value"),
        ({"kind": "Node", "name": ""}, "target.name: Required value"),
        (
            {"kind": "Service", "name": "x"},
            'target.kind: Unsupported value: "Service": supported values: "Node", "<empty>"',
        ),
    ],
    ids=["nothing", "nobody", "service"],
)
async def test_a_binding_needs_a_node(place, target, message):
    await place.made("pods", {"metadata": {"name": "p"}, "spec": POD})
    answer = await place.api.call(
        "POST", place.path("pods", "p", "binding"), {"metadata": {"name": "p"}, "target": target}
    )
    assert (answer.status, answer.body["message"]) == (500, message)


async def test_a_binding_means_the_pod_of_its_path(place):
    binding = {"metadata": {"name": "nobody"}, "target": {"kind": "Node", "name": "n1"}}
    answer = await place.api.call("POST", place.path("pods", "nobody", "binding"), binding)
    assert answer.refusal == (404, "NotFound", 'pods "nobody" not found')
    answer = await place.api.call("POST", place.path("pods", "other", "binding"), binding)
    assert answer.refusal == (400, "BadRequest", "name in URL does not match name in Binding object")


async def test_methods_that_a_path_does_not_have(place):
    assert (await place.api.call("POST", place.path("configmaps", "a"), _map("a"))).refusal[:2] == (
        405,
        "MethodNotAllowed",
    )
    assert (await place.api.call("PUT", place.path("configmaps"), _map("a"))).refusal[:2] == (405, "MethodNotAllowed")
    assert (await place.api.call("POST", "/api/v1/configmaps", _map("a"))).refusal[:2] == (405, "MethodNotAllowed")


async def test_a_secret_takes_text_and_keeps_base64(place):
    made = await place.made("secrets", {"metadata": {"name": "s"}, "stringData": {"a": "x"}, "data": {"b": "eQ=="}})
    assert (made["data"], made["type"], "stringData" in made) == ({"a": "eA==", "b": "eQ=="}, "Opaque", False)
