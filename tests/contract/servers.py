"""An API server as the contract sees it: requests as plain HTTP, answers as they came."""

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from multidict import CIMultiDictProxy

JSON = dict[str, Any]
DEADLINE_SECONDS: Final = 20.0
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
_numbers = itertools.count(1)

# Resources by the name that tests use, with the path they are below.
_NAMESPACED: Final = {
    "configmaps": "/api/v1",
    "events": "/api/v1",
    "persistentvolumeclaims": "/api/v1",
    "pods": "/api/v1",
    "secrets": "/api/v1",
    "services": "/api/v1",
    "serviceaccounts": "/api/v1",
    "deployments": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "csistoragecapacities": "/apis/storage.k8s.io/v1",
    "gadgets": "/apis/contract.example.com/v1",
}
_CLUSTER_WIDE: Final = {
    "namespaces": "/api/v1",
    "nodes": "/api/v1",
    "persistentvolumes": "/api/v1",
    "priorityclasses": "/apis/scheduling.k8s.io/v1",
    "storageclasses": "/apis/storage.k8s.io/v1",
    "csinodes": "/apis/storage.k8s.io/v1",
    "csidrivers": "/apis/storage.k8s.io/v1",
    "volumeattachments": "/apis/storage.k8s.io/v1",
    "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
}


@dataclass(frozen=True)
class Answer:
    """What a request was answered with."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str] = field(repr=False)

    @property
    def verdict(self) -> tuple[int, str, set[tuple[str, str]]]:
        """Code, reason, and the causes' fields with their reasons: what clients act upon."""
        causes = (self.body.get("details") or {}).get("causes") or ()
        return self.status, self.body.get("reason", ""), {(each.get("field", ""), each["reason"]) for each in causes}

    @property
    def messages(self) -> set[str]:
        """The causes as people read them."""
        return {each["message"] for each in self.body["details"]["causes"]}

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Code, reason and message."""
        return self.status, self.body["reason"], self.body["message"]

    @property
    def warnings(self) -> list[str]:
        """What the server warned of."""
        texts = [each.removeprefix('299 - "')[:-1] for each in self.headers.getall("Warning", [])]
        return [text.replace('\\"', '"').replace("\\\\", "\\") for text in texts]

    @property
    def names(self) -> list[str]:
        """Of a list's items."""
        return [each["metadata"]["name"] for each in self.body["items"]]

    @property
    def version(self) -> str:
        """The resourceVersion of the object or list."""
        version: str = self.body["metadata"]["resourceVersion"]
        return version


class Watching:
    """A watch that is open."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> tuple[str, JSON]:
        """The next event: its type and object."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            line = await self._answer.content.readline()
        assert line, "the watch has ended"
        event = orjson.loads(line)
        return event["type"], event["object"]

    async def shown(self, count: int) -> list[tuple[str, str]]:
        """The next events: types and names."""
        events = [await self.next() for _ in range(count)]
        return [(kind, obj["metadata"]["name"]) for kind, obj in events]

    async def until_bookmark(self) -> tuple[list[tuple[str, str]], JSON]:
        """The events up to the next bookmark, and that bookmark's object."""
        events = []
        while True:
            kind, obj = await self.next()
            if kind == "BOOKMARK":
                return events, obj
            events.append((kind, obj["metadata"]["name"]))

    async def rest(self) -> list[JSON]:
        """All events until the server ends the watch."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            content = await self._answer.content.read()
        return [orjson.loads(line) for line in content.splitlines()]


@dataclass(frozen=True)
class ApiServer:
    """One of the servers that keep the contract."""

    name: str
    session: aiohttp.ClientSession
    kubeconfig: Path
    forget: Callable[[], Awaitable[None]]
    """Compact away what was before now."""

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        accept: str = "",
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> Answer:
        """One request."""
        data = None if body is None else io.BytesIO(body if isinstance(body, bytes) else orjson.dumps(body))
        sent = {"Accept": accept} if accept else {}
        sent |= {} if body is None else {"Content-Type": content}
        sent |= headers or {}
        async with self.session.request(method, path, data=data, headers=sent, params=query) as answer:
            read = await answer.read()
            value = orjson.loads(read) if "json" in answer.content_type else read.decode()
            return Answer(answer.status, value, answer.headers)

    @asynccontextmanager
    async def watch(self, path: str, *, accept: str = "", **query: str) -> AsyncIterator[Watching]:
        """A watch while the block runs."""
        headers = {"Accept": accept} if accept else {}
        async with self.session.get(path, params={"watch": "1", **query}, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            yield Watching(answer)


@dataclass
class Place:
    """A server, a namespace in it that is no other test's, and names for what has no namespace."""

    api: ApiServer
    namespace: str
    _written: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    async def make(cls, api: ApiServer) -> "Place":
        """A fresh one."""
        name = f"contract-{next(_numbers)}"
        answer = await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert answer.status == 201, answer
        return cls(api, name)

    def path(self, resource: str, name: str = "", subresource: str = "") -> str:
        """Where a resource or an object of it is."""
        if resource in _NAMESPACED:
            path = f"{_NAMESPACED[resource]}/namespaces/{self.namespace}/{resource}"
        else:
            path = f"{_CLUSTER_WIDE[resource]}/{resource}"
        return "/".join(filter(None, (path, name, subresource)))

    def unique(self, name: str) -> str:
        """A name that no other test uses."""
        return f"{self.namespace}-{name}"

    async def list(self, resource: str, **options: str) -> Answer:
        """GET of a collection."""
        return await self.api.call("GET", self.path(resource), **options)

    async def get(self, resource: str, name: str, subresource: str = "", **options: str) -> Answer:
        """GET of an object."""
        return await self.api.call("GET", self.path(resource, name, subresource), **options)

    async def create(self, resource: str, body: JSON, **options: str) -> Answer:
        """POST; what has no namespace is deleted when the test is over."""
        answer = await self.api.call("POST", self.path(resource), body, **options)
        if answer.status == 201 and resource in _CLUSTER_WIDE:
            self._written.append((resource, answer.body["metadata"]["name"]))
        return answer

    async def made(self, resource: str, body: JSON, **options: str) -> JSON:
        """The object that a POST that has to succeed makes."""
        answer = await self.create(resource, body, **options)
        assert answer.status == 201, answer.body
        obj: JSON = answer.body
        return obj

    async def update(self, resource: str, body: JSON, subresource: str = "", **options: str) -> Answer:
        """PUT."""
        name = body["metadata"]["name"]
        return await self.api.call("PUT", self.path(resource, name, subresource), body, **options)

    async def patch(
        self, resource: str, name: str, body: Any, content: str = MERGE, subresource: str = "", **options: str
    ) -> Answer:
        """PATCH; an apply patch may create the object."""
        path = self.path(resource, name, subresource)
        answer = await self.api.call("PATCH", path, body, content=content, **options)
        if answer.status == 201 and resource in _CLUSTER_WIDE:
            self._written.append((resource, name))
        return answer

    async def delete(self, resource: str, name: str = "", body: Any = None, **options: str) -> Answer:
        """DELETE of an object or a collection."""
        return await self.api.call("DELETE", self.path(resource, name), body, **options)

    async def clean(self) -> None:
        """Delete what has no namespace, and what would have controllers of later tests act: pods and claims."""
        await self.delete("pods", body={"gracePeriodSeconds": 0})
        claims = (await self.list("persistentvolumeclaims")).body.get("items") or ()
        named = [("persistentvolumeclaims", each["metadata"]["name"]) for each in claims]
        await asyncio.gather(*(self._remove(resource, name) for resource, name in [*self._written, *named]))

    async def _remove(self, resource: str, name: str) -> None:
        deleted = await self.delete(resource, name)
        if deleted.status == 200 and deleted.body["metadata"].get("finalizers"):
            await self.patch(resource, name, {"metadata": {"finalizers": None}})
