"""The aiohttp application every service starts from: limits, deadlines, and errors that say what to mend.

Whatever a client sends, it gets a status and a JSON body `{"error": "…"}` within the deadline, and the process goes
on. A service raises aiohttp's HTTP exceptions for what it refuses; anything else is a 500 with an id that the log has.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, TypeVar

import msgspec
import orjson
import structlog
from aiohttp import StreamReader, web
from aiohttp.typedefs import Handler, Middleware

T = TypeVar("T")

log = structlog.get_logger()

JSON_TYPES: Final = ("application/json",)
_JSON: Final = {"Content-Type": JSON_TYPES[0]}
BODY_SECONDS: Final = web.AppKey("body_seconds", float)
"""How long a client may take to send its body."""


class UnderWay:
    """Requests that have begun and are not answered yet."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()
        self.ending = False
        """Whether no connection takes a further request."""

    def begin(self) -> None:
        """One more."""
        self._count += 1
        self._none.clear()

    def done(self) -> None:
        """One less."""
        self._count -= 1
        if not self._count:
            self._none.set()

    async def end(self, seconds: float) -> None:
        """Return when none is under way, or after so long."""
        self.ending = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()


UNDER_WAY: Final = web.AppKey("under_way", UnderWay)


def make_app(
    routes: Iterable[web.AbstractRouteDef],
    *,
    max_body_bytes: int,
    deadline_seconds: float,
    body_seconds: float = 10.0,
    middlewares: Iterable[Middleware] = (),
) -> web.Application:
    """An application with these routes, whose every answer comes within `deadline_seconds`.

    `middlewares` run inside the deadline and the error answers.
    """
    under_way = UnderWay()
    inner = [web.middleware(each) for each in middlewares]
    outer = _answering(under_way, deadline_seconds)
    app = web.Application(client_max_size=max_body_bytes, middlewares=[outer, *inner])
    app[BODY_SECONDS] = body_seconds
    app[UNDER_WAY] = under_way
    app.add_routes(routes)
    return app


def json_response(value: object, status: int = 200) -> web.Response:
    """A response of plain JSON values or msgspec structs."""
    return json_body(orjson.dumps(value, default=msgspec.to_builtins), status)


def json_body(body: bytes, status: int = 200) -> web.Response:
    """A response of JSON that is encoded already."""
    return web.Response(body=body, status=status, headers=_JSON)


async def read_body(request: web.Request) -> bytes:
    """The whole body, within the application's limits.

    Raises:
        web.HTTPRequestEntityTooLarge: larger than the limit, judged by its announcement where there is one.
        web.HTTPRequestTimeout: the client sends too slowly.
    """
    limit = request.client_max_size
    if limit and request.content_length is not None and request.content_length > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length)
    seconds = request.config_dict.get(BODY_SECONDS, 10.0)
    try:
        async with asyncio.timeout(seconds):
            return await _all_of(request.content, limit)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {seconds:g} s") from None


async def _all_of(content: StreamReader, limit: int) -> bytes:
    """All that comes. `request.read` copies it twice; of 50 MB that is most of what reading takes."""
    if limit:
        content.set_read_chunk_size(limit)  # the sender is not held up while it is less
    chunks, size = list[bytes](), 0
    while chunk := await content.readany():
        size += len(chunk)
        if limit and size > limit:
            raise web.HTTPRequestEntityTooLarge(limit, size)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_json(request: web.Request, type_: type[T], *, content_types: tuple[str, ...] = ()) -> T:
    """The body decoded into `type_`; the messages of refusals name the field.

    `content_types`: those to insist on; none means that the type is not looked at.

    Raises:
        web.HTTPUnsupportedMediaType: another content type.
        web.HTTPBadRequest: no JSON, or JSON of another shape.
        web.HTTPRequestEntityTooLarge, web.HTTPRequestTimeout: as `read_body`.
    """
    if content_types and request.content_type not in content_types:
        wanted = " or ".join(content_types)
        raise web.HTTPUnsupportedMediaType(text=f"content type {request.content_type!r} is not {wanted}")
    return decode_json(await read_body(request), type_)


def decode_json(body: bytes, type_: type[T]) -> T:
    """Decode into `type_`.

    Raises:
        web.HTTPBadRequest: no JSON, or JSON of another shape; the message names the field.
    """
    return decoded(lambda: msgspec.json.decode(body, type=type_))


def decoded(decode: Callable[[], T]) -> T:
    """What `decode` makes of a body.

    Raises:
        web.HTTPBadRequest: as `decode_json`.
    """
    try:
        return decode()
    except msgspec.ValidationError as error:
        raise web.HTTPBadRequest(text=f"the body has the wrong shape: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise web.HTTPBadRequest(text="the body is nested too deeply") from error


def require_client_certificate(paths: frozenset[str]) -> Middleware:
    """Refuse these paths to TLS clients that showed no certificate (the context verified it if they did)."""

    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in paths and request.transport is not None:
            # What the handshake noted: to ask the connection decodes the certificate each time.
            encrypted = request.transport.get_extra_info("ssl_object") is not None
            if encrypted and not request.transport.get_extra_info("peercert"):
                raise web.HTTPUnauthorized(text="a client certificate is required")
        return await handler(request)

    return check


def _answering(under_way: UnderWay, seconds: float) -> Middleware:
    """All that holds for every request in one: each middleware is paid for by each request."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        under_way.begin()
        try:
            async with asyncio.timeout(seconds):
                response = await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = _error(error.status, error.text or error.reason, error.headers.get("Allow"))
        except TimeoutError:
            response = _error(503, f"not answered within {seconds:g} s, try again")
        except ConnectionError:
            # The client went away in the middle; nobody reads this answer.
            response = _error(400, "the connection ended before the request did")
        except Exception:  # the last guard: one request must not end the process
            incident = secrets.token_hex(4)
            log.exception("request failed", path=request.path, method=request.method, incident=incident)
            response = _error(500, f"internal error {incident}, see the log")
        finally:
            under_way.done()
        if under_way.ending:
            response.force_close()
        return response

    return answer


def _error(status: int, message: str, allow: str | None = None) -> web.Response:
    response = json_response({"error": message}, status)
    if allow:
        response.headers["Allow"] = allow
    return response
