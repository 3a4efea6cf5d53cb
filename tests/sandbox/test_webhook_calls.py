"""Admission webhooks, asked and called as the real API server does."""

import asyncio
import base64
import re

import pytest

from sandbox.attributes import Call
from sandbox.bodies import Body
from sandbox.deletion import DeleteOptions
from sandbox.errors import ApiError
from tests.sandbox.certificates import Certificates
from tests.sandbox.webhook import change, held, maps, patch, put, register, set_data, webhooks
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
