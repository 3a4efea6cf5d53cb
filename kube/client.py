"""The verbs of the API: typed views in, plain JSON out.

Every call ends within a deadline. What is safe to repeat is repeated beneath; what is not is left to the caller, who
sees `Unreachable` and decides.
"""

import builtins
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from random import Random
from typing import Any, Final, Generic

import aiohttp
import orjson

from kube.config import Connection
from kube.decode import Decoder, Page, WatchEvent
from kube.errors import BadAnswer, Gone, Unreachable
from kube.metrics import Metrics
from kube.transport import MAX_LIST_BYTES, STREAM_BUFFER_BYTES, Request, Transport, broken_as_unreachable
from model.meta import JSON
from model.resources import PODS, ObjectT, Resource

PAGE_SIZE: Final = 500
CONNECTIONS: Final = 64
"""Open at once, watches included; requests beyond wait for one."""
SILENCE_SECONDS: Final = 90.0
"""A watch without a word for so long is dead: servers send a bookmark about every minute."""


class PatchType(StrEnum):
    """How a patch body is read: its content type."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class Events(Generic[ObjectT]):
    """The events of a watch, to be iterated over once. It ends where the server ends it.

    Iterating raises Gone if the version has been compacted away, ApiError for what else the server complains of,
    Unreachable if the stream breaks, BadAnswer for what can not be read.
    """

    def __init__(self, lines: aiohttp.StreamReader, decoder: Decoder[ObjectT], what: str) -> None:
        self._lines = lines
        self._decoder = decoder
        self._what = what

    def __aiter__(self) -> "Events[ObjectT]":
        """Itself."""
        return self

    async def __anext__(self) -> WatchEvent[ObjectT]:
        """The next event."""
        with broken_as_unreachable(self._what):
            line = await self._lines.readline()
        if not line:
            raise StopAsyncIteration
        if not line.endswith(b"\n"):
            raise Unreachable(f"{self._what}: cut in the middle of an event")
        return self._decoder.event(line)


class Client:
    """A connected client. Every method raises `kube.errors.KubeError` of the class that fits."""

    def __init__(self, transport: Transport, metrics: Metrics, field_manager: str) -> None:
        self.metrics = metrics
        self._transport = transport
        self._written_by = {"fieldManager": field_manager}
        self._decoders: dict[Resource[Any], Decoder[Any]] = {}

    async def get(self, resource: Resource[ObjectT], name: str, namespace: str = "") -> ObjectT:
        """One object, as the server has it now."""
        path = _path(resource, namespace, name)
        return self._read(resource, await self._transport.send(Request("get", "GET", path)))

    async def list(
        self, resource: Resource[ObjectT], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> builtins.list[ObjectT]:
        """All objects (of a namespace, if given) that the selectors accept, of one moment.

        One that can not be read is left out, logged and counted.
        """
        return (await self.snapshot(resource, namespace, labels=labels, fields=fields)).items

    async def snapshot(
        self, resource: Resource[ObjectT], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Page[ObjectT]:
        """All that `list` gives, with the version it is of: where a watch may begin. Read in pages."""
        for limit in (PAGE_SIZE, PAGE_SIZE, 0):  # in one piece at last, where paging is slower than compaction
            try:
                return await self._pages(resource, namespace, _selectors(labels, fields), limit)
            except Gone:
                if not limit:
                    raise
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def watch(
        self,
        resource: Resource[ObjectT],
        namespace: str = "",
        *,
        version: str,
        labels: str = "",
        fields: str = "",
        streamed_list: bool = False,
        server_seconds: int = 300,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> AsyncIterator[Events[ObjectT]]:
        """The changes after `version`, until the server ends the stream, at the latest after `server_seconds`.

        With `streamed_list` the objects that are there come first, then a complete bookmark, then the changes.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(server_seconds)}
        if streamed_list:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        if version:
            query["resourceVersion"] = version
        path = _path(resource, namespace)
        request = Request("watch", "GET", path, query | _selectors(labels, fields))
        async with self._transport.stream(request, silence_seconds) as lines:
            yield Events(lines, self._decoder(resource), f"watch {path}")

    async def create(
        self, resource: Resource[ObjectT], body: JSON, namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> ObjectT:
        """POST; with `name` and `subresource` to a subresource. `apiVersion` and `kind` may be left out of the body."""
        path = _path(resource, namespace, name, subresource) if subresource else _path(resource, namespace)
        typed = body if subresource else {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        request = Request("create", "POST", path, self._written_by, orjson.dumps(typed), repeatable=False)
        return self._read(resource, await self._transport.send(request), subresource)

    async def patch(
        self,
        resource: Resource[ObjectT],
        name: str,
        body: JSON | builtins.list[JSON],
        namespace: str = "",
        *,
        subresource: str = "",
        content: PatchType = PatchType.MERGE,
        force: bool = False,
    ) -> ObjectT:
        """PATCH. Preconditions go into a merge patch as metadata.resourceVersion and metadata.uid.

        `force` (apply only) takes over fields that other managers own.
        """
        query = self._written_by | ({"force": str(force).lower()} if content is PatchType.APPLY else {})
        path = _path(resource, namespace, name, subresource)
        # The operations of a JSON patch add up when it is done twice; the others say what shall be.
        repeatable = content is not PatchType.JSON
        request = Request("patch", "PATCH", path, query, orjson.dumps(body), content, repeatable)
        return self._read(resource, await self._transport.send(request), subresource)

    async def replace(
        self, resource: Resource[ObjectT], name: str, body: JSON, namespace: str = "", *, subresource: str = ""
    ) -> ObjectT:
        """PUT of a whole object that was read raw; a view would lose the fields that it does not know."""
        path = _path(resource, namespace, name, subresource)
        request = Request("replace", "PUT", path, self._written_by, orjson.dumps(body))
        return self._read(resource, await self._transport.send(request), subresource)

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: str | None = None,
    ) -> None:
        """DELETE, guarded by uid and resourceVersion where given. What is gone already is `NotFound`."""
        options = {
            "preconditions": _given(uid=uid, resourceVersion=resource_version) or None,
            "gracePeriodSeconds": grace_seconds,
            "propagationPolicy": propagation,
        }
        body = orjson.dumps({"apiVersion": "v1", "kind": "DeleteOptions", **_given(**options)})
        await self._transport.send(Request("delete", "DELETE", _path(resource, namespace, name), body=body))

    async def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        """Put a pod on a node: POST of its binding subresource, guarded by the pod's uid."""
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": namespace, "name": name, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        path = _path(PODS, namespace, name, "binding")
        await self._transport.send(
            Request("bind", "POST", path, self._written_by, orjson.dumps(body), repeatable=False)
        )

    async def _pages(
        self, resource: Resource[ObjectT], namespace: str, selectors: Mapping[str, str], limit: int
    ) -> Page[ObjectT]:
        path, decoder = _path(resource, namespace), self._decoder(resource)
        query = {**selectors, **({"limit": str(limit)} if limit else {})}
        whole: Page[ObjectT] = Page([], [], "")
        while True:
            body = await self._transport.send(Request("list", "GET", path, query, max_bytes=MAX_LIST_BYTES))
            page = decoder.page(body)
            whole.items.extend(page.items)
            whole.unreadable.extend(page.unreadable)
            if not page.continue_token:
                return replace(whole, version=page.version)
            query["continue"] = page.continue_token

    def _read(self, resource: Resource[ObjectT], body: bytes, subresource: str = "") -> ObjectT:
        obj = self._decoder(resource).object(body)
        if not obj.name and subresource in ("", "status"):
            raise BadAnswer(
                f"{resource.plural}: the answer is no {resource.kind}: {body[:100].decode(errors='replace')}"
            )
        return obj

    def _decoder(self, resource: Resource[ObjectT]) -> Decoder[ObjectT]:
        if resource not in self._decoders:
            self._decoders[resource] = Decoder(resource, self.metrics.requests)
        return self._decoders[resource]


@asynccontextmanager
async def connect(
    connection: Connection,
    *,
    user_agent: str = "lading",
    field_manager: str = "lading",
    metrics: Metrics | None = None,
    request_seconds: float = 30.0,
) -> AsyncIterator[Client]:
    """A client while the block runs.

    `metrics` may be shared by several clients; `request_seconds` bounds a request with its repeats.
    """
    metrics = metrics or Metrics()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        read_bufsize=STREAM_BUFFER_BYTES,
        trust_env=False,  # proxies were read once; a netrc file is not ours to use
    )
    async with session:
        random = Random()  # noqa: S311 - it spreads repeats, it guards nothing
        transport = Transport(session, connection, metrics.requests, request_seconds=request_seconds, random=random)
        yield Client(transport, metrics, field_manager)


def _path(resource: Resource[Any], namespace: str, name: str | None = None, subresource: str = "") -> str:
    """The path, of a list where `name` is None.

    Raises:
        ValueError: a name or namespace is missing or can not be one; in a path it would mean something else.
    """
    if name is not None:
        _check_segment("name", name)
        if resource.namespaced:
            _check_segment("namespace", namespace)
    elif namespace:
        _check_segment("namespace", namespace)
    return resource.path(namespace, name or "", subresource)


def _check_segment(what: str, value: str) -> None:
    if value in ("", ".", "..") or not value.isascii() or any(sign in "/%?# " for sign in value):
        raise ValueError(f"{value!r} can not be the {what} of an object")


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {**({"labelSelector": labels} if labels else {}), **({"fieldSelector": fields} if fields else {})}


def _given(**options: object) -> JSON:
    return {name: value for name, value in options.items() if value is not None}
