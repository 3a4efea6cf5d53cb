"""What a client asked of the API server, recorded, and compared with what a role grants."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from deploy.rbac import Grant, Names
from kube.client import Client
from kube.transport import Request, Transport

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Call:
    """One request, as authorization sees it."""

    verb: str
    group: str
    plural: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.verb} {self.group}/{self.plural} {self.namespace}/{self.name}"


def call_of(request: Request) -> Call:
    _, root, *parts = request.path.split("/")
    group = "" if root == "api" else parts.pop(0)
    del parts[0]  # the version
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        _, namespace, *parts = parts
    plural, name, subresource = [*parts, "", ""][:3]
    name = name or request.query.get("fieldSelector", "").removeprefix("metadata.name=")
    verb = VERBS.get(request.method) or ("watch" if "watch" in request.query else "get" if len(parts) > 1 else "list")
    return Call(verb, group, f"{plural}/{subresource}" if subresource else plural, namespace, name)


class Recorder:
    """A transport that remembers what is sent."""

    def __init__(self, transport: Transport, calls: set[Call]) -> None:
        self._transport = transport
        self._calls = calls

    async def send(self, request: Request) -> bytes:
        self._calls.add(call_of(request))
        return await self._transport.send(request)

    @asynccontextmanager
    async def stream(self, request: Request, silence_seconds: float) -> AsyncIterator[aiohttp.StreamReader]:
        self._calls.add(call_of(request))
        async with self._transport.stream(request, silence_seconds) as lines:
            yield lines


@contextmanager
def recorded(client: Client) -> Iterator[set[Call]]:
    """The calls that the client makes while the block runs."""
    calls: set[Call] = set()
    owner: Any = client
    transport = client._transport
    owner._transport = Recorder(transport, calls)
    try:
        yield calls
    finally:
        owner._transport = transport


def allows(grant: Grant, call: Call, names: Names) -> bool:
    return (
        call.verb in grant.verbs
        and (call.group, call.plural) == (grant.resource.group, grant.plural)
        and (not grant.names or call.name in grant.names)
        and grant.place.namespace(names) in ("", call.namespace)
    )


def forbidden(calls: Iterable[Call], grants: Iterable[Grant], names: Names) -> list[str]:
    """The calls that no grant allows."""
    granted = list(grants)
    return sorted(str(each) for each in calls if not any(allows(grant, each, names) for grant in granted))


def idle(calls: Iterable[Call], grants: Iterable[Grant], names: Names) -> list[str]:
    """What is granted and was not used. An informer may list where it watches: it does so when a stream is refused."""
    made = set(calls)
    made |= {replace(each, verb="list") for each in made if each.verb == "watch"}
    return sorted(
        f"{verb} {grant.plural} {name}".strip()
        for grant in grants
        if not grant.silent
        for verb in grant.verbs
        for name in grant.names or ("",)
        if not any(each.verb == verb and allows(grant, each, names) and name in ("", each.name) for each in made)
    )
