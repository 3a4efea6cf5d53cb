"""A plain HTTP client of the API server, and servers whose deadlines are short enough to be met."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from prometheus_client import CollectorRegistry

from model.meta import JSON
from sandbox.api import Api
from sandbox.attributes import ADMIN
from sandbox.http.app import ApiServer
from sandbox.http.identity import Identities
from serving.http import BODY_SECONDS
from serving.site import serve
from tests.sandbox.world import api_server

TOKEN = "token-of-the-tests"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@dataclass(frozen=True)
class Client:
    """Requests with the administrator's token."""

    session: aiohttp.ClientSession
    url: str
    api: Api

    async def request(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, JSON]:
        """Status and JSON of an answer."""
        if body is not None:
            options["data"] = io.BytesIO(body if isinstance(body, bytes) else orjson.dumps(body))
            options.setdefault("headers", {}).setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.url + path, **options) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def get(self, path: str, **options: Any) -> JSON:
        """The JSON of a 200."""
        status, body = await self.request("GET", path, **options)
        assert status == 200, body
        return body

    @asynccontextmanager
    async def watch(self, path: str, **query: Any) -> AsyncIterator["Events"]:
        """The events of a watch."""
        query = {"watch": "true", **{key: str(value) for key, value in query.items()}}
        unlimited = aiohttp.ClientTimeout(total=None)
        async with self.session.get(self.url + path, params=query, timeout=unlimited) as answer:
            assert answer.status == 200, await answer.text()
            yield Events(answer)


@dataclass(frozen=True)
class Events:
    """Reads one event a line."""

    answer: aiohttp.ClientResponse

    async def next(self, within_seconds: float = 20.0) -> tuple[str, JSON] | None:
        """Type and object of the next event; None at the end of the stream."""
        async with asyncio.timeout(within_seconds):
            line = await self.answer.content.readline()
        if not line:
            return None
        event = orjson.loads(line)
        return event["type"], event["object"]

    async def until(self, version: int) -> list[tuple[str, str, int]]:
        """Type, name and version of all events up to that version."""
        seen: list[tuple[str, str, int]] = []
        while not seen or seen[-1][2] < version:
            event = await self.next()
            assert event is not None, seen
            seen.append((event[0], event[1]["metadata"].get("name", ""), version_of(event[1])))
        return seen


def version_of(obj: JSON) -> int:
    """metadata.resourceVersion as a number."""
    return int(obj["metadata"]["resourceVersion"])


@asynccontextmanager
async def http_server(*, body_seconds: float = 30.0) -> AsyncIterator[Client]:
    """A server over plain HTTP with nothing running beside it."""
    async with api_server() as api:
        stopping = asyncio.Event()
        server = ApiServer(api, Identities({TOKEN: ADMIN}), CollectorRegistry(), stopping)
        app = server.application()
        app[BODY_SECONDS] = body_seconds
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with serve(app, drain_seconds=0.5) as url, aiohttp.ClientSession(headers=headers) as session:
            try:
                yield Client(session, url, api)
            finally:
                stopping.set()
