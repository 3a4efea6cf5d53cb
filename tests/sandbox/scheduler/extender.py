"""A scheduler extender on loopback: it records what it is asked and answers as the test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from serving.site import serve

VERBS = ("filter", "prioritize", "bind", "preempt")


class Extender:
    """By default it lets every node pass, scores none, and fails to bind."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "filter": lambda args: {"NodeNames": args["NodeNames"], "Nodes": args["Nodes"]},
            "prioritize": lambda _: [],
            "bind": lambda _: {"Error": "no binding here"},
            "preempt": lambda args: {"NodeNameToMetaVictims": args["NodeNameToMetaVictims"]},
        }
        self.status = 200
        self.hold: asyncio.Event | None = None
        """Answers wait for it, if set."""

    def asked(self, verb: str) -> list[dict[str, Any]]:
        """The requests of one verb, in order."""
        return [args for each, args in self.calls if each == verb]

    async def handle(self, request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        assert request.content_type == "application/json"
        args = orjson.loads(await request.read())
        self.calls.append((verb, args))
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers[verb](args)
        if asyncio.iscoroutine(answer):
            answer = await answer
        body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        # The type does not matter to the scheduler.
        return web.Response(status=self.status, body=body, content_type="text/plain")


@asynccontextmanager
async def serving(extender: Extender, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve it; yields the URL prefix."""
    app = web.Application()
    app.router.add_post("/scheduler/{verb}", extender.handle)
    async with serve(app, "127.0.0.1:0", context, drain_seconds=0.1) as url:
        yield f"{url}/scheduler/"
