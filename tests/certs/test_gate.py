"""The gate of readiness: our own listener, asked as those who call us would."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from certs import authority
from certs.folder import FolderStore
from certs.gate import Gate
from certs.inject import registrations
from certs.issue import Server, issue
from certs.state import begin
from kube import config
from kube.client import Client, connect
from model.meta import JSON
from sandbox.server import Sandbox, SandboxSettings, serve
from serving.http import make_app
from serving.site import serve as serve_site
from serving.tls import TLSFiles
from tests.certs.replicas import registration
from tests.waiting import eventually

NOW = datetime.now(UTC)
OURS, ANOTHER = begin("ours", NOW), authority.create("another", 1, NOW)
HOST = "lading-webhooks.home.svc"
NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
current-context: nowhere
"""


@dataclass
class Served:
    """A listener of ours, its gate, and the API server that it asks."""

    sandbox: Sandbox
    gate: Gate
    address: tuple[str, int]

    async def register(self, client_config: JSON, bundle: bytes) -> None:
        """Both registrations, of webhooks that are found so."""
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
            body = registration(kind, "lading")
            trust = {"caBundle": base64.b64encode(bundle).decode()} if bundle else {}
            hooks = [{**hook, "clientConfig": {**client_config, **trust}} for hook in body["webhooks"]]
            stored = self.sandbox.api.kind(body["apiVersion"], kind)
            await self.sandbox.api.create(stored, "", body | {"webhooks": hooks})

    async def complaint(self) -> str | None:
        await self.gate.once(self.address)
        return self.gate.complaint()


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """A server whose certificate is of our authority, for the names of its Service and of loopback."""
    leaf = issue(OURS.signing, Server((HOST, "localhost", "127.0.0.1")), NOW)
    files = {"webhooks.crt": leaf.certificate, "webhooks.key": leaf.key}
    await FolderStore(folder).save(files, "")
    context = TLSFiles(folder / "webhooks.crt", folder / "webhooks.key").server_context()
    app = make_app([], max_body_bytes=1, deadline_seconds=1.0)
    async with serve_site(app, tls=context, drain_seconds=0.1) as url:
        yield "127.0.0.1", int(url.rpartition(":")[2])


@pytest_asyncio.fixture(name="served")
async def served_webhooks(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(SandboxSettings(run_pods=False)) as sandbox:
        await asyncio.to_thread(sandbox.write_kubeconfig, tmp_path / "kubeconfig")
        async with (
            connect(await config.load(tmp_path / "kubeconfig")) as client,
            listening(tmp_path / "leaf") as address,
        ):
            yield Served(sandbox, await gate_of(client, tmp_path), address)


async def gate_of(client: Client, folder: Path) -> Gate:
    store = FolderStore(folder / "authorities")
    await store.save(OURS.files(), "")
    return Gate(client, registrations("lading"), store, HOST)


async def test_it_is_closed_before_the_first_handshake(served: Served) -> None:
    assert served.gate.complaint() == "no handshake yet"


async def test_where_nothing_is_registered_the_bundle_that_will_be_published_counts(served: Served) -> None:
    assert await served.complaint() is None


@pytest.mark.parametrize(
    "where",
    [
        {"service": {"namespace": "home", "name": "lading-webhooks"}},
        {"url": "https://127.0.0.1:1/validate"},
        {"url": "https://localhost:1/validate"},
    ],
)
async def test_it_opens_where_the_registrations_trust_what_is_served(served: Served, where: JSON) -> None:
    await served.register(where, OURS.bundle)
    assert await served.complaint() is None


@pytest.mark.parametrize(
    ("where", "bundle", "why"),
    [
        ({"url": "https://127.0.0.1:1/validate"}, b"", "trusts nobody: caBundle is empty"),
        ({"url": "https://127.0.0.1:1/validate"}, ANOTHER.certificate_pem, "certificate verify failed"),
        ({"service": {"namespace": "elsewhere", "name": "lading-webhooks"}}, OURS.bundle, "Hostname mismatch"),
        ({"url": "https://10.1.2.3:1/validate"}, OURS.bundle, "IP address mismatch"),
    ],
)
async def test_it_stays_closed_where_they_do_not(served: Served, where: JSON, bundle: bytes, why: str) -> None:
    await served.register(where, bundle)
    assert why in (await served.complaint() or "")


async def test_it_closes_when_the_listener_is_gone(served: Served) -> None:
    assert await served.complaint() is None
    await served.gate.once(("127.0.0.1", 1))
    assert "would not accept our certificate" in (served.gate.complaint() or "")


async def test_it_stays_as_it_is_while_the_api_server_can_not_be_asked(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(NOWHERE)
    nowhere = await config.load(tmp_path / "kubeconfig")
    async with connect(nowhere) as client, listening(tmp_path / "leaf") as address:
        gate = await gate_of(client, tmp_path)
        await gate.once(address)
        assert "can not tell what callers trust" in (gate.complaint() or "")
        gate._complaint = None
        await gate.once(address)
        assert gate.complaint() is None


async def test_it_is_tried_until_it_opens(served: Served) -> None:
    passed, addresses = asyncio.Event(), iter([("127.0.0.1", 1), served.address])
    trying = asyncio.create_task(served.gate.run(lambda: next(addresses, served.address), passed))
    await eventually(passed.is_set)
    assert served.gate.complaint() is None
    trying.cancel()
    await asyncio.wait([trying])
