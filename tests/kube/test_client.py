"""What the client asks of the server, and what it makes of the answers."""

import asyncio
import socket

import orjson
import pytest

from kube.client import PatchType, connect
from kube.config import Connection
from kube.credentials import Credential, Static
from kube.errors import (
    AlreadyExists,
    ApiError,
    BadAnswer,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerError,
    ServerTimeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from model.resources import CLAIMS, CSI_NODES, LEASES, NODES, PODS
from tests.kube.conftest import connection_to
from tests.kube.objects import node_json, node_list
from tests.kube.server import cut_body, hang, refusal, reply, reset

NODE = "/api/v1/nodes/n1"
NODES_PATH = "/api/v1/nodes"


def sample(client, name, labels=None):
    return client.metrics.registry.get_sample_value(name, labels or {})


async def test_get_reads_one_object_with_our_credentials(api, client):
    api.on("GET", NODE, reply(node_json("n1", zone="a")))
    found = await client.get(NODES, "n1")
    assert (found.name, found.labels) == ("n1", {"zone": "a"})
    asked = api.seen[0]
    assert asked.headers["Authorization"] == "Bearer token-1"
    assert asked.headers["User-Agent"] == "lading"
    assert "Cookie" not in asked.headers


async def test_list_follows_the_pages_and_joins_them(api, client):
    api.on(
        "GET",
        NODES_PATH,
        reply(node_list(node_json("n1"), node_json("n2"), version=7, more="next")),
        reply(node_list(node_json("n3"), version=7)),
    )
    assert [each.name for each in await client.list(NODES, labels="a=b", fields="metadata.name!=x")] == [
        "n1",
        "n2",
        "n3",
    ]
    first, second = (each.query for each in api.seen)
    assert first == {"limit": "500", "labelSelector": "a=b", "fieldSelector": "metadata.name!=x"}
    assert second == first | {"continue": "next"}


async def test_a_list_whose_pages_are_compacted_away_begins_anew(api, client):
    api.on(
        "GET",
        NODES_PATH,
        reply(node_list(node_json("n1"), version=7, more="next")),
        refusal(410, "Expired"),
        reply(node_list(node_json("n2"), version=9)),
    )
    page = await client.snapshot(NODES)
    assert ([each.name for each in page.items], page.version) == (["n2"], "9")


async def test_a_list_that_is_always_too_slow_for_paging_is_asked_in_one_piece(api, client):
    pages = [reply(node_list(node_json("n1"), version=7, more="next")), refusal(410, "Expired")]
    api.on("GET", NODES_PATH, *pages, *pages, reply(node_list(node_json("n2"), version=9)))
    assert [each.name for each in await client.list(NODES)] == ["n2"]
    assert "limit" not in api.seen[-1].query


async def test_one_odd_object_does_not_lose_the_list(api, client):
    odd = {"metadata": {"name": "odd", "uid": "u"}, "spec": {"unschedulable": "maybe"}}
    api.on("GET", NODES_PATH, reply(node_list(node_json("n1"), odd, {"metadata": 5}, node_json("n2"))))
    page = await client.snapshot(NODES)
    assert [each.name for each in page.items] == ["n1", "n2"]
    assert [each.key for each in page.unreadable] == ["odd", ""]
    assert sample(client, "lading_kube_unreadable_objects_total", {"resource": "nodes"}) == 2


async def test_null_where_a_list_may_be_is_no_fault(api, client):
    api.on("GET", NODES_PATH, reply({"metadata": {"resourceVersion": "1"}, "items": None}))
    api.on(
        "GET",
        "/apis/storage.k8s.io/v1/csinodes/n1",
        reply({"metadata": {"name": "n1"}, "spec": {"drivers": None}}),
    )
    assert await client.list(NODES) == []
    assert (await client.get(CSI_NODES, "n1")).spec.drivers is None


async def test_create_names_kind_and_manager(api, client):
    path = "/api/v1/namespaces/ns/persistentvolumeclaims"
    api.on("POST", path, reply({"metadata": {"name": "c", "namespace": "ns"}}, 201))
    assert (await client.create(CLAIMS, {"metadata": {"name": "c"}}, "ns")).key == "ns/c"
    assert api.seen[0].query == {"fieldManager": "lading"}
    assert api.seen[0].body == {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}


@pytest.mark.parametrize(
    ("content", "body", "content_type"),
    [
        (PatchType.MERGE, {"metadata": {"resourceVersion": "3"}}, "application/merge-patch+json"),
        (PatchType.JSON, [{"op": "remove", "path": "/spec"}], "application/json-patch+json"),
        (PatchType.STRATEGIC, {"metadata": {"uid": "u"}}, "application/strategic-merge-patch+json"),
    ],
)
async def test_a_patch_goes_out_as_it_is(api, client, content, body, content_type):
    api.on("PATCH", NODE + "/status", reply(node_json("n1")))
    await client.patch(NODES, "n1", body, subresource="status", content=content)
    assert api.seen[0].body == body
    assert api.seen[0].headers["Content-Type"] == content_type


async def test_apply_says_whether_it_forces(api, client):
    api.on("PATCH", NODE, reply(node_json("n1")))
    await client.patch(NODES, "n1", {}, content=PatchType.APPLY, force=True)
    assert api.seen[0].query == {"fieldManager": "lading", "force": "true"}


async def test_replace_puts_the_whole(api, client):
    api.on("PUT", NODE, reply(node_json("n1")))
    await client.replace(NODES, "n1", node_json("n1"))
    assert api.seen[0].body == node_json("n1")


async def test_delete_carries_its_preconditions(api, client):
    api.on("DELETE", "/api/v1/namespaces/ns/pods/p", reply({"kind": "Status", "status": "Success"}))
    await client.delete(PODS, "p", "ns", uid="u", resource_version="5", grace_seconds=0, propagation="Foreground")
    assert api.seen[0].body == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u", "resourceVersion": "5"},
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
    }


async def test_delete_without_options_sends_none(api, client):
    api.on("DELETE", NODE, reply({}))
    await client.delete(NODES, "n1")
    assert api.seen[0].body == {"apiVersion": "v1", "kind": "DeleteOptions"}


async def test_bind_names_pod_and_node(api, client):
    api.on("POST", "/api/v1/namespaces/ns/pods/p/binding", reply({"kind": "Status", "status": "Success"}, 201))
    await client.bind("ns", "p", "u", "n1")
    body = api.seen[0].body
    assert body["metadata"] == {"namespace": "ns", "name": "p", "uid": "u"}
    assert body["target"] == {"apiVersion": "v1", "kind": "Node", "name": "n1"}


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (400, "BadRequest", BadRequest),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (410, "Gone", Gone),
        (422, "Invalid", Invalid),
        (500, "InternalError", ServerError),
        (500, "ServerTimeout", ServerTimeout),
        (504, "Timeout", ServerTimeout),
        (418, "", ApiError),
        (502, "", ServerError),
        (409, "", Conflict),
    ],
)
async def test_every_refusal_has_its_class(api, client, code, reason, error):
    api.on("GET", NODE, refusal(code, reason, "words"))
    with pytest.raises(error, match="words") as caught:
        await client.get(NODES, "n1")
    assert type(caught.value) is error
    assert (caught.value.status, caught.value.reason) == (code, reason)


async def test_an_invalid_object_is_told_with_its_causes(api, client):
    causes = [{"reason": "FieldValueInvalid", "message": "must be positive", "field": "spec.capacity"}]
    api.on("POST", NODES_PATH, refusal(422, "Invalid", "no", {"name": "n1", "kind": "Node", "causes": causes}))
    with pytest.raises(Invalid) as caught:
        await client.create(NODES, {})
    assert caught.value.details.causes[0].field == "spec.capacity"


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"\xff\xfe", b"[" * 5000])
async def test_a_refusal_that_is_no_status_keeps_its_code(api, client, body):
    api.on("GET", NODE, reply(body, 502))
    with pytest.raises(ServerError, match="502"):
        await client.get(NODES, "n1")


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"", b"\xff\xfe", b"[]", b"{}", b'{"metadata":5}', b"[" * 5000]
)
async def test_a_success_that_is_no_object_is_a_bad_answer(api, client, body):
    api.on("GET", NODE, reply(body))
    with pytest.raises(BadAnswer):
        await client.get(NODES, "n1")


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(api, client):
    api.on("GET", NODE, reply(b" " * (17 << 20)))
    with pytest.raises(BadAnswer, match="larger than"):
        await client.get(NODES, "n1")


async def test_a_redirect_is_not_followed(api, client):
    api.on("GET", NODE, reply({}, 302, {"Location": "http://127.0.0.1:1/elsewhere"}))
    with pytest.raises(BadAnswer, match="not followed"):
        await client.get(NODES, "n1")


@pytest.mark.parametrize("code", [429, 503])
async def test_what_was_not_handled_is_asked_again(api, client, code):
    api.on("GET", NODE, refusal(code), refusal(code), reply(node_json("n1")))
    assert (await client.get(NODES, "n1")).name == "n1"
    assert sample(client, "lading_kube_request_retries_total", {"verb": "get"}) == 2


async def test_retry_after_beyond_the_deadline_is_an_error_at_once(api, client):
    api.on("GET", NODE, refusal(429, "TooManyRequests", headers={"Retry-After": "60"}))
    with pytest.raises(TooManyRequests) as caught:
        await client.get(NODES, "n1")
    assert caught.value.retry_after == 60
    assert len(api.seen) == 1


async def test_retry_after_is_waited_for(api, client):
    slow = refusal(429, "TooManyRequests", details={"retryAfterSeconds": 1})
    api.on("GET", NODE, slow, reply(node_json("n1")))
    began = asyncio.get_running_loop().time()
    await client.get(NODES, "n1")
    assert asyncio.get_running_loop().time() - began >= 1


async def test_the_server_that_stays_busy_is_left_in_the_end(api, client):
    api.on("GET", NODE, refusal(503))
    with pytest.raises(Unavailable):
        await client.get(NODES, "n1")
    assert len(api.seen) == 5


async def test_a_broken_connection_is_tried_again_where_that_is_safe(api, client):
    api.on("PATCH", NODE, reset, reset, reply(node_json("n1")))
    assert (await client.patch(NODES, "n1", {})).name == "n1"


@pytest.mark.parametrize("answer", [reset, refusal(503), refusal(500, "ServerTimeout")])
async def test_a_post_is_never_sent_twice(api, client, answer):
    api.on("POST", NODES_PATH, answer)
    with pytest.raises((Unreachable, ServerError)):
        await client.create(NODES, {"metadata": {"name": "n1"}})
    assert len(api.seen) == 1


async def test_a_json_patch_is_never_sent_twice(api, client):
    api.on("PATCH", NODE, reset)
    with pytest.raises(Unreachable) as caught:
        await client.patch(NODES, "n1", [], content=PatchType.JSON)
    assert caught.value.sent
    assert len(api.seen) == 1


async def test_a_post_that_the_server_put_off_is_sent_again(api, client):
    api.on("POST", NODES_PATH, refusal(429, "TooManyRequests"), reply(node_json("n1"), 201))
    assert (await client.create(NODES, {})).name == "n1"


async def test_a_body_cut_in_the_middle_is_no_answer(api, client):
    whole = orjson.dumps(node_json("n1"))
    api.on("POST", NODES_PATH, cut_body(whole[:20], len(whole)))
    with pytest.raises(Unreachable):
        await client.create(NODES, {})


async def test_a_server_that_hangs_is_left_after_the_deadline(api):
    api.on("GET", NODE, hang)
    async with connect(connection_to(api), request_seconds=0.2) as client:
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            await client.get(NODES, "n1")


async def test_a_port_where_nobody_listens_is_unreachable_and_nothing_was_sent():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with connect(Connection(url, Static(Credential()))) as client:
            with pytest.raises(Unreachable) as caught:
                await client.create(NODES, {})
    assert not caught.value.sent


@pytest.mark.parametrize("name", ["", "..", "a/b", "a?b", "a%2fb", "a#b", "é"])
async def test_a_name_that_would_mean_another_path_is_refused(client, name):
    with pytest.raises(ValueError, match="can not be the name"):
        await client.get(NODES, name)


async def test_a_namespaced_object_needs_its_namespace(client):
    with pytest.raises(ValueError, match="can not be the namespace"):
        await client.delete(LEASES, "name")


async def test_requests_are_counted_by_verb_and_code(api, client):
    api.on("GET", NODE, reply(node_json("n1")))
    await client.get(NODES, "n1")
    with pytest.raises(NotFound):
        await client.get(NODES, "n2")
    assert sample(client, "lading_kube_requests_total", {"verb": "get", "code": "200"}) == 1
    assert sample(client, "lading_kube_requests_total", {"verb": "get", "code": "404"}) == 1
