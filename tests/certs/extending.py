"""An extender that keeps its certificates itself, and a caller whose certificate is of the same authority."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from cryptography import x509
from prometheus_client import CollectorRegistry

from certs.folder import FolderStore
from certs.inject import registrations
from certs.issue import Server, User
from certs.issuing import issued_beside
from certs.rotation import Lives
from certs.secret import SecretStore
from certs.state import read
from certs.upkeep import Upkeep
from extender.service import ExtenderSettings, extender
from kube.caches import Caches
from kube.client import Client
from serving.http import make_app, require_client_certificate
from serving.site import serve
from serving.tls import TLSFiles
from tests.certs.replicas import NAMESPACE
from tests.extender.objects import pod
from tests.waiting import eventually

CALLS_A_SECOND = 10
EVERY_SECONDS = 0.25


async def paced(a_second: float) -> AsyncIterator[None]:
    """So many turns a second for ever; what a busy loop is late with follows at once."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in itertools.count(1):
        yield
        await asyncio.sleep(max(0.0, begun + number / a_second - loop.time()))


@asynccontextmanager
async def extending(client: Client, secret: str, registration: str, folder: Path, lives: Lives) -> AsyncIterator[str]:
    """The extender as `--own-certs` composes it, with these lives; yields its URL."""
    upkeep = Upkeep(
        client,
        SecretStore(client, NAMESPACE, secret),
        FolderStore(folder),
        {"extender": Server(("127.0.0.1",))},
        registrations=registrations(registration),
        registry=CollectorRegistry(),
        injects=False,
        lives=lives,
        every_seconds=EVERY_SECONDS,
    )
    await upkeep.once()
    files = TLSFiles(folder / "extender.crt", folder / "extender.key", folder / "ca.crt")
    context, caches = files.server_context(), Caches(client)
    service = extender(client, caches, CollectorRegistry(), settings=ExtenderSettings(heals=False))
    guard = require_client_certificate(frozenset({"/filter"}))
    app = make_app(service.routes(), max_body_bytes=1 << 20, deadline_seconds=10.0, middlewares=[guard])
    work = (upkeep.run(), caches.run(), service.run(), files.keep_fresh(context, every_seconds=0.1))
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await eventually(lambda: service.complaint() is None)
        async with serve(app, tls=context, drain_seconds=1.0) as url:
            yield url
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@dataclass
class Caller:
    """Who shows a certificate that he gets as `lading certs issue --from-secret` does, and takes it up when it is new.

    Each call is a connection of its own: handshakes are what rotation could fail.
    """

    client: Client
    secret: str
    folder: Path
    lives: Lives
    url: str = ""
    answered: int = 0
    faults: list[str] = field(default_factory=list)
    issuers: set[str] = field(default_factory=set)
    _tls: ssl.SSLContext | None = None

    async def run(self) -> None:
        """Call until cancelled, and keep the certificate up."""
        async with asyncio.TaskGroup() as group:
            await self._take_up()
            group.create_task(self._keep_up())
            async for _ in paced(CALLS_A_SECOND):
                group.create_task(self._call())

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self._take_up()

    async def _take_up(self) -> None:
        """Issue what is due, and read the three files anew."""
        authorities = read((await SecretStore(self.client, NAMESPACE, self.secret).load()).files)
        wanted = {"scheduler": User("kube-scheduler")}
        await issued_beside(FolderStore(self.folder), authorities, wanted, datetime.now(UTC), lives=self.lives)
        certificate = self.folder / "scheduler.crt"
        tls = ssl.create_default_context(cafile=self.folder / "ca.crt")
        tls.load_cert_chain(certificate, self.folder / "scheduler.key")
        self.issuers.add(x509.load_pem_x509_certificate(certificate.read_bytes()).issuer.rfc4514_string())
        self._tls = tls

    async def _call(self) -> None:
        assert self._tls is not None
        body = {"Pod": pod("asks"), "NodeNames": ["anywhere"]}
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{self.url}/filter", json=body, ssl=self._tls) as response,
            ):
                answer = await response.json()
        except aiohttp.ClientError as error:
            self.faults.append(str(error))
            return
        if response.status == 200 and answer["NodeNames"] == ["anywhere"]:
            self.answered += 1
        else:
            self.faults.append(f"{response.status}: {answer}")
