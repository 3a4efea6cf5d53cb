"""The floors: aiohttp servers that only move the same bytes. `python -m bench.floors echo|fan|sized FOLDER`."""

import asyncio
import ssl
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from serving.site import serve


async def main(role: str, folder: Path) -> None:
    """Serve until the process is ended."""
    app = {"echo": _echo_app, "fan": _fan_app, "sized": _sized_app}[role]()
    async with serve(app, tls=None if role == "sized" else _context(folder)) as url:
        print(f"listening {url}", flush=True)
        await asyncio.Event().wait()


def _echo_app() -> web.Application:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), status=201, content_type="application/json")

    app = web.Application()
    app.add_routes([web.post("/{path:.*}", echo)])
    return app


def _sized_app() -> web.Application:
    """POST to `/N` reads the body and answers with N bytes; GET of /cpu tells the seconds that it has computed."""

    async def sized(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=b"x" * int(request.match_info["size"]), content_type="application/json")

    app = web.Application(client_max_size=256 << 20)
    app.add_routes([web.post("/{size}", sized), web.get("/cpu", _cpu)])
    return app


async def _cpu(_request: web.Request) -> web.Response:
    return web.json_response({"seconds": time.process_time()})


def _fan_app() -> web.Application:
    """POST writes its body as a line to every open GET."""
    readers: set[web.StreamResponse] = set()

    async def subscribe(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        readers.add(response)
        try:
            await asyncio.Event().wait()
        finally:
            readers.discard(response)
        return response

    async def publish(request: web.Request) -> web.Response:
        line = await request.read() + b"\n"
        for reader in tuple(readers):
            with suppress(ConnectionResetError):  # of an earlier round, and not gone yet
                await reader.write(line)
        return web.Response(body=line, status=201, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/", subscribe), web.post("/", publish)])
    return app


def _context(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "floor")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "floor.crt", folder / "floor.key"
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, secret)
    return context


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
