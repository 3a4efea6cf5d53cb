"""Follow one resource for ever: list, watch from there, list again where the server has forgotten the version.

Reconnecting costs nothing that was shown already: the watch goes on from the last version, and a new list is compared
with what is known. Source: "Efficient detection of changes" and "Streaming lists" in "Kubernetes API Concepts".
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Final, Generic, NoReturn, Protocol, TypeVar

import structlog

from kube.backoff import Backoff
from kube.client import SILENCE_SECONDS, Client, Events
from kube.decode import Bookmark, Deleted, Shown, Unreadable
from kube.errors import (
    BadRequest,
    ConfigError,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    ServerTimeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from kube.store import as_number
from model.meta import Object
from model.resources import ObjectT, Resource

log = structlog.get_logger()

ShownT_contra = TypeVar("ShownT_contra", bound=Object, contravariant=True)


class Sink(Protocol[ShownT_contra]):
    """Who takes in what the reflector sees."""

    def heard(self) -> None:
        """The server said something."""

    def replace(self, items: Collection[ShownT_contra], unreadable: Collection[Object], version: str) -> None:
        """This is all there is, at this version."""

    def show(self, obj: ShownT_contra) -> None:
        """An object was added or changed."""

    def remove(self, obj: Object) -> None:
        """An object is gone."""

    def reach(self, version: str) -> None:
        """All up to this version has been shown."""


@dataclass(frozen=True)
class Timing:
    """How patient a reflector is, all in seconds."""

    backoff_initial: float = 0.8
    backoff_maximum: float = 30.0
    server: tuple[int, int] = (300, 600)
    """The server is asked to end a watch after a time drawn from this range."""
    silence: float = SILENCE_SECONDS
    """A watch without a word for so long is dead."""
    quiet: float = 10.0
    """After such a pause in a streamed list, without its end mark, the server is taken not to know streamed lists."""
    healthy: float = 1.0
    """A watch that ends sooner, and brought nothing, counts as a failure."""


class _NotStreamedError(Exception):
    """The server does not know streamed lists."""


class Reflector(Generic[ObjectT]):
    """Follows one resource, perhaps narrowed by selectors, and tells a sink."""

    def __init__(
        self,
        client: Client,
        resource: Resource[ObjectT],
        sink: Sink[ObjectT],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        streaming: bool = True,
        timing: Timing,
        random: Random,
    ) -> None:
        """`streaming` asks for lists as streams, which cost the server less, until it turns out not to know them."""
        self.fault: KubeError | None = None
        """What went wrong last, None while all is well."""
        self._client = client
        self._resource = resource
        self._sink = sink
        self._scope = {"namespace": namespace, "labels": labels, "fields": fields}
        self._streaming = streaming
        self._timing = timing
        self._random = random
        self._backoff = Backoff(timing.backoff_initial, timing.backoff_maximum, random)
        self._version: str | None = None
        self._fruitful = False
        self._faults = client.metrics.caches.faults.labels(resource.plural)
        self._lists = client.metrics.caches.lists.labels(resource.plural)
        self._log = log.bind(resource=resource.plural)

    async def run(self) -> NoReturn:
        """List and watch for ever."""
        now = asyncio.get_running_loop().time
        while True:
            began, self._fruitful, well = now(), False, True
            try:
                await self._round()
            except KubeError as error:
                self._note(error)
                well = False
            if self._fruitful or now() - began >= self._timing.healthy:
                self._backoff.reset()
            else:
                well = False
            if not well:
                await asyncio.sleep(self._backoff.next())

    async def _round(self) -> None:
        """Until the server ends the watch."""
        if self._version is None and self._streaming:
            try:
                await self._streamed()
            except _NotStreamedError as reason:
                self._log.info("lists are not streamed by this server", reason=str(reason))
                self._streaming = False
            else:
                return
        if self._version is None:
            page = await self._client.snapshot(self._resource, **self._scope)
            self._replace(page.items, page.unreadable, page.version)
        async with self._watch(self._version or "", streamed_list=False) as events:
            await self._follow(events)

    async def _streamed(self) -> None:
        """One stream that lists first and then goes on."""
        try:
            async with self._watch("", streamed_list=True) as events:
                await self._collect(events)
                await self._follow(events)
        except (BadRequest, Invalid) as error:
            if self._version is not None:
                raise
            raise _NotStreamedError(str(error)) from error

    @asynccontextmanager
    async def _watch(self, version: str, *, streamed_list: bool) -> AsyncIterator[Events[ObjectT]]:
        async with self._client.watch(
            self._resource,
            **self._scope,
            version=version,
            streamed_list=streamed_list,
            server_seconds=self._random.randint(*self._timing.server),
            silence_seconds=self._timing.silence,
        ) as events:
            self._sink.heard()
            yield events

    async def _collect(self, events: Events[ObjectT]) -> None:
        """The initial events of a streamed list, up to its end mark."""
        items: dict[str, ObjectT] = {}
        unreadable: dict[str, Object] = {}
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._timing.quiet) as limit:
                async for event in events:
                    limit.reschedule(now() + self._timing.quiet)
                    match event:
                        case Shown(object=obj):
                            items[obj.key] = obj
                        case Unreadable(object=rest):
                            unreadable[rest.key] = rest
                        case Deleted(object=rest):
                            items.pop(rest.key, None)
                        case Bookmark(version=version, complete=True):
                            return self._replace(items.values(), unreadable.values(), version)
        except TimeoutError:
            raise _NotStreamedError(f"no end of the list, and silence for {self._timing.quiet:g} s") from None
        raise _NotStreamedError("the stream ended before the list did")

    def _replace(self, items: Collection[ObjectT], unreadable: Collection[Object], version: str) -> None:
        self._lists.inc()
        self._sink.heard()
        self._sink.replace(items, unreadable, version)
        self._version = version

    async def _follow(self, events: Events[ObjectT]) -> None:
        """The changes, until the server ends the stream."""
        self.fault = None
        async for event in events:
            self._sink.heard()
            match event:
                case Shown(object=obj):
                    self._sink.show(obj)
                    self._move(obj)
                case Deleted(object=rest):
                    self._sink.remove(rest)
                    self._move(rest)
                case Unreadable(object=rest):
                    self._move(rest)
                case Bookmark(version=version):
                    self._sink.reach(version)
                    self._version = version

    def _move(self, obj: Object) -> None:
        self._fruitful = True
        version = obj.metadata.resource_version
        # Old servers show a deleted object at the version of its last change: going on from there would repeat events.
        if as_number(version) >= as_number(self._version or ""):
            self._version = version

    def _note(self, error: KubeError) -> None:
        self._faults.inc()
        self.fault = error
        lost = not isinstance(error, _PASSING)
        if lost:
            # The version is forgotten, or does not lead past what stands in the way: a list does.
            self._version = None
        level = self._log.info if isinstance(error, Gone) else self._log.warning
        level("watch failed", error=str(error), lists_again=lost)


_PASSING: Final = (
    ConfigError,
    Forbidden,
    ServerTimeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
"""Faults after which the watch can go on from where it was."""
