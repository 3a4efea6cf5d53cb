"""An HTTPS server whose webhooks say what a test wants, and that remembers what they were asked."""

import asyncio
import base64
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from certs import authority
from certs.issue import Server, issue
from tests.contract.servers import Place
from tests.waiting import eventually

JSON = dict[str, Any]
Answer = Callable[[JSON], Any]
"""From the `request` of a review to its `response`; or to a whole HTTP answer."""


def allow(_request: JSON) -> JSON:
    return {"allowed": True}


def patching(*steps: JSON) -> Answer:
    """A webhook that answers with a JSON patch."""
    patch = base64.b64encode(orjson.dumps(steps)).decode()
    return lambda _request: {"allowed": True, "patchType": "JSONPatch", "patch": patch}


def labelling(key: str, value: str) -> Answer:
    """A webhook that sets a label, if it is not there yet."""

    def answer(request: JSON) -> JSON:
        labels = request["object"]["metadata"].get("labels")
        if labels is None:
            step = {"op": "add", "path": "/metadata/labels", "value": {key: value}}
        else:
            step = {"op": "add", "path": f"/metadata/labels/{key}", "value": value}
        return {"allowed": True} if (labels or {}).get(key) == value else dict(patching(step)(request))

    return answer


@dataclass
class Hooks:
    """The server; webhooks are told apart by their path."""

    url: str
    bundle: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: dict[str, list[JSON]] = field(default_factory=lambda: defaultdict(list))
    order: list[str] = field(default_factory=list)
    """Paths in the order in which they were asked."""

    async def handle(self, request: web.Request) -> web.Response:
        """One review."""
        path = request.path.lstrip("/")
        review = await request.json()
        self.asked[path].append(review["request"] | {"timeout": request.query.get("timeout")})
        self.order.append(path)
        answer = self.answers[path](review["request"])
        if isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, web.Response):
            return answer
        response = {"uid": review["request"]["uid"], **answer}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Hooks]:
    """The server while the block runs."""
    signer = authority.create("contract-hooks", 1, datetime.now(UTC))
    leaf = issue(signer, Server(("127.0.0.1",)), datetime.now(UTC))
    certificate, key = folder / "hooks.crt", folder / "hooks.key"
    certificate.write_bytes(leaf.certificate)
    key.write_bytes(leaf.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    await asyncio.to_thread(context.load_cert_chain, certificate, key)
    hooks = Hooks("", base64.b64encode(signer.certificate_pem).decode())
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_post("/{path:.*}", hooks.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        hooks.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        yield hooks
    finally:
        await runner.cleanup()


@dataclass
class Registrar:
    """Registers webhooks of one server for the namespace of one test."""

    place: Place
    hooks: Hooks
    _answers: dict[str, Answer] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """Of a webhook."""
        return f"{self.place.api.name}/{self.place.namespace}/{name}"

    def asked(self, name: str) -> list[JSON]:
        """What a webhook was asked since it was registered."""
        return self.hooks.asked[self.path(name)]

    async def register(self, kind: str, *webhooks: tuple[str, Answer, JSON]) -> None:
        """Register one configuration, and wait until the server asks all of its webhooks."""
        entries = [self.entry(name, more) for name, _, more in webhooks]
        self._answers |= {name: answer for name, answer, _ in webhooks}
        for name in self._answers:
            self.hooks.answers[self.path(name)] = allow
        resource = f"{kind}webhookconfigurations"
        name = self.place.unique("-".join(each for each, _, _ in webhooks))
        await self.place.made(resource, {"metadata": {"name": name}, "webhooks": entries})
        await eventually(lambda: self._are_asked([each for each, _, _ in webhooks]))
        for name, answer in self._answers.items():
            self.hooks.answers[self.path(name)] = answer
            self.asked(name).clear()
        self.hooks.order.clear()

    async def _are_asked(self, names: list[str]) -> bool:
        probe = {"metadata": {"generateName": "probe-", "labels": {"probe": "yes"}}}
        for resource in ("configmaps", "secrets"):
            answer = await self.place.create(resource, probe, dryRun="All")
            assert answer.status == 201, answer
        return all(self.asked(name) for name in names)

    def entry(self, name: str, more: JSON) -> JSON:
        """One webhook of a configuration."""
        rules = [
            {
                "operations": ["CREATE", "UPDATE", "DELETE"],
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "resources": ["configmaps", "persistentvolumeclaims", "persistentvolumeclaims/status"],
            }
        ]
        return {
            "name": f"{name}.contract.example.com",
            "clientConfig": {"url": f"{self.hooks.url}/{self.path(name)}", "caBundle": self.hooks.bundle},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 5,
            "rules": rules,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.place.namespace}},
            **more,
        }
