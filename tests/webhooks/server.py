"""The webhooks in a real HTTPS server on loopback, called as an API server calls them."""

import base64
import io
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import jsonpatch
from prometheus_client import CollectorRegistry

from certs import authority
from certs.issue import Server, User, issue
from model.meta import JSON
from model.selectors import Labels
from serving.health import Health
from serving.http import make_app, require_client_certificate
from serving.site import serve
from serving.tls import TLSFiles
from tests.webhooks.cases import Outcome, view
from webhooks.rules.facts import Facts, Need, Snapshot
from webhooks.service import DEADLINE_SECONDS, PATHS, Webhooks
from webhooks.settings import Settings
from webhooks.wire import MAX_BODY_BYTES

_uids = itertools.count(1)


@dataclass
class FixedFacts:
    """Facts that a test sets."""

    facts: Facts
    why_not: str | None = None
    asked: Collection[Need] = ()
    failure: Exception | None = None
    labels: dict[str, Labels] = field(default_factory=dict)

    def complaint(self) -> str | None:
        return self.why_not

    def now(self) -> Facts:
        return self.facts

    async def namespace_labels(self, name: str) -> Labels:
        return self.labels.get(name, {})

    async def confirmed(self, needs: Collection[Need]) -> Facts:
        self.asked = needs
        if self.failure is not None:
            raise self.failure
        return self.facts


@dataclass
class Running:
    """A served instance, and a client that it accepts."""

    url: str
    session: aiohttp.ClientSession
    trust: Callable[..., ssl.SSLContext]
    source: FixedFacts
    registry: CollectorRegistry

    async def post(self, path: str, body: Any, **options: Any) -> tuple[int, JSON]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | options.pop("headers", {})
        async with self.session.post(self.url + path, data=io.BytesIO(data), headers=headers, **options) as response:
            return response.status, await response.json()

    async def admit(self, case: JSON) -> Outcome:
        """Both phases, as one write meets them."""
        result, patch, warnings = case["object"], [], []
        for path in PATHS.values():
            request = review(case["operation"], result, case["oldObject"])
            status, answer = await self.post(f"{path}?timeout=3s", request)
            assert status == 200, answer
            response = answer["response"]
            assert response["uid"] == request["request"]["uid"]
            warnings += response.get("warnings", [])
            if not response["allowed"]:
                return Outcome(False, response["status"]["message"], result, patch, warnings)
            assert ("patch" in response) is ("patchType" in response)
            if "patch" in response:
                patch = json.loads(base64.b64decode(response["patch"]))
                result = jsonpatch.apply_patch(result, patch)
        return Outcome(True, "", result, patch, warnings)


def review(operation: str, new: JSON | None, old: JSON | None = None, **more: Any) -> JSON:
    shown = new or old or {}
    group, _, version = shown["apiVersion"].rpartition("/")
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": f"call-{next(_uids)}",
            "kind": {"group": group, "version": version, "kind": shown["kind"]},
            "resource": {"group": group, "version": version, "resource": shown["kind"].lower() + "s"},
            "operation": operation,
            "name": shown["metadata"].get("name", ""),
            "namespace": shown["metadata"].get("namespace", ""),
            "userInfo": {"username": "somebody"},
            "object": new,
            "oldObject": old,
            "dryRun": False,
            "options": None,
            **more,
        },
    }


@asynccontextmanager
async def running(
    folder: Path, context: Collection[JSON] = (), settings: Settings | None = None
) -> AsyncIterator[Running]:
    """The webhooks over mutual TLS, with these objects as the cluster."""
    now, registry = datetime.now(UTC), CollectorRegistry()
    ca = authority.create("test", 1, now)
    (folder / "ca.crt").write_bytes(ca.certificate_pem)
    for name, identity in (("server", Server(("127.0.0.1",))), ("client", User("kube-apiserver"))):
        leaf = issue(ca, identity, now)
        (folder / f"{name}.crt").write_bytes(leaf.certificate)
        (folder / f"{name}.key").write_bytes(leaf.key)
    settings = settings or Settings()
    source = FixedFacts(Snapshot([view(each) for each in context], policy=settings.policy))
    service, health = Webhooks(settings, source, registry), Health(registry)
    health.add_check("webhooks", service.complaint)
    app = make_app(
        [*service.routes(), *health.routes()],
        max_body_bytes=MAX_BODY_BYTES,
        deadline_seconds=DEADLINE_SECONDS,
        middlewares=[require_client_certificate(frozenset(PATHS.values()))],
    )

    def trust(*, with_certificate: bool = True) -> ssl.SSLContext:
        client = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        if with_certificate:
            client.load_cert_chain(folder / "client.crt", folder / "client.key")
        return client

    tls = TLSFiles(folder / "server.crt", folder / "server.key", folder / "ca.crt").server_context()
    async with (
        serve(app, tls=tls, drain_seconds=0.1) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust())) as session,
    ):
        yield Running(url, session, trust, source, registry)
