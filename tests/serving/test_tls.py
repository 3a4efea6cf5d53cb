"""Files that change while they serve: certificates, and the bundle of those who may call."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
from aiohttp import web

from certs import authority
from certs.issue import Server, User, issue
from serving.http import make_app, require_client_certificate
from serving.site import serve
from serving.tls import TLSFiles
from tests.waiting import eventually

NOW = datetime.now(UTC)
OLD, NEW = authority.create("one", 1, NOW), authority.create("two", 2, NOW)


def write(folder, name, leaf):
    (folder / f"{name}.crt").write_bytes(leaf.certificate)
    (folder / f"{name}.key").write_bytes(leaf.key)


def caller(folder, signer):
    """A client that trusts both authorities and shows a certificate of one."""
    context = ssl.create_default_context(cadata=(OLD.certificate_pem + NEW.certificate_pem).decode())
    name = f"caller-{signer.certificate.serial_number}"
    write(folder, name, issue(signer, User("caller"), NOW))
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context


@asynccontextmanager
async def served(folder):
    write(folder, "server", issue(OLD, Server(("127.0.0.1",)), NOW))
    (folder / "ca.crt").write_bytes(OLD.certificate_pem)
    files = TLSFiles(folder / "server.crt", folder / "server.key", folder / "ca.crt")

    async def answer(_request):
        return web.Response(text="ok")

    guard = require_client_certificate(frozenset({"/"}))
    app = make_app([web.get("/", answer)], max_body_bytes=1, deadline_seconds=5, middlewares=[guard])
    context = files.server_context()
    keeping = asyncio.create_task(files.keep_fresh(context, every_seconds=0.01))
    async with serve(app, tls=context, drain_seconds=0.1) as url:
        yield url
    keeping.cancel()
    await asyncio.wait([keeping])


async def accepts(url, context):
    """Whether a new connection of this client is answered."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def test_who_may_call_follows_the_bundle_both_ways(tmp_path):
    async with served(tmp_path) as url:
        old, new = caller(tmp_path, OLD), caller(tmp_path, NEW)
        assert await accepts(url, old)
        assert not await accepts(url, new)
        (tmp_path / "ca.crt").write_bytes(NEW.certificate_pem)
        await eventually(lambda: accepts(url, new))
        assert not await accepts(url, old)


async def test_a_pair_that_is_exchanged_file_by_file_is_taken_once_it_is_whole(tmp_path):
    async with served(tmp_path) as url:
        standing = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=caller(tmp_path, OLD)))
        async with standing, standing.get(url) as response:
            await response.read()
            leaf = issue(NEW, Server(("127.0.0.1",)), NOW)
            only_new = ssl.create_default_context(cadata=NEW.certificate_pem.decode())
            write(tmp_path, "old-caller", issue(OLD, User("caller"), NOW))
            only_new.load_cert_chain(tmp_path / "old-caller.crt", tmp_path / "old-caller.key")
            (tmp_path / "server.crt").write_bytes(leaf.certificate)
            for _ in range(5):  # the old pair is served while the new one is half there
                assert await accepts(url, caller(tmp_path, OLD))
                await asyncio.sleep(0.01)
            assert not await accepts(url, only_new)
            (tmp_path / "server.key").write_bytes(leaf.key)
            await eventually(lambda: accepts(url, only_new))
            async with standing.get(url) as again:
                assert again.status == 200, "connections that stand are left alone"
