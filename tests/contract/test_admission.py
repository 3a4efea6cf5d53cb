"""Webhooks: when they are asked, what they are told, and what becomes of what they answer."""

import asyncio

import pytest
import pytest_asyncio
from aiohttp import web

from tests.contract.hooks import Registrar, allow, labelling, patching, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hooks(tmp_path_factory):
    async with serving(tmp_path_factory.mktemp("hooks")) as hooks:
        yield hooks


@pytest.fixture
def registrar(place, hooks):
    return Registrar(place, hooks)


def _map(name="a", **data):
    return {"metadata": {"name": name}, "data": data}


def _denying(**status):
    return lambda _request: {"allowed": False, "status": status}


async def test_changes_come_before_checks_and_checks_see_the_object_that_is_stored(place, registrar):
    await registrar.register("validating", ("check", allow, {}))
    await registrar.register("mutating", ("change", labelling("tier", "x"), {}))
    made = await place.made("configmaps", _map(x="1"))
    assert made["metadata"]["labels"] == {"tier": "x"}
    assert registrar.hooks.order == [registrar.path("change"), registrar.path("check")]
    (seen,) = registrar.asked("check")
    assert (seen["object"]["metadata"]["labels"], seen["oldObject"]) == ({"tier": "x"}, None)


async def test_a_webhook_is_told_who_asks_for_what(place, registrar):
    await registrar.register("validating", ("check", allow, {}))
    made = await place.made("configmaps", _map(x="1"), fieldManager="m")
    (told,) = registrar.asked("check")
    map_kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    maps = {"group": "", "version": "v1", "resource": "configmaps"}
    assert (told["kind"], told["requestKind"], told["resource"], told["requestResource"]) == (
        *(map_kind, map_kind),
        *(maps, maps),
    )
    assert (told["name"], told["namespace"], told["operation"], told["dryRun"]) == (
        *("a", place.namespace),
        *("CREATE", False),
    )
    assert "system:masters" in told["userInfo"]["groups"]
    assert told["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "m"}
    assert (told["object"]["kind"], told["object"]["data"]) == ("ConfigMap", {"x": "1"})
    assert told["object"]["metadata"]["uid"] == made["metadata"]["uid"]
    assert "resourceVersion" not in told["object"]["metadata"]
    assert (told["uid"] != made["metadata"]["uid"], told["timeout"]) == (True, "5s")


async def test_an_update_shows_both_objects_and_a_deletion_the_old_one(place, registrar):
    made = await place.made("configmaps", _map(x="1"))
    await registrar.register("validating", ("check", allow, {}))
    await place.patch("configmaps", "a", {"data": {"x": "2"}}, fieldManager="m")
    await place.delete("configmaps", "a", {"propagationPolicy": "Background"})
    update, delete = registrar.asked("check")
    assert (update["operation"], update["object"]["data"], update["oldObject"]["data"]) == (
        *("UPDATE", {"x": "2"}),
        {"x": "1"},
    )
    assert update["oldObject"]["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert update["options"] == {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "m"}
    assert (delete["operation"], delete["object"], delete["oldObject"]["data"]) == ("DELETE", None, {"x": "2"})
    assert delete["options"] == {
        "kind": "DeleteOptions",
        "apiVersion": "meta.k8s.io/v1",
        "propagationPolicy": "Background",
    }


async def test_a_generated_name_is_not_known_yet(place, registrar):
    await registrar.register("mutating", ("change", allow, {}))
    await registrar.register("validating", ("check", allow, {}))
    made = await place.made("configmaps", {"metadata": {"generateName": "map-"}})
    (before,), (after,) = registrar.asked("change"), registrar.asked("check")
    names = [each["object"]["metadata"].get("name", "") for each in (before, after)]
    assert (before.get("name", ""), names[1]) == ("", made["metadata"]["name"])


async def test_a_subresource_is_asked_about_by_its_name(place, registrar):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await place.made("persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": spec})
    await registrar.register("validating", ("check", allow, {}))
    await place.patch("persistentvolumeclaims", "c", {"status": {"phase": "Lost"}}, subresource="status")
    (told,) = registrar.asked("check")
    assert (told["subResource"], told["requestSubResource"], told["object"]["status"]["phase"]) == (
        *("status", "status"),
        "Lost",
    )


async def test_a_mutating_webhook_sees_defaults_and_what_plugins_did_but_no_managed_name(place, registrar):
    await registrar.register("mutating", ("change", allow, {}))
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await place.made("persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": spec, "status": {"phase": "Bound"}})
    (told,) = registrar.asked("change")
    assert told["object"]["spec"]["volumeMode"] == "Filesystem"
    assert told["object"]["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert told["object"]["status"] == {"phase": "Bound"}


async def test_a_patched_object_is_read_and_defaulted_anew(place, registrar):
    steps = [{"op": "remove", "path": "/spec/volumeMode"}, {"op": "add", "path": "/spec/colour", "value": "red"}]
    await registrar.register("mutating", ("change", patching(*steps), {}))
    await registrar.register("validating", ("check", allow, {}))
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    made = await place.made("persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": spec})
    assert (made["spec"]["volumeMode"], "colour" in made["spec"]) == ("Filesystem", False)


async def test_what_a_webhook_makes_of_an_object_must_keep_the_rules(place, registrar):
    step = {"op": "add", "path": "/metadata/labels", "value": {"a b": "1"}}
    await registrar.register("mutating", ("change", patching(step), {}))
    answer = await place.create("configmaps", _map())
    assert answer.verdict == (422, "Invalid", {("metadata.labels", "FieldValueInvalid")})


@pytest.mark.parametrize("kind", ["mutating", "validating"])
async def test_a_refusal_has_the_webhooks_words(place, registrar, kind):
    details = {"causes": [{"reason": "FieldValueInvalid", "field": "data.x", "message": "is odd"}]}
    status = {"code": 422, "reason": "Invalid", "message": "x is odd", "details": details}
    await registrar.register(kind, ("no", _denying(**status), {"failurePolicy": "Ignore"}))
    answer = await place.create("configmaps", _map())
    message = 'admission webhook "no.contract.example.com" denied the request: x is odd'
    assert answer.refusal == (422, "Invalid", message)
    assert answer.body["details"] == details
    assert (await place.get("configmaps", "a")).status == 404


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ({}, 400, " without explanation"),
        ({"reason": "Odd"}, 400, ": Odd"),
        ({"message": "no", "code": 200}, 400, ": no"),
        ({"message": "no", "code": 403, "reason": "Forbidden"}, 403, ": no"),
        ({"message": "no", "code": 503}, 503, ": no"),
    ],
    ids=["nothing", "reason", "success", "forbidden", "unavailable"],
)
async def test_a_refusal_may_say_less(place, registrar, status, code, message):
    await registrar.register("validating", ("no", _denying(**status), {}))
    answer = await place.create("configmaps", _map())
    head = 'admission webhook "no.contract.example.com" denied the request'
    assert (answer.status, answer.body["message"]) == (code, head + message)
    assert answer.body.get("reason", "") == status.get("reason", "")


async def test_warnings_reach_the_client_either_way(place, registrar):
    warn = ["mind the gap"]
    await registrar.register("validating", ("warn", lambda _: {"allowed": True, "warnings": warn}, {}))
    assert (await place.create("configmaps", _map())).warnings == warn
    registrar.hooks.answers[registrar.path("warn")] = lambda _: {"allowed": False, "warnings": warn}
    assert (await place.create("configmaps", _map("b"))).warnings == warn


FAULTS = {
    "status": lambda _: web.Response(status=500, text="broken"),
    "not-found": lambda _: web.Response(status=404, text="lost"),
    "redirect": lambda _: web.Response(status=302, headers={"Location": "https://127.0.0.1:1/"}),
    "no-json": lambda _: web.Response(text="hello"),
    "no-response": lambda _: web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}),
    "other-uid": lambda _: {"allowed": True, "uid": "another"},
    "patch-without-type": lambda _: {"allowed": True, "patch": "W10="},
    "type-without-patch": lambda _: {"allowed": True, "patchType": "JSONPatch"},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_becomes_of_a_failed_call_is_the_policys_matter(place, registrar, fault):
    await registrar.register("mutating", ("faulty", FAULTS[fault], {"failurePolicy": "Fail"}))
    answer = await place.create("configmaps", _map())
    assert (answer.status, answer.body["reason"]) == (500, "InternalError")
    head = 'Internal error occurred: failed calling webhook "faulty.contract.example.com": '
    assert answer.body["message"].startswith(head)


@pytest.mark.parametrize("fault", ["status", "other-uid", "no-json"])
async def test_a_failed_call_may_be_ignored(place, registrar, fault):
    await registrar.register("mutating", ("faulty", FAULTS[fault], {"failurePolicy": "Ignore"}))
    assert (await place.create("configmaps", _map())).status == 201
    assert len(registrar.asked("faulty")) == 1


async def test_a_webhook_has_its_time(place, registrar):
    over = asyncio.Event()

    async def late(_request):
        await over.wait()
        return {"allowed": True}

    await registrar.register("validating", ("late", late, {"timeoutSeconds": 1}))
    answer = await place.create("configmaps", _map())
    over.set()
    assert answer.refusal[:2] == (500, "InternalError")
    assert answer.body["message"].endswith("context deadline exceeded")


async def test_a_webhook_that_can_not_be_reached_has_failed(place, registrar):
    await registrar.register("validating", ("check", allow, {}))
    client = {"url": "https://127.0.0.1:1/nobody", "caBundle": registrar.hooks.bundle}
    name = place.unique("check")
    webhooks = (await place.get("validatingwebhookconfigurations", name)).body["webhooks"]
    moved = {"webhooks": [webhooks[0] | {"clientConfig": client}]}
    assert (await place.patch("validatingwebhookconfigurations", name, moved)).status == 200
    answer = await place.create("configmaps", _map())
    while answer.status == 201:
        answer = await place.create("configmaps", {"metadata": {"generateName": "a"}})
    assert answer.refusal[:2] == (500, "InternalError")
    assert answer.body["message"].endswith("connect: connection refused")


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_patch_that_does_not_fit_fails_whatever_the_policy(place, registrar, policy):
    odd = patching({"op": "remove", "path": "/nothing/here"})
    await registrar.register("mutating", ("odd", odd, {"failurePolicy": policy}))
    answer = await place.create("configmaps", _map())
    assert answer.refusal[:2] == (500, "InternalError")


async def test_a_validating_webhook_may_not_change_anything(place, registrar):
    await registrar.register("validating", ("check", patching(), {}))
    answer = await place.create("configmaps", _map())
    assert answer.refusal[:2] == (500, "InternalError")
    assert answer.body["message"].endswith("validating webhook may not return response.patch")


async def test_a_webhook_is_asked_again_if_it_wants_and_another_changed_the_object(place, registrar):
    await registrar.register(
        "mutating",
        ("a-again", labelling("first", "1"), {"reinvocationPolicy": "IfNeeded"}),
        ("b-once", labelling("second", "2"), {}),
    )
    made = await place.made("configmaps", _map())
    assert made["metadata"]["labels"] == {"first": "1", "second": "2"}
    assert registrar.hooks.order == [registrar.path(each) for each in ("a-again", "b-once", "a-again")]


async def test_nobody_is_asked_again_when_nothing_changed(place, registrar):
    await registrar.register(
        "mutating",
        ("a-again", allow, {"reinvocationPolicy": "IfNeeded"}),
        ("b-again", allow, {"reinvocationPolicy": "IfNeeded"}),
    )
    await place.made("configmaps", _map())
    assert registrar.hooks.order == [registrar.path(each) for each in ("a-again", "b-again")]


async def test_selectors_choose_the_objects_that_are_asked_about(place, registrar):
    selected = {"objectSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}}
    probed = {"objectSelector": {"matchLabels": {"probe": "yes"}}}
    await registrar.register("validating", ("every", allow, {}))
    registrar.hooks.answers[registrar.path("some")] = allow
    entry = registrar.entry("some", selected)
    await place.made(
        "validatingwebhookconfigurations", {"metadata": {"name": place.unique("some")}, "webhooks": [entry]}
    )
    await registrar.register("validating", ("probes", allow, probed))
    await place.made("configmaps", _map("a"))
    await place.made("configmaps", {"metadata": {"name": "b", "labels": {"tier": "x"}}})
    # An update is asked about if the old or the new object is selected.
    await place.patch("configmaps", "b", {"metadata": {"labels": None}})
    await place.patch("configmaps", "b", {"data": {"x": "1"}})
    assert [each["operation"] for each in registrar.asked("some")] == ["CREATE", "UPDATE"]
    assert len(registrar.asked("every")) == 4
    assert registrar.asked("probes") == []


async def test_rules_choose_the_requests_that_are_asked_about(place, registrar):
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["*"], "operations": ["CREATE"]}
    await registrar.register(
        "validating",
        ("a-creates", allow, {"rules": [rule]}),
        ("b-all", allow, {"rules": [rule | {"operations": ["*"], "scope": "Namespaced"}]}),
    )
    await place.made("configmaps", _map())
    await place.patch("configmaps", "a", {"data": {"x": "1"}})
    await place.get("configmaps", "a")
    await place.delete("configmaps", "a")
    assert [each["operation"] for each in registrar.asked("a-creates")] == ["CREATE"]
    assert [each["operation"] for each in registrar.asked("b-all")] == ["CREATE", "UPDATE", "DELETE"]


async def test_a_dry_run_is_asked_about_and_says_so(place, registrar):
    await registrar.register("mutating", ("change", labelling("tier", "x"), {"sideEffects": "NoneOnDryRun"}))
    dry = await place.create("configmaps", _map(), dryRun="All")
    (told,) = registrar.asked("change")
    assert (dry.body["metadata"]["labels"], told["dryRun"]) == ({"tier": "x"}, True)
    assert told["options"]["dryRun"] == ["All"]


async def test_what_a_webhook_sets_belongs_to_nobody(place, registrar):
    await registrar.register("mutating", ("change", labelling("tier", "x"), {}))
    made = await place.made("configmaps", _map(x="1"), fieldManager="m")
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["fieldsV1"]) == ("m", {"f:data": {".": {}, "f:x": {}}})


async def test_registrations_themselves_are_nobodys_matter(place, registrar):
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"], "scope": "Cluster"}
    await registrar.register("validating", ("check", allow, {}))
    name = place.unique("cluster")
    entry = registrar.entry("cluster", {"rules": [rule], "failurePolicy": "Ignore"}) | {
        "objectSelector": {"matchLabels": {"contract": place.namespace}}
    }
    registrar.hooks.answers[registrar.path("cluster")] = allow
    await place.made("validatingwebhookconfigurations", {"metadata": {"name": name}, "webhooks": [entry]})
    labels = {"metadata": {"labels": {"contract": place.namespace}}}
    storage_class = {"metadata": {"name": place.unique("c"), **labels["metadata"]}, "provisioner": "a.example.com"}
    await place.made("storageclasses", storage_class)
    while not registrar.asked("cluster"):
        await place.patch("storageclasses", place.unique("c"), {"metadata": {"annotations": {"x": "1"}}})
    assert (await place.patch("validatingwebhookconfigurations", name, labels)).status == 200
    assert {each["resource"]["resource"] for each in registrar.asked("cluster")} == {"storageclasses"}


async def test_a_refused_deletion_does_not_begin(place, registrar):
    await place.made("configmaps", _map())
    await registrar.register("validating", ("keep", _denying(code=403, reason="Forbidden", message="keep it"), {}))
    answer = await place.delete("configmaps", "a")
    message = 'admission webhook "keep.contract.example.com" denied the request: keep it'
    assert answer.refusal == (403, "Forbidden", message)
    assert "deletionTimestamp" not in (await place.get("configmaps", "a")).body["metadata"]


async def test_a_collections_deletion_is_asked_about_once_for_each(place, registrar):
    for name in ("a", "b"):
        await place.made("configmaps", {"metadata": {"name": name, "labels": {"tier": "x"}}})
    await registrar.register("validating", ("check", allow, {}))
    await place.delete("configmaps", labelSelector="tier=x")
    asked = [(each["operation"], each.get("name", ""), each["oldObject"]) for each in registrar.asked("check")]
    assert sorted(old["metadata"]["name"] for _, _, old in asked) == ["a", "b"]
    assert {(operation, name) for operation, name, _ in asked} == {("DELETE", "")}
