"""The application: each request identified, dispatched by verb, answered in time, errors as Status objects."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from sandbox.api import Api
from sandbox.attributes import User
from sandbox.bodies import Body, parse
from sandbox.errors import ApiError, internal, method_not_allowed, timeout, too_large
from sandbox.http import answers
from sandbox.http.identity import Identities
from sandbox.http.meta import Meta
from sandbox.http.reading import read_collection, read_one
from sandbox.http.reviews import REVIEWS, review
from sandbox.http.streaming import stream
from sandbox.http.target import WARNINGS, Query, Target, parse_target
from sandbox.http.writing import create, delete, delete_collection, patch, update
from serving.http import BODY_SECONDS, read_body

log = structlog.get_logger()

MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""What the real server reads of a body."""
DEADLINE_SECONDS: Final = 60.0
READ_SECONDS: Final = 30.0

Handler = Callable[[Api, web.Request, Target, Query, User], Awaitable[web.StreamResponse]]

_ON_OBJECT: Final[dict[str, tuple[str, Handler]]] = {
    "GET": ("get", read_one),
    "PUT": ("update", update),
    "PATCH": ("patch", patch),
    "DELETE": ("delete", delete),
    "POST": ("create", create),
}
_ON_COLLECTION: Final[dict[str, tuple[str, Handler]]] = {
    "GET": ("list", read_collection),
    "POST": ("create", create),
    "DELETE": ("deletecollection", delete_collection),
}


class ApiServer:
    """The HTTP side of an `Api`."""

    def __init__(self, api: Api, identities: Identities, registry: CollectorRegistry, stopping: asyncio.Event) -> None:
        """`stopping` ends the watches that are open."""
        self._api, self._identities, self._stopping = api, identities, stopping
        self._meta = Meta(api.kinds, registry)
        self._requests = Counter("lading_sandbox_requests", "Requests answered.", ["verb", "code"], registry=registry)

    def application(self) -> web.Application:
        """The application to serve."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app[BODY_SECONDS] = READ_SECONDS
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        verb = "other"
        warnings = request[WARNINGS] = list[str]()
        answer: web.StreamResponse
        try:
            if self._meta.is_open(request.path):
                answer = self._meta.answer_open(request)
            else:
                verb, answer = await self._answer(request)
        except ApiError as error:
            answer = answers.failure(error, warnings)
        except web.HTTPRequestEntityTooLarge:
            answer = answers.failure(too_large(MAX_BODY_BYTES))
        except web.HTTPRequestTimeout as error:
            answer = answers.failure(ApiError(408, "Timeout", error.text or "the body did not arrive in time"))
        except TimeoutError:
            answer = answers.failure(timeout("request did not complete within the allotted timeout"))
        except ConnectionError:
            answer = answers.failure(ApiError(400, "BadRequest", "the connection ended before the request did"))
        except Exception:  # the last guard: one request must not end the server
            incident = secrets.token_hex(4)
            log.exception("request failed", method=request.method, path=request.path, incident=incident)
            answer = answers.failure(internal(f"see the server's log, incident {incident}"))
        self._requests.labels(verb, str(answer.status)).inc()
        return answer

    async def _answer(self, request: web.Request) -> tuple[str, web.StreamResponse]:
        user = self._identities.identify(request)
        if self._meta.knows(request.path):
            return "discovery", self._meta.answer(request)
        query = Query(request)
        if (reviewed := REVIEWS.get(request.path)) is not None and request.method == "POST":
            body = await self._body(request)
            return "review", answers.plain(review(reviewed, body.value, user), 201)
        target = parse_target(request.path, self._api.kinds)
        if request.method == "GET" and (target.watch or query.flag("watch")):
            return "watch", await stream(self._api, request, target, query, self._stopping)
        verb, handler = self._handler(request.method, target)
        async with asyncio.timeout(DEADLINE_SECONDS):
            return verb, await handler(self._api, request, target, query, user)

    @staticmethod
    async def _body(request: web.Request) -> Body:
        return parse(await read_body(request), request.content_type)

    @staticmethod
    def _handler(method: str, target: Target) -> tuple[str, Handler]:
        found = (_ON_OBJECT if target.name else _ON_COLLECTION).get(method)
        if found is None:
            raise method_not_allowed()
        verb, handler = found
        subresource = target.kind.subresource(target.subresource) if target.subresource else None
        verbs = subresource.verbs if subresource else target.kind.verbs
        on_named = method == "POST" and target.name and not subresource
        if verb not in verbs or on_named:
            raise method_not_allowed()
        if target.kind.namespaced and not target.namespace and verb == "create":
            raise method_not_allowed()
        return verb, handler
