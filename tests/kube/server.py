"""An HTTP server that answers by a script: replies, refusals, hangs, cuts and streams, and remembers what was asked."""

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from serving.site import serve

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: object
    peer: dict[str, object] | None = None


@dataclass
class Script:
    """What to answer to whom; the last answer of a path repeats."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: dict[tuple[str, str], deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        self.answers[method, path] = deque(answers)

    def asked(self, method: str = "", path: str = "") -> list[Seen]:
        return [each for each in self.seen if each.method.startswith(method) and each.path.startswith(path)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        ssl_object = request.transport.get_extra_info("ssl_object") if request.transport else None
        self.seen.append(
            Seen(
                request.method,
                request.path,
                dict(request.query),
                dict(request.headers),
                orjson.loads(body) if body else None,
                ssl_object.getpeercert() if ssl_object else None,
            )
        )
        answers = self.answers.get((request.method, request.path))
        if not answers:
            return await refusal(404, "NotFound")(request)
        return await (answers.popleft() if len(answers) > 1 else answers[0])(request)


@asynccontextmanager
async def scripted(tls: ssl.SSLContext | None = None) -> AsyncIterator[Script]:
    script = Script()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", script.handle)
    async with serve(app, tls=tls, drain_seconds=0.01) as url:
        script.url = url
        yield script


def reply(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    body = value if isinstance(value, bytes) else orjson.dumps(value)

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=headers, content_type="application/json")

    return answer


def refusal(
    code: int,
    reason: str = "",
    message: str = "",
    details: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    return reply(status_object(code, reason, message, details), code, headers)


def status_object(
    code: int, reason: str = "", message: str = "", details: dict[str, object] | None = None
) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        **({"details": details} if details else {}),
    }


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def reset(request: web.Request) -> web.StreamResponse:
    """Take the request and break the connection."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def stream(*lines: object, end: str = "clean") -> Answer:
    """Lines of a watch; then the end: `clean`, `cut` (connection broken) or `hang`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for line in lines:
            await response.write(line if isinstance(line, bytes) else orjson.dumps(line) + b"\n")
        if end == "hang":
            await asyncio.Event().wait()
        if end == "cut":
            assert request.transport is not None
            request.transport.abort()
        return response

    return answer


def cut_body(part: bytes, announced: int) -> Answer:
    """A body of which only a part comes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(announced)})
        await response.prepare(request)
        await response.write(part)
        assert request.transport is not None
        request.transport.abort()
        return response

    return answer
