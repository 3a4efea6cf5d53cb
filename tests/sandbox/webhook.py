"""Admission webhooks on loopback: they record the reviews they get and answer as the test says."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from model.meta import JSON
from sandbox.api import Api
from sandbox.attributes import Call
from serving.site import serve
from tests.sandbox.certificates import Certificates

Answer = Callable[[JSON], Any]


class Webhooks:
    """One server; each path is a webhook."""

    def __init__(self, url: str, ca: str) -> None:
        self.url, self.ca = url, ca
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, JSON]] = []
        """Path and request of each review, in order."""
        self.queries: list[dict[str, str]] = []
        self.hold: dict[str, asyncio.Event] = {}
        """Paths whose answers wait."""

    def requests(self, path: str) -> list[JSON]:
        """The reviews that one webhook got."""
        return [request for each, request in self.asked if each == path]

    def order(self) -> list[str]:
        """Who was asked, in order."""
        return [path for path, _ in self.asked]

    async def handle(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        review = orjson.loads(await request.read())
        assert (review["kind"], review["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
        self.asked.append((path, review["request"]))
        self.queries.append(dict(request.query))
        if path in self.hold:
            await self.hold[path].wait()
        answer = self.answers.get(path, lambda _: {})(review["request"])
        if isinstance(answer, web.Response):
            return answer
        response = {"uid": review["request"]["uid"], "allowed": True, **answer}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

    def hook(self, path: str, **fields: Any) -> JSON:
        """A webhook of that path that wants to see creates and updates of config maps."""
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"]}
        rule |= {"resources": ["configmaps"], "scope": "*", **fields.pop("rule", {})}
        return {
            "name": f"{path}.demo.io",
            "clientConfig": {"url": f"{self.url}/{path}", "caBundle": self.ca},
            "rules": [rule],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            **fields,
        }


def patch(*operations: JSON, **more: Any) -> JSON:
    """The part of a response that carries a patch."""
    return {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(list(operations))).decode(), **more}


def set_data(key: str, value: str) -> JSON:
    """An operation that sets a key of a config map that has data."""
    return {"op": "add", "path": f"/data/{key}", "value": value}


@asynccontextmanager
async def webhooks(certificates: Certificates) -> AsyncIterator[Webhooks]:
    """A server of webhooks while the block runs."""
    made = Webhooks("", base64.b64encode(certificates.ca.read_bytes()).decode())
    app = web.Application()
    app.router.add_post("/{path}", made.handle)
    async with serve(app, "127.0.0.1:0", certificates.server_context(), drain_seconds=0.1) as url:
        made.url = url
        yield made


async def register(api: Api, *hooks: JSON, mutating: bool = False, name: str = "hooks") -> None:
    """Have the API server ask these webhooks."""
    kind = "MutatingWebhookConfiguration" if mutating else "ValidatingWebhookConfiguration"
    body = {"metadata": {"name": name}, "webhooks": list(hooks)}
    await api.create(api.kind("admissionregistration.k8s.io/v1", kind), "", body)


def maps(api):
    return api.kind("v1", "ConfigMap")


async def put(api, name="a", data=None, call=None, **metadata):
    body = {"metadata": {"name": name, **metadata}, "data": data or {"x": "y"}}
    return await api.create(maps(api), "default", body, call or Call())


async def change(api, name="a", value="z", call=None):
    body = {"metadata": {"name": name}, "data": {"x": value}}
    return await api.update(maps(api), ("default", name), body, call or Call())


def held(api, name="a"):
    return api.store.get("configmaps", ("default", name))
