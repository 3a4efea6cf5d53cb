"""What a client may do to any service, and what it gets for it."""

import asyncio
import io
import ssl
from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry, Counter

from serving.health import Health
from serving.http import json_response, make_app, read_json
from serving.site import ListenError, parse_listen, serve
from serving.tls import TLSFiles, TLSFilesError
from tests.waiting import eventually


class Order(msgspec.Struct):
    count: int


async def _echo(request):
    order = await read_json(request, Order)
    return json_response({"count": order.count})


async def _strict(request):
    return json_response((await read_json(request, Order, content_types=("application/json",))).count)


async def _sleep(request):
    await asyncio.Event().wait()


async def _fail(request):
    raise RuntimeError("secret detail")


@pytest.fixture
async def url():
    app = make_app(
        [web.post("/echo", _echo), web.post("/strict", _strict), web.get("/sleep", _sleep), web.get("/fail", _fail)],
        max_body_bytes=1 << 20,
        deadline_seconds=0.5,
        body_seconds=0.3,
    )
    async with serve(app, drain_seconds=0.1) as address:
        yield address


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"count": 3}', 200, None),
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"count": "3"}', 400, "$.count"),
        (b"[]", 400, "wrong shape"),
        (b"[" * 200_000, 400, ""),
        (b"x" * (2 << 20), 413, "1048576"),
    ],
)
async def test_every_body_gets_a_status_and_a_reason(url, client, body, status, words):
    async with client.post(f"{url}/echo", data=io.BytesIO(body)) as response:
        assert response.status == status
        answer = await response.json()
    assert words is None or words in answer["error"]


async def test_an_unannounced_giant_body_is_cut_off(url, client):
    async def chunks():
        for _ in range(64):
            yield b" " * (1 << 16)

    async with client.post(f"{url}/echo", data=chunks()) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/echo", 405), ("GET", "/nothing", 404), ("GET", "/sleep", 503), ("GET", "/fail", 500)],
)
async def test_refusals_and_failures_are_json(url, client, method, path, status):
    async with client.request(method, f"{url}{path}") as response:
        assert response.status == status
        assert "secret detail" not in (await response.json())["error"]


async def test_another_content_type_is_refused_where_it_matters(url, client):
    async with client.post(f"{url}/strict", data=b"{}", headers={"Content-Type": "text/xml"}) as response:
        assert response.status == 415


async def test_a_body_that_never_ends_times_out_and_a_cut_one_harms_nobody(url, client):
    host, port = url.removeprefix("http://").split(":")
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    _, cut = await asyncio.open_connection(host, int(port))
    cut.write(request)
    cut.transport.abort()
    async with client.post(f"{url}/echo", json={"count": 1}) as response:
        assert response.status == 200


async def test_health_tells_what_is_not_ready_and_why(client):
    registry = CollectorRegistry()
    Counter("lading_test_things", "Things.", registry=registry).inc()
    health, reasons = Health(registry), ["caches have not synced"]
    health.add_check("caches", lambda: reasons[0] if reasons else None)
    async with serve(make_app(health.routes(), max_body_bytes=1, deadline_seconds=1)) as url:
        async with client.get(f"{url}/readyz") as response:
            assert (response.status, await response.text()) == (503, "[-] caches: caches have not synced\nnot ready\n")
        reasons.clear()
        async with client.get(f"{url}/readyz") as response:
            assert (response.status, await response.text()) == (200, "[+] caches\nok\n")
        async with client.get(f"{url}/metrics") as response:
            assert "lading_test_things_total 1.0" in await response.text()


@pytest.mark.parametrize("text", ["8443", "host", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:70000"])
def test_a_listen_address_without_a_port_is_refused(text):
    with pytest.raises(ListenError, match="HOST:PORT"):
        parse_listen(text)


async def test_plain_http_stays_on_loopback():
    with pytest.raises(ListenError, match="loopback"):
        async with serve(make_app([], max_body_bytes=1, deadline_seconds=1), "0.0.0.0:0"):
            pass


async def test_a_taken_port_is_named():
    app = make_app([], max_body_bytes=1, deadline_seconds=1)
    async with serve(app) as url:
        with pytest.raises(ListenError, match="can not listen on 127"):
            async with serve(make_app([], max_body_bytes=1, deadline_seconds=1), url.removeprefix("http://")):
                pass


def _write_pair(folder, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "tls.crt").write_bytes(certificate.public_bytes(encoding))
    (folder / "tls.key").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    return certificate.serial_number


async def _serves(url, serial):
    return await _served_serial(url) == serial


async def _served_serial(url):
    host, port = url.removeprefix("https://").split(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(der).serial_number


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path):
    first = _write_pair(tmp_path, "first")
    files = TLSFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    context = files.server_context()
    async with serve(make_app([], max_body_bytes=1, deadline_seconds=1), tls=context) as url:
        assert await _served_serial(url) == first
        keeper = asyncio.create_task(files.keep_fresh(context, every_seconds=0.01))
        await asyncio.sleep(0.05)
        (tmp_path / "tls.crt").write_text("half-written")
        await asyncio.sleep(0.05)
        assert await _served_serial(url) == first
        second = _write_pair(tmp_path, "second")
        await eventually(lambda: _serves(url, second))
        keeper.cancel()
        await asyncio.wait([keeper])


def test_a_missing_certificate_is_named(tmp_path):
    with pytest.raises(TLSFilesError, match=r"tls\.crt"):
        TLSFiles(tmp_path / "tls.crt", tmp_path / "tls.key").server_context()
