"""Whatever a client sends: a status that fits, a message that says why, in time, and the server goes on."""

import asyncio
import re

import orjson
import pytest

from tests.sandbox.client import CONFIGMAPS, TOKEN, http_server, version_of
from tests.sandbox.world import pod

PODS = "/api/v1/namespaces/default/pods"
COLLECTIONS = {
    "configmaps": CONFIGMAPS,
    "pods": PODS,
    "claims": "/api/v1/namespaces/default/persistentvolumeclaims",
    "volumes": "/api/v1/persistentvolumes",
    "namespaces": "/api/v1/namespaces",
    "bindings": "/api/v1/namespaces/default/bindings",
    "events": "/apis/events.k8s.io/v1/namespaces/default/events",
    "classes": "/apis/storage.k8s.io/v1/storageclasses",
    "sets": "/apis/apps/v1/namespaces/default/statefulsets",
    "hooks": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "definitions": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "reviews": "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
}
NAMED = b'{"metadata":{"name":"x",%s}}'
NO_OBJECTS = {
    "nothing": b"",
    "half a JSON": b'{"metadata":',
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "bytes": b"\x00\xff\xfe",
    "NaN": b"NaN",
    "a lone surrogate": b'{"metadata":{"name":"\\ud800"}}',
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"metadata":' * 100_000 + b"1" + b"}" * 100_000,
    "deep enough": b'{"metadata":{"name":"x","annotations":' * 150 + b"1" + b"}}" * 150,
    "metadata a number": b'{"metadata":5}',
    "metadata a list": b'{"metadata":[]}',
    "a name that is a number": b'{"metadata":{"name":5}}',
    "a name that is a path": b'{"metadata":{"name":"a/b"}}',
    "a name without end": b'{"metadata":{"name":"%s"}}' % (b"x" * 10_000),
    "labels a list": NAMED % b'"labels":[]',
    "owners that are none": NAMED % b'"ownerReferences":[1]',
    "finalizers a text": NAMED % b'"finalizers":"x"',
    "a time that is none": NAMED % b'"deletionTimestamp":"soon"',
    "a number too large": NAMED % b'"generation":1e300',
    "another kind": b'{"apiVersion":"v1","kind":"Node","metadata":{"name":"x"}}',
    "a kind that is none": b'{"kind":{},"metadata":{"name":"x"}}',
}
PATCHES = {
    "application/json-patch+json": [
        b"{}",
        b"[1]",
        b'[{"op":"x"}]',
        b'[{"op":"add","path":"/a/b/c","value":1}]',
        b'[{"op":"replace","path":"","value":5}]',
        b'[{"op":"remove","path":"/metadata"}]',
        b'[{"op":"copy","from":"","path":"/metadata/x"}]' * 1,
        b'[{"op":"add","path":5,"value":1}]',
        b"[" + b",".join([b'{"op":"test","path":"/x","value":1}'] * 20_000) + b"]",
    ],
    "application/merge-patch+json": [
        b"[]",
        b"5",
        b'{"metadata":5}',
        b'{"data":{"a":{}}}',
        b'{"metadata":{"name":"y"}}',
    ],
    "application/strategic-merge-patch+json": [
        b"[]",
        b'{"$patch":"x"}',
        b'{"metadata":{"$setElementOrder/finalizers":5}}',
    ],
    "application/apply-patch+yaml": [b"", b"[]", b"a: &a [*a]", b"{" * 100_000, b"a: b"],
    "application/json": [b"{}"],
    "text/plain": [b"{}"],
}
QUERIES = [
    "limit=-1",
    "limit=many",
    "limit=99999999999999999999",
    "continue=garbage",
    "continue=bnVsbA==",
    "continue=%00",
    "resourceVersionMatch=X&resourceVersion=1",
    "labelSelector=((",
    "labelSelector=a%20in%20(",
    "fieldSelector=a",
    "fieldSelector=spec.nowhere%3Dx",
    "watch=maybe",
    "watch=1&timeoutSeconds=soon",
    "watch=1&sendInitialEvents=true",
    "includeObject=X&limit=x",
]


@pytest.fixture
async def client():
    async with http_server() as made:
        await made.request("POST", CONFIGMAPS, {"metadata": {"name": "there"}, "data": {"a": "b"}})
        yield made
        # The server has gone on, and what was there is still as it was.
        held = await made.get(f"{CONFIGMAPS}/there")
        assert held["data"] == {"a": "b"}
        assert (await made.request("DELETE", f"{CONFIGMAPS}/there"))[0] == 200


async def refused(client, method, path, body=None, content_type="application/json", **headers):
    """The Status that a request is refused with."""
    headers["Content-Type"] = content_type
    async with asyncio.timeout(30):
        status, answer = await client.request(method, path, body, headers=headers)
    # A binding without a target is one of the few that the real server blames on itself.
    assert 400 <= status < 500 or answer["message"] == "target.name: Required value", (status, answer)
    assert (answer["kind"], answer["status"], answer["code"]) == ("Status", "Failure", status)
    assert answer["message"]
    assert len(answer["message"]) < 50_000
    return answer


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_bodies_that_are_no_objects_are_refused_everywhere(client, collection):
    path = COLLECTIONS[collection]
    for body in NO_OBJECTS.values():
        for content_type in ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"):
            if collection == "reviews":
                status, _ = await client.request("POST", path, body, headers={"Content-Type": content_type})
                assert status in (201, 400)
                continue
            await refused(client, "POST", path, body, content_type)
            await refused(client, "PUT", f"{path}/x", body, content_type)


@pytest.mark.parametrize("content_type", PATCHES)
async def test_patches_that_are_none_are_refused(client, content_type):
    for body in PATCHES[content_type]:
        answer = await refused(client, "PATCH", f"{CONFIGMAPS}/there?fieldManager=x", body, content_type)
        if content_type in ("application/json", "text/plain"):
            assert answer["code"] == 415


@pytest.mark.parametrize("query", QUERIES)
async def test_parameters_that_can_not_be_read_are_refused(client, query):
    await refused(client, "GET", f"{CONFIGMAPS}?{query}")


@pytest.mark.parametrize(
    "query", ["dryRun=Some", "fieldValidation=Some", f"fieldManager={'x' * 200}", "fieldManager=%00", "force=maybe"]
)
async def test_options_that_can_not_be_read_are_refused_before_anything_is_written(client, query):
    await refused(client, "POST", f"{CONFIGMAPS}?{query}", b'{"metadata":{"name":"new"}}')
    await refused(client, "PATCH", f"{CONFIGMAPS}/there?{query}", b'{"data":{"a":"c"}}', "application/merge-patch+json")
    assert (await client.request("GET", f"{CONFIGMAPS}/new"))[0] == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"propagationPolicy":"X"}', 422),
        (b'{"preconditions":{"uid":"other"}}', 409),
        (b'{"gracePeriodSeconds":"soon"}', 400),
        (b'{"gracePeriodSeconds":99999999999999999999}', 400),
        (b'{"orphanDependents":true,"propagationPolicy":"Orphan"}', 422),
        (b'{"dryRun":["Some"]}', 422),
        (b"[1]", 400),
    ],
)
async def test_options_of_a_deletion_that_can_not_be_are_refused(client, body, code):
    assert (await refused(client, "DELETE", f"{CONFIGMAPS}/there", body))["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v2/pods", 404),
        ("GET", "/apis/nowhere/v1/things", 404),
        ("GET", "/api/v1/things", 404),
        ("GET", f"{PODS}/a/b/c/d", 404),
        ("GET", f"{PODS}/nobody", 404),
        ("GET", f"{PODS}/..%2f..", 404),
        ("GET", f"{PODS}/%00", 404),
        ("GET", f"{PODS}/%ff", 404),
        ("GET", "/api/v1/pods/a", 404),
        ("POST", "/api/v1/pods", 405),
        ("POST", f"{PODS}/a", 405),
        ("PUT", PODS, 405),
        ("PATCH", PODS, 405),
        ("PUT", f"{PODS}/a/nothing", 404),
        ("DELETE", f"{CONFIGMAPS}/nobody", 404),
        ("OPTIONS", PODS, 405),
        ("POST", "/api/v1/namespaces/nowhere/configmaps", 404),
    ],
)
async def test_what_is_not_served_is_said_so(client, method, path, code):
    body = None if method in ("GET", "OPTIONS") else b'{"metadata":{"name":"a"}}'
    assert (await refused(client, method, path, body))["code"] == code


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer \u00ff"])
async def test_nobody_without_the_token_is_served(client, token):
    for path in ("/api", CONFIGMAPS, "/openapi/v3", "/nowhere"):
        answer = await refused(client, "GET", path, Authorization=token)
        assert (answer["code"], answer["reason"]) == (401, "Unauthorized")


async def test_accept_headers_that_nothing_fits_are_refused(client):
    for accept in (
        "text/html",
        "application/vnd.kubernetes.protobuf",
        "application/json;as=Other;g=meta.k8s.io;v=v1",
    ):
        assert (await refused(client, "GET", CONFIGMAPS, Accept=accept))["code"] == 406


async def test_header_bytes_that_are_no_text_do_no_harm(client):
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % (CONFIGMAPS.encode(), TOKEN.encode())
    body = b'{"metadata":{"name":"odd"},"data":{"a":"b"}}'
    for name in (b"User-Agent", b"X-Odd", b"Cookie"):
        sent = (
            head
            + name
            + b": \xff\xfe"
            + b"x" * 300
            + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )
        answer = await _raw(client, sent % len(body) + body)
        assert answer.startswith((b"HTTP/1.1 201", b"HTTP/1.1 400"))
        if b" 201 " in answer:
            held = await client.get(f"{CONFIGMAPS}/odd")
            assert len(held["metadata"]["managedFields"][0]["manager"]) <= 128
            await client.request("DELETE", f"{CONFIGMAPS}/odd")


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(client):
    answer = await refused(client, "POST", CONFIGMAPS, b"x" * (4 * 1024 * 1024))
    assert (answer["code"], answer["reason"]) == (413, "RequestEntityTooLarge")
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
    raw = await _raw(client, head % (CONFIGMAPS.encode(), TOKEN.encode(), 100 * 1024 * 1024))
    assert raw.startswith(b"HTTP/1.1 413")


async def test_a_body_without_end_is_cut_off(client):
    async def chunks():
        for _ in range(100):
            yield b"x" * (1024 * 1024)

    async with asyncio.timeout(30):
        try:
            status, answer = await client.request("POST", CONFIGMAPS, headers={}, data=chunks())
        except (OSError, asyncio.IncompleteReadError):
            return
    assert (status, answer["reason"]) == (413, "RequestEntityTooLarge")


async def test_a_slow_body_ends_with_a_timeout():
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{"
    async with http_server(body_seconds=0.3) as client:
        raw = await _raw(client, head % (CONFIGMAPS.encode(), TOKEN.encode()))
    assert raw.startswith(b"HTTP/1.1 408")
    assert orjson.loads(re.split(rb"\r\n\r\n", raw, maxsplit=1)[1])["reason"] == "Timeout"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET",
        b"GET /api HTTP/1.1\r\nHost",
        b"GET /api HTTP/1.1\r\nHost: x\r\n",
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{",
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"NONSENSE\r\n\r\n",
    ],
)
async def test_connections_that_are_cut_leave_nothing_behind(client, sent):
    for _ in range(20):
        _, writer = await _connect(client)
        writer.write(sent)
        await writer.drain()
        writer.transport.abort()
    status, answer = await client.request("POST", CONFIGMAPS, {"metadata": {"name": "next"}})
    assert status == 201
    assert version_of(answer) == client.api.store.version


async def test_many_bad_requests_at_once_hold_up_no_good_one(client):
    """The server reads JSON fast enough, and refuses YAML that would take it long."""
    slow = b"a: {" + b"b: c, " * 200_000 + b"}"
    yaml = {"Content-Type": "application/yaml"}
    bad = [
        asyncio.create_task(client.request("POST", CONFIGMAPS, body, headers=dict(yaml)))
        for body in (slow, b"[" * 1_000_000, b"? " * 1_000_000, b"&a " * 500_000, b"a: " + b"1:" * 1_000_000 + b"1")
    ]
    async with asyncio.timeout(20):
        status, _ = await client.request("POST", PODS, pod("good"))
    assert status == 201
    assert {status for status, _ in await asyncio.gather(*bad)} <= {400, 422}


async def _connect(client):
    host, port = client.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def _raw(client, sent):
    """What comes back for these bytes, up to the end of the first answer."""
    reader, writer = await _connect(client)
    writer.write(sent)
    try:
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            return head + await reader.readexactly(int(length[1]) if length else 0)
    finally:
        writer.transport.abort()
