"""Whatever a client sends to any path of any server, it is told what is wrong in time, and the server goes on."""

import asyncio
import io
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest
import pytest_asyncio

from tests.lading.command import running
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE_SECONDS = 30.0
HUNDRED_MEGABYTES = 100 << 20
VERBS = [("extender", path) for path in ("/filter", "/prioritize", "/preempt", "/bind", "/explain")]
REVIEWS = [("webhooks", path) for path in ("/mutate", "/validate")]
PROBES = [(name, path) for name in ("extender", "webhooks") for path in ("/healthz", "/livez", "/readyz", "/metrics")]
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(cluster, tmp_path_factory):
    """The URLs of an extender and of webhooks."""
    home = tmp_path_factory.mktemp("servers")
    options = ("--kubeconfig", str(cluster), "--listen", "127.0.0.1:0", "--insecure-http", "--log-level", "error")
    async with (
        running("extender", *options, home=home) as extender,
        running("webhooks", *options, home=home) as webhooks,
    ):
        yield {"extender": extender.url, "webhooks": webhooks.url}
        assert await extender.stop() == 0
        assert await webhooks.stop() == 0
        # No request got as far as the last guard, which logs an incident.
        assert [(home / f"{name}.log").read_text() for name in ("extender", "webhooks")] == ["", ""]


@asynccontextmanager
async def _asking(method, url, **options):
    timeout = aiohttp.ClientTimeout(total=DEADLINE_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.request(method, url, **options) as response:
        yield response


async def _refused(method, url, status, told, **options):
    """The request is refused so, with a message, and the server is there for the next."""
    async with _asking(method, url, **options) as response:
        body = await response.read()
        assert response.status == status, body
        assert response.content_type == "application/json"
        assert told in orjson.loads(body)["error"]
    await _goes_on(url)


async def _goes_on(url):
    parts = urlsplit(url)
    async with _asking("GET", f"{parts.scheme}://{parts.netloc}/healthz") as response:
        assert response.status == 200


NO_JSON = [b"", b"{", b"hello", b"\xff\xfe{}", b"{} {}", b'{"a": 1,}', b'{"a": NaN}']


@pytest.mark.parametrize(("name", "path"), VERBS + REVIEWS)
@pytest.mark.parametrize("body", NO_JSON, ids=repr)
async def test_a_body_that_is_no_json_is_refused(name, path, body, servers):
    await _refused("POST", servers[name] + path, 400, "the body", data=body, headers=JSON)


WRONG = [b"null", b"[]", b"3", b'"text"']
WRONG_VERB = [b'{"Pod": 3, "PodName": 3}', b'{"Pod": [], "PodName": []}', b'{"Pod": {"spec": "x"}, "PodName": {}}']
WRONG_REVIEW = [b'{"request": 3}', b'{"request": {"uid": 3}}', b'{"request": {"uid": "u", "object": 3}}', b"{}"]


@pytest.mark.parametrize(("name", "path"), VERBS)
@pytest.mark.parametrize("body", [*WRONG, *WRONG_VERB], ids=repr)
async def test_a_call_of_another_shape_is_refused(name, path, body, servers):
    await _refused("POST", servers[name] + path, 400, "", data=body, headers=JSON)


@pytest.mark.parametrize(("name", "path"), REVIEWS)
@pytest.mark.parametrize("body", [*WRONG, *WRONG_REVIEW], ids=repr)
async def test_a_review_of_another_shape_is_refused(name, path, body, servers):
    await _refused("POST", servers[name] + path, 400, "", data=body, headers=JSON)


@pytest.mark.parametrize(("name", "path"), VERBS + REVIEWS)
async def test_a_body_that_is_nested_without_end_is_refused(name, path, servers):
    body = io.BytesIO(b'{"Pod":' * 200_000)
    await _refused("POST", servers[name] + path, 400, "the body", data=body, headers=JSON)


@pytest.mark.parametrize(("name", "path"), VERBS)
async def test_a_hundred_megabytes_of_nonsense_are_refused(name, path, servers):
    body = io.BytesIO(b'{"Pod": "' + b"x" * HUNDRED_MEGABYTES)
    await _refused("POST", servers[name] + path, 400, "the body", data=body, headers=JSON)


@pytest.mark.parametrize(("name", "path"), REVIEWS)
async def test_a_review_larger_than_any_object_is_refused_before_it_is_read(name, path, servers):
    body = io.BytesIO(b'{"request": "' + b"x" * HUNDRED_MEGABYTES)
    try:
        await _refused("POST", servers[name] + path, 413, "", data=body, headers=JSON)
    except aiohttp.ClientConnectionError:
        # The server need not read to the end what it has refused.
        await _goes_on(servers[name])


@pytest.mark.parametrize(("name", "path"), REVIEWS)
async def test_only_json_is_reviewed(name, path, servers):
    await _refused(
        "POST", servers[name] + path, 415, "is not application/json", data=b"{}", headers={"Content-Type": "text/plain"}
    )


@pytest.mark.parametrize("name", ["extender", "webhooks"])
@pytest.mark.parametrize("path", ["/", "/nothing", "/filter/", "/mutate/x", "/%2e%2e/etc", "/healthz/x", "//filter"])
async def test_an_unknown_path_is_not_found(name, path, servers):
    await _refused("POST", servers[name] + path, 404, "", data=b"{}", headers=JSON)


@pytest.mark.parametrize(("name", "path"), VERBS[:4] + REVIEWS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_another_method_is_not_allowed(method, name, path, servers):
    await _refused(method, servers[name] + path, 405, "")


@pytest.mark.parametrize(("name", "path"), PROBES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_probes_are_only_read(method, name, path, servers):
    await _refused(method, servers[name] + path, 405, "")


@pytest.mark.parametrize(("name", "path"), VERBS + REVIEWS + PROBES)
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET",
        b"POST {path} HTTP/1.1\r\nHost: x\r\n",
        b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
        b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
    ids=["nothing", "a word", "half a head", "half a body", "half a chunk"],
)
async def test_a_connection_that_is_cut_harms_nobody(name, path, sent, servers):
    parts = urlsplit(servers[name])
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(sent.replace(b"{path}", path.encode()))
    await writer.drain()
    writer.transport.abort()
    await _goes_on(servers[name])


@pytest.mark.parametrize("name", ["extender", "webhooks"])
async def test_what_is_no_http_is_refused(name, servers):
    parts = urlsplit(servers[name])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 what is this\r\n\r\n")
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert (await reader.readline()).startswith(b"HTTP/1.0 400") or reader.at_eof()
    writer.close()
    await _goes_on(servers[name])


@pytest.mark.parametrize(("name", "path"), [*VERBS[:1], *REVIEWS[:1]])
async def test_a_body_that_does_not_come_is_not_waited_for(name, path, servers):
    parts = urlsplit(servers[name])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode()
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        status = (await reader.readline()).split()[1]
    assert status in (b"408", b"503")
    writer.close()
    await _goes_on(servers[name])


async def test_many_bad_requests_at_once_leave_room_for_a_good_one(servers):
    url = f"{servers['extender']}/filter"
    bad = [_refused("POST", url, 400, "", data=b'{"Pod": ' * 1000, headers=JSON) for _ in range(100)]
    await asyncio.gather(*bad)
    body = {"Pod": {"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": {}}, "NodeNames": []}

    async def answered():
        async with _asking("POST", url, json=body) as response:
            return response.status == 200

    await eventually(answered)
