"""What the answers of admission webhooks do."""

import pytest
from aiohttp import web

from sandbox.errors import ApiError
from tests.sandbox.certificates import Certificates
from tests.sandbox.client import CONFIGMAPS, http_server
from tests.sandbox.webhook import held, patch, put, register, set_data, webhooks
from tests.sandbox.world import api_server


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
