"""Watches over HTTP: one JSON event a line, for as long as the client asked or stays.

A client that does not read holds up nobody: its changes wait in a bounded buffer, then its stream is ended.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Final

import orjson
from aiohttp import web

from sandbox.api import Api
from sandbox.http import answers
from sandbox.http.answers import Form
from sandbox.http.target import Query, Target
from sandbox.kinds import Kind
from sandbox.watching import WatchEvent

WRITE_SECONDS: Final = 60.0
"""How long one batch may wait for a client that does not read."""
LOOK_SECONDS: Final = 5.0
"""How often a watch that has nothing to send looks whether its client is still there."""
_UNLIMITED: Final = 1800.0
"""How long a watch lasts whose client names no limit."""


async def stream(
    api: Api, request: web.Request, target: Target, query: Query, stopping: asyncio.Event
) -> web.StreamResponse:
    """Answer with events until the watch ends, the client leaves, or the server stops."""
    form = answers.negotiate(request.headers.get("Accept", ""), query.text("includeObject"))
    wanted = query.watch_request(target)
    batches = api.watch(target.kind, wanted, time.monotonic)
    limit = _UNLIMITED if wanted.seconds is None else wanted.seconds
    async with aclosing(batches):
        first = await anext(batches, None)
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        await response.prepare(request)
        with suppress(ConnectionError, TimeoutError):
            if first:
                await _send(response, target.kind, form, first, columns=True)
            async with asyncio.timeout(limit):
                await _pump(request, response, target.kind, form, batches, stopping, columns=not first)
        with suppress(ConnectionError):
            await response.write_eof()
    return response


async def _pump(
    request: web.Request,
    response: web.StreamResponse,
    kind: Kind,
    form: Form,
    batches: AsyncGenerator[Sequence[WatchEvent], None],
    stopping: asyncio.Event,
    *,
    columns: bool,
) -> None:
    stop = asyncio.ensure_future(stopping.wait())
    try:
        while True:
            step = asyncio.ensure_future(anext(batches, None))
            try:
                while not step.done() and not stop.done() and request.transport is not None:
                    await asyncio.wait([step, stop], timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not step.done():
                    step.cancel()
                    await asyncio.wait([step])
            batch = None if step.cancelled() else step.result()
            if batch is None:
                return
            await _send(response, kind, form, batch, columns=columns)
            columns = False
    finally:
        stop.cancel()


async def _send(
    response: web.StreamResponse, kind: Kind, form: Form, batch: Sequence[WatchEvent], *, columns: bool
) -> None:
    if form.shown:
        lines = []
        for event in batch:
            lines.append(_shaped(kind, form, event, columns=columns))
            columns = False
    else:
        lines = [event.line for event in batch]
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(b"".join(lines))


def _shaped(kind: Kind, form: Form, event: WatchEvent, *, columns: bool) -> bytes:
    if event.type == "ERROR":
        return event.line
    shown = answers.show(kind, event.value, form, columns=columns)
    if event.type == "BOOKMARK" and form.shown == "table":
        shown = {**shown, "rows": []}
    return orjson.dumps({"type": event.type, "object": shown}) + b"\n"
