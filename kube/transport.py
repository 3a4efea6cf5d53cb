"""One request to the API server: authenticated, bounded in time and size, repeated where that is safe.

Safe are: what the server says it has not handled (429, any verb), and for requests that may be repeated also 503 and
a connection that broke. A POST of which bytes were sent is never sent again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from types import TracebackType
from typing import Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from kube.backoff import Backoff
from kube.config import Access, Connection
from kube.errors import (
    BadAnswer,
    KubeError,
    Status,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    from_status,
)
from kube.metrics import RequestMetrics

CONNECT_SECONDS: Final = 10.0
ATTEMPTS: Final = 5
STREAM_BUFFER_BYTES: Final = 1 << 21
"""A line of a watch may be twice this; objects are limited to about 1.5 MiB by the server's store."""
MAX_OBJECT_BYTES: Final = 1 << 24
MAX_LIST_BYTES: Final = 1 << 30
_WHOLE_ANSWER: Final = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS)
_ACCEPT: Final = ("Accept", "application/json")


@dataclass(frozen=True)
class Request:
    """What is asked. `repeatable`: doing it twice does no more than doing it once."""

    verb: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    repeatable: bool = True
    max_bytes: int = MAX_OBJECT_BYTES

    def __str__(self) -> str:
        """For errors."""
        return f"{self.method} {self.path}"


class Transport:
    """Sends requests over a session to one server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connection: Connection,
        metrics: RequestMetrics,
        *,
        request_seconds: float,
        random: Random,
    ) -> None:
        self._session = session
        self._connection = connection
        self._metrics = metrics
        self._seconds = request_seconds
        self._random = random

    async def send(self, request: Request) -> bytes:
        """The body of the answer, within the time for a request, repeats included."""
        backoff: Backoff | None = None
        try:
            async with asyncio.timeout(self._seconds) as limit:
                for attempt in range(ATTEMPTS):
                    try:
                        return await self._attempt(request)
                    except KubeError as error:
                        backoff = backoff or Backoff(0.1, 5.0, self._random)
                        wait = max(backoff.next(), getattr(error, "retry_after", 0.0))
                        ends = asyncio.get_running_loop().time() + wait >= (limit.when() or 0.0)
                        if ends or attempt + 1 == ATTEMPTS or not _may_repeat(request, error):
                            raise
                    self._metrics.retries.labels(request.verb).inc()
                    await asyncio.sleep(wait)
                raise AssertionError("the last attempt returns or raises")
        except TimeoutError:
            raise Unreachable(f"{request}: no answer within {self._seconds:g} s") from None

    @asynccontextmanager
    async def stream(self, request: Request, silence_seconds: float) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of an answer as it comes; more than `silence_seconds` without a byte is `Unreachable`."""
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._opened(request, silence_seconds)
        except TimeoutError:
            raise Unreachable(f"{request}: no answer within {self._seconds:g} s") from None
        try:
            yield response.content
        finally:
            response.close()  # not release: an endless body can not be read to its end

    async def _attempt(self, request: Request) -> bytes:
        async with await self._opened(request, None) as response:
            return await _read(request, response)

    async def _opened(self, request: Request, silence_seconds: float | None) -> aiohttp.ClientResponse:
        """The answer's head, if it is a success; after a 401 once more, if there are other credentials."""
        access = await self._connection.access()
        try:
            return await self._once(request, access, silence_seconds)
        except Unauthorized:
            if not await self._connection.renew(access):
                raise
        return await self._once(request, await self._connection.access(), silence_seconds)

    async def _once(self, request: Request, access: Access, silence_seconds: float | None) -> aiohttp.ClientResponse:
        began, code = time.monotonic(), "error"
        try:
            response = await self._ask(request, access, silence_seconds)
            code = str(response.status)
            if response.status >= 300:
                raise await _refusal(request, response)
            return response
        finally:
            self._metrics.count(request.verb, code, time.monotonic() - began)

    async def _ask(self, request: Request, access: Access, silence_seconds: float | None) -> aiohttp.ClientResponse:
        headers = [*access.headers, _ACCEPT]
        if request.body is not None:
            headers.append(("Content-Type", request.content_type))
        with broken_as_unreachable(request):
            return await self._session.request(
                request.method,
                URL(f"{self._connection.server}{request.path}{_encoded(*request.query.items())}", encoded=True),
                headers=headers,
                data=request.body,
                ssl=access.tls or True,
                server_hostname=self._connection.server_name,
                proxy=self._connection.proxy,
                allow_redirects=False,  # a redirect would carry the token elsewhere
                timeout=_WHOLE_ANSWER
                if silence_seconds is None
                else aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=silence_seconds),
            )


@lru_cache(maxsize=256)
def _encoded(*query: tuple[str, str]) -> str:
    """A query as it ends a URL; most requests have one of a few."""
    return f"?{urlencode(query)}" if query else ""


class broken_as_unreachable:  # noqa: N801 - used as a statement; a generator would cost each request more than its work
    """Tell of what breaks while something is asked or read as `Unreachable`, of what is no HTTP as `BadAnswer`."""

    __slots__ = ("_what",)

    def __init__(self, what: object) -> None:
        """`what` is told in the error."""
        self._what = what

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Raise what it is told as."""
        match error:
            case None:
                return
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.ClientHttpProxyError():
                raise Unreachable(f"{self._what}: {error}", sent=False) from error
            case aiohttp.ClientResponseError() | HttpProcessingError() | ValueError():
                # A ValueError is a line longer than the buffer takes.
                raise BadAnswer(f"{self._what}: {error}") from error
            case aiohttp.ClientError() | OSError():
                raise Unreachable(f"{self._what}: {error!r}") from error


def _may_repeat(request: Request, error: KubeError) -> bool:
    match error:
        case TooManyRequests():
            return True
        case Unavailable():
            return request.repeatable
        case Unreachable(sent=sent):
            # Where nobody listens, an attempt at once meets nobody either: that wait is the caller's.
            return sent and request.repeatable
        case _:
            return False


async def _read(request: Request, response: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], response.content_length or 0
    if size <= request.max_bytes:
        size = 0
        with broken_as_unreachable(request):
            async for chunk in response.content.iter_any():
                chunks.append(chunk)
                size += len(chunk)
                if size > request.max_bytes:
                    break
    if size > request.max_bytes:
        raise BadAnswer(f"{request}: the answer is larger than {request.max_bytes} bytes")
    return b"".join(chunks)


async def _refusal(request: Request, response: aiohttp.ClientResponse) -> KubeError:
    async with response:
        if response.status < 400:
            return BadAnswer(f"{request}: HTTP {response.status} to {response.headers.get('Location')}, not followed")
        body = await _read(request, response)
    after = response.headers.get("Retry-After", "")
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A load balancer's page, not the API server's answer.
        status = Status(message=f"HTTP {response.status}: {body[:200].decode(errors='replace')}")
    return from_status(status, code=response.status, retry_after=float(after) if after.isdecimal() else 0.0)
