"""Admission webhooks, called as the real API server calls them."""

import asyncio
import base64
import re

import pytest
from aiohttp import web

from sandbox.attributes import Call
from sandbox.bodies import Body
from sandbox.deletion import DeleteOptions
from sandbox.errors import ApiError
from tests.sandbox.certificates import Certificates
from tests.sandbox.client import CONFIGMAPS, http_server
from tests.sandbox.webhook import patch, register, set_data, webhooks
from tests.sandbox.world import add_node, add_pod, api_server, get_pod, pod
from tests.waiting import eventually


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def api():
    async with api_server() as made:
        yield made


@pytest.fixture
async def hooks(certificates):
    async with webhooks(certificates) as made:
        yield made


def maps(api):
    return api.kind("v1", "ConfigMap")


async def put(api, name="a", data=None, call=None, **metadata):
    body = {"metadata": {"name": name, **metadata}, "data": data or {"x": "y"}}
    return await api.create(maps(api), "default", body, call or Call())


async def change(api, name="a", value="z", call=None):
    body = {"metadata": {"name": name}, "data": {"x": value}}
    return await api.update(maps(api), ("default", name), body, call or Call())


def held(api, name="a"):
    return api.store.get("configmaps", ("default", name))


# --- what a webhook is asked ---


async def test_a_review_says_everything_about_the_request(api, hooks):
    await register(api, hooks.hook("v"))
    made = await put(api, call=Call(manager="tests"))
    changed = await change(api)
    create, update = hooks.requests("v")
    assert create["uid"] != update["uid"]
    assert create["kind"] == create["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert create["resource"] == create["requestResource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (create["operation"], create["name"], create["namespace"]) == ("CREATE", "a", "default")
    assert create["userInfo"]["username"] == "kubernetes-admin"
    assert (create["dryRun"], create["oldObject"]) == (False, None)
    assert create["options"]["kind"] == "CreateOptions"
    assert create["object"]["metadata"]["uid"] == made["metadata"]["uid"]
    assert "resourceVersion" not in create["object"]["metadata"]
    assert (update["operation"], update["oldObject"]) == ("UPDATE", made)
    assert update["object"]["data"] == changed["data"] == {"x": "z"}
    assert hooks.queries[0] == {"timeout": "10s"}


async def test_a_deletion_shows_the_object_that_goes(api, hooks):
    await register(api, hooks.hook("v", rule={"operations": ["DELETE"]}))
    made = await put(api)
    await api.delete(maps(api), ("default", "a"), DeleteOptions(), Call())
    (asked,) = hooks.requests("v")
    assert (asked["operation"], asked["object"], asked["oldObject"]) == ("DELETE", None, made)
    assert asked["options"]["kind"] == "DeleteOptions"


async def test_a_webhook_that_denies_a_deletion_keeps_the_object(api, hooks):
    await register(api, hooks.hook("v", rule={"operations": ["DELETE"]}))
    hooks.answers["v"] = lambda _: {"allowed": False}
    await put(api)
    with pytest.raises(ApiError, match="denied the request without explanation"):
        await api.delete(maps(api), ("default", "a"), DeleteOptions(), Call())
    assert "deletionTimestamp" not in held(api).value["metadata"]


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ({}, True),
        ({"operations": ["*"]}, True),
        ({"operations": ["UPDATE"]}, False),
        ({"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}, True),
        ({"resources": ["*/*"]}, True),
        ({"resources": ["pods"]}, False),
        ({"resources": ["configmaps/status"]}, False),
        ({"apiGroups": ["apps"]}, False),
        ({"apiVersions": ["v2"]}, False),
        ({"scope": "Namespaced"}, True),
        ({"scope": "Cluster"}, False),
    ],
)
async def test_rules_choose_the_requests(api, hooks, rule, asked):
    await register(api, hooks.hook("v", rule=rule))
    await put(api)
    assert bool(hooks.asked) is asked


@pytest.mark.parametrize(("subresource", "order"), [("pods/binding", ["v"]), ("pods", []), ("pods/status", [])])
async def test_subresources_are_asked_about_by_name(api, hooks, subresource, order):
    await add_node(api, "n")
    await add_pod(api, pod("p"))
    await register(api, hooks.hook("v", rule={"resources": [subresource], "operations": ["*"]}))
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    await api.bind(api.kind("v1", "Pod"), ("default", "p"), Body(binding), Call())
    assert hooks.order() == order
    if order:
        (asked,) = hooks.requests("v")
        assert (asked["subResource"], asked["kind"]["kind"]) == ("binding", "Binding")
        assert asked["object"]["target"]["name"] == "n"
    assert get_pod(api, "p")["spec"]["nodeName"] == "n"


@pytest.mark.parametrize(
    ("selector", "asked"),
    [
        ({"matchLabels": {"kubernetes.io/metadata.name": "default"}}, True),
        ({"matchLabels": {"team": "blue"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, True),
    ],
)
async def test_namespaces_are_selected_by_their_labels(api, hooks, selector, asked):
    await register(api, hooks.hook("v", namespaceSelector=selector))
    await put(api)
    assert bool(hooks.asked) is asked


async def test_a_namespace_selector_lets_cluster_scoped_objects_through(api, hooks):
    hook = hooks.hook("v", rule={"resources": ["nodes"]}, namespaceSelector={"matchLabels": {"team": "blue"}})
    await register(api, hook)
    await add_node(api, "n")
    assert hooks.asked


async def test_an_object_is_selected_by_its_labels_before_or_after(api, hooks):
    await register(api, hooks.hook("v", objectSelector={"matchLabels": {"seen": "yes"}}))
    await put(api, "a")
    await put(api, "b", labels={"seen": "yes"})
    await api.update(maps(api), ("default", "b"), {"metadata": {"name": "b"}, "data": {"x": "y"}}, Call())
    await api.update(maps(api), ("default", "b"), {"metadata": {"name": "b"}, "data": {"x": "z"}}, Call())
    assert [(each["operation"], each["name"]) for each in hooks.requests("v")] == [("CREATE", "b"), ("UPDATE", "b")]


async def test_registrations_themselves_are_never_shown(api, hooks):
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
    await register(api, hooks.hook("v", rule=everything))
    hooks.answers["v"] = lambda _: {"allowed": False}
    kind = api.kind("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")
    await api.delete(kind, ("", "hooks"), DeleteOptions(), Call())
    assert hooks.asked == []
    await put(api)


# --- what its answer does ---


async def test_a_denial_is_passed_on_with_its_code_and_reason(api, hooks):
    await register(api, hooks.hook("v"))
    status = {"code": 422, "reason": "Invalid", "message": "no x here", "details": {"causes": [{"field": "x"}]}}
    hooks.answers["v"] = lambda _: {"allowed": False, "status": status}
    with pytest.raises(ApiError) as caught:
        await put(api)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert str(caught.value) == 'admission webhook "v.demo.io" denied the request: no x here'
    assert held(api) is None


async def test_of_several_denials_the_first_by_order_is_told(api, hooks):
    await register(api, hooks.hook("one"), hooks.hook("two"))
    hooks.answers |= {
        name: lambda _, name=name: {"allowed": False, "status": {"message": name}} for name in ("one", "two")
    }
    with pytest.raises(ApiError, match="denied the request: one"):
        await put(api)
    assert sorted(hooks.order()) == ["one", "two"]


async def test_warnings_reach_the_client_denied_or_not(certificates):
    async with http_server() as client, webhooks(certificates) as hooks:
        await register(client.api, hooks.hook("v"))
        allowed = True
        hooks.answers["v"] = lambda _: {"allowed": allowed, "warnings": ['mind "this"', "and that"]}
        body = b'{"metadata":{"name":"a"}}'
        for wanted in (201, 400):
            headers = {"Content-Type": "application/json"}
            async with client.session.post(client.url + CONFIGMAPS, data=body, headers=headers) as answer:
                assert answer.status == wanted, await answer.text()
                assert answer.headers.getall("Warning") == [r'299 - "mind \"this\""', '299 - "and that"']
            allowed = False
            body = b'{"metadata":{"name":"b"}}'


async def test_mutating_webhooks_come_first_and_one_after_another(api, hooks):
    await register(api, hooks.hook("m1"), hooks.hook("m2"), mutating=True)
    await register(api, hooks.hook("v"))
    hooks.answers["m1"] = lambda _: patch(set_data("one", "1"))
    hooks.answers["m2"] = lambda request: patch(set_data("two", request["object"]["data"]["one"] + "+"))
    made = await put(api)
    assert hooks.order() == ["m1", "m2", "v"]
    assert made["data"] == held(api).value["data"] == {"x": "y", "one": "1", "two": "1+"}
    assert hooks.requests("v")[0]["object"]["data"] == made["data"]


async def test_what_a_patch_leaves_is_validated_like_any_object(api, hooks):
    await register(api, hooks.hook("m"), mutating=True)
    hooks.answers["m"] = lambda _: patch({"op": "add", "path": "/metadata/labels", "value": {"a b": "c"}})
    with pytest.raises(ApiError) as caught:
        await put(api)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert held(api) is None


async def test_only_those_who_ask_for_it_are_asked_again_after_a_change(api, hooks):
    early = hooks.hook("early", reinvocationPolicy="IfNeeded")
    await register(api, early, hooks.hook("never"), hooks.hook("late"), mutating=True)
    hooks.answers["late"] = lambda _: patch(set_data("late", "1"))
    await put(api)
    assert hooks.order() == ["early", "never", "late", "early"]
    assert hooks.requests("early")[1]["object"]["data"]["late"] == "1"


async def test_nobody_is_asked_again_when_nothing_changed_or_a_third_time(api, hooks):
    both = [hooks.hook(name, reinvocationPolicy="IfNeeded") for name in ("one", "two")]
    await register(api, *both, mutating=True)
    await put(api, "a")
    assert hooks.order() == ["one", "two"]
    hooks.asked.clear()
    count = iter(range(100))
    hooks.answers |= dict.fromkeys(("one", "two"), lambda _: patch(set_data(f"k{next(count)}", "1")))
    await put(api, "b")
    assert len(hooks.order()) <= 4
    assert hooks.order()[:3] == ["one", "two", "one"]


BAD_ANSWERS = {
    "another uid": (lambda _: {"uid": "other"}, "expected response.uid="),
    "a patch without its type": (lambda _: {"patch": "W10="}, "response.patch but not response.patchType"),
    "a type without a patch": (lambda _: {"patchType": "JSONPatch"}, "response.patchType but not response.patch"),
    "another patch type": (lambda _: {"patchType": "Merge", "patch": "W10="}, "unsupported patch type"),
    "a patch that is no JSON": (lambda _: patch() | {"patch": "eHg="}, "undecodable patch"),
    "no review": (lambda _: web.json_response({}), "webhook response was absent"),
    "no JSON": (lambda _: web.Response(text="<html>"), "failed to call webhook"),
    "an error": (lambda _: web.Response(status=500, text="oops"), r'an error on the server \("oops"\)'),
    "not found": (lambda _: web.Response(status=404), "could not find the requested resource"),
    "a redirect": (lambda _: web.Response(status=302, headers={"Location": "https://x"}), "failed to call webhook"),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS)
@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_an_answer_that_is_none_is_a_matter_of_the_failure_policy(api, hooks, answer, policy):
    await register(api, hooks.hook("m", failurePolicy=policy), mutating=True)
    hooks.answers["m"], message = BAD_ANSWERS[answer]
    if policy == "Ignore":
        assert (await put(api))["data"] == {"x": "y"}
        return
    with pytest.raises(ApiError, match=message) as caught:
        await put(api)
    assert (caught.value.code, caught.value.reason) == (500, "InternalError")
    assert 'failed calling webhook "m.demo.io"' in str(caught.value)
    assert held(api) is None


async def test_a_patch_that_does_not_fit_fails_whatever_the_policy(api, hooks):
    await register(api, hooks.hook("m", failurePolicy="Ignore"), mutating=True)
    hooks.answers["m"] = lambda _: patch({"op": "remove", "path": "/data/nothing"})
    with pytest.raises(ApiError) as caught:
        await put(api)
    assert caught.value.code == 500


async def test_a_validating_webhook_may_not_patch(api, hooks):
    await register(api, hooks.hook("v"))
    hooks.answers["v"] = lambda _: patch(set_data("a", "b"))
    with pytest.raises(ApiError, match=r"validating webhook may not return response\.patch"):
        await put(api)


async def test_audit_annotations_are_accepted(api, hooks):
    await register(api, hooks.hook("v"))
    hooks.answers["v"] = lambda _: {"auditAnnotations": {"why": "because"}}
    assert await put(api)


# --- how it is called ---


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_webhook_that_does_not_answer_is_given_up_on(api, hooks, policy):
    await register(api, hooks.hook("v", failurePolicy=policy, timeoutSeconds=1))
    hooks.hold["v"] = asyncio.Event()
    if policy == "Ignore":
        assert await put(api)
    else:
        with pytest.raises(ApiError, match="context deadline exceeded"):
            await put(api)
    hooks.hold["v"].set()
    assert hooks.queries[0] == {"timeout": "1s"}


async def test_validating_webhooks_are_asked_at_the_same_time(api, hooks):
    await register(api, *(hooks.hook(f"v{number}") for number in range(5)))
    hooks.hold = {f"v{number}": asyncio.Event() for number in range(5)}
    writing = asyncio.create_task(put(api))
    await eventually(lambda: len(hooks.asked) == 5)
    for event in hooks.hold.values():
        event.set()
    assert await writing


async def test_another_authority_is_not_trusted(api, hooks, tmp_path):
    other = Certificates(tmp_path / "other")
    bundle = base64.b64encode(other.ca.read_bytes()).decode()
    await register(api, hooks.hook("v", clientConfig={"url": f"{hooks.url}/v", "caBundle": bundle}))
    with pytest.raises(ApiError, match="x509: certificate signed by unknown authority"):
        await put(api)
    assert hooks.asked == []


async def test_a_certificate_for_another_host_is_not_accepted(api, tmp_path):
    certificates = Certificates(tmp_path / "other", hosts=("elsewhere.example",))
    async with webhooks(certificates) as hooks:
        await register(api, hooks.hook("v"))
        with pytest.raises(ApiError, match="tls: failed to verify certificate"):
            await put(api)
    assert hooks.asked == []


async def test_a_webhook_that_is_not_there_is_named(api, hooks):
    await register(api, hooks.hook("v", clientConfig={"url": "https://127.0.0.1:1/v", "caBundle": hooks.ca}))
    with pytest.raises(ApiError, match=re.escape('Post "https://127.0.0.1:1/v?timeout=10s": dial tcp')):
        await put(api)


async def test_a_service_that_nobody_knows_is_named(api, hooks):
    service = {"namespace": "default", "name": "hooks", "path": "/v"}
    await register(api, hooks.hook("v", clientConfig={"service": service, "caBundle": hooks.ca}))
    with pytest.raises(ApiError, match='service "hooks" not found'):
        await put(api)


@pytest.mark.parametrize("effects", ["None", "NoneOnDryRun"])
async def test_a_dry_run_is_told_to_the_webhook_and_writes_nothing(api, hooks, effects):
    await register(api, hooks.hook("m", sideEffects=effects), mutating=True)
    hooks.answers["m"] = lambda _: patch(set_data("a", "b"))
    made = await put(api, call=Call(dry_run=True))
    assert made["data"] == {"x": "y", "a": "b"}
    assert held(api) is None
    assert hooks.requests("m")[0]["dryRun"] is True


async def test_a_registration_that_says_nothing_of_side_effects_is_refused(api, hooks):
    hook = hooks.hook("v")
    del hook["sideEffects"]
    with pytest.raises(ApiError, match="sideEffects"):
        await register(api, hook)


async def test_a_change_of_the_registration_counts_from_the_next_request(api, hooks):
    await register(api, hooks.hook("v"))
    hooks.answers["v"] = lambda _: {"allowed": False}
    with pytest.raises(ApiError):
        await put(api)
    kind = api.kind("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")
    await api.delete(kind, ("", "hooks"), DeleteOptions(), Call())
    assert await put(api)


async def test_a_write_that_races_is_asked_about_again(api, hooks):
    """What the webhook allowed was about another state of the object: it sees the one that is stored."""
    await put(api)
    await register(api, hooks.hook("v"))
    hooks.hold["v"] = asyncio.Event()
    patching = asyncio.create_task(
        api.patch(maps(api), ("default", "a"), "application/merge-patch+json", b'{"data":{"p":"1"}}', Call())
    )
    await eventually(lambda: hooks.asked)
    kind = maps(api)
    await api._pipeline.swap(kind, held(api), {**held(api).value, "data": {"x": "raced"}})
    hooks.hold["v"].set()
    changed, _ = await patching
    assert changed["data"] == {"x": "raced", "p": "1"}
    assert [each["object"]["data"] for each in hooks.requests("v")] == [{"x": "y", "p": "1"}, {"x": "raced", "p": "1"}]


async def test_an_eviction_is_asked_about_as_what_it_is(api, hooks):
    await add_pod(api, pod("p"))
    await register(api, hooks.hook("v", rule={"resources": ["pods", "pods/eviction"], "operations": ["*"]}))
    await api.evict(api.kind("v1", "Pod"), ("default", "p"), Body({"metadata": {"name": "p"}}), Call())
    (asked,) = hooks.requests("v")
    assert (asked["operation"], asked["subResource"], asked["object"]["kind"]) == ("CREATE", "eviction", "Eviction")
    assert api.store.get("pods", ("default", "p")) is None


async def test_a_pod_that_is_bound_gets_the_zone_of_its_node(api):
    zone = {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1", "other": "x"}
    await add_node(api, "n", labels=zone)
    await add_pod(api, pod("p", labels={"app": "demo"}))
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    await api.bind(api.kind("v1", "Pod"), ("default", "p"), Body(binding), Call())
    del zone["other"]
    assert get_pod(api, "p")["metadata"]["labels"] == {"app": "demo", **zone}
