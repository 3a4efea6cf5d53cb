"""Events about objects, as `kubectl describe` shows them: aggregated, limited, written in the background.

They are core/v1 Events, named as client-go names them; those about cluster-scoped objects live in `default`.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Final, Literal, NoReturn

import msgspec
import structlog

from kube.backoff import Backoff
from kube.client import Client
from kube.correlation import Correlator, Decision, Said
from kube.errors import AlreadyExists, ConfigError, KubeError, NotFound, ServerError, TooManyRequests, Unreachable
from kube.rate import TokenBucket
from kube.times import moment
from model.meta import JSON, Object, ObjectReference
from model.resources import EVENTS, Resource

log = structlog.get_logger()

EventType = Literal["Normal", "Warning"]

TRIES: Final = 6
RATE: Final = 50.0
"""Events a second of one recorder, when more come than it may write at once. Each costs the API server and etcd some
milliseconds, which what they tell of needs, too."""
BURST: Final = 200
QUEUE_SIZE: Final = 5000
MESSAGE_LENGTH: Final = 1024
_NAME_LENGTH: Final = 253
_PASSING: Final = (ConfigError, ServerError, TooManyRequests, Unreachable)


class EventRecorder:
    """Takes events at once and writes them as it can; what does not fit is dropped and counted."""

    def __init__(
        self,
        client: Client,
        component: str,
        *,
        instance: str = "",
        queue_size: int = QUEUE_SIZE,
        rate: float = RATE,
        burst: int = BURST,
        backoff_seconds: tuple[float, float] = (0.5, 10.0),
        nanoseconds: Callable[[], int] = time.time_ns,
    ) -> None:
        """`component` is who reports, `instance` which one of several; `nanoseconds` is the wall clock.

        Of what is said at once `burst` events are written as fast as the server takes them, the others `rate` a second.
        """
        self._client = client
        self._component = component
        self._instance = instance
        self._queue: asyncio.Queue[Said] = asyncio.Queue(queue_size)
        self._correlator = Correlator()
        self._bucket = TokenBucket(rate, burst)
        self._backoff = Backoff(*backoff_seconds, Random())  # noqa: S311 - it spreads repeats, it guards nothing
        self._nanoseconds = nanoseconds
        self._last = 0
        self._results = client.metrics.events

    def event(
        self,
        about: Object,
        kind: Resource[Any],
        type: EventType,  # noqa: A002 - the API's word
        reason: str,
        message: str,
    ) -> None:
        """Say something about an object. Never blocks, never fails; to be called on the loop's thread."""
        reference = ObjectReference(
            kind.kind, about.namespace, about.name, about.uid, kind.api_version, about.metadata.resource_version
        )
        said = Said(reference, type, reason, message[:MESSAGE_LENGTH], time.monotonic(), self._now())
        try:
            self._queue.put_nowait(said)
        except asyncio.QueueFull:
            self._results.labels("dropped").inc()

    async def run(self) -> NoReturn:
        """Write for ever."""
        while True:
            decision = self._correlator.decide(await self._queue.get())
            if decision is None:
                self._results.labels("limited").inc()
            else:
                await asyncio.sleep(self._bucket.reserve(asyncio.get_running_loop().time()))
                await self._write(decision)

    async def _write(self, decision: Decision) -> None:
        body = self._body(decision)  # once, so that the name is the same at every try
        self._backoff.reset()
        fault = await self._try(decision, body)
        for _ in range(TRIES - 1):
            if not isinstance(fault, _PASSING):
                break
            await asyncio.sleep(self._backoff.next())
            fault = await self._try(decision, body)
        if fault:
            self._results.labels("failed").inc()
            about = decision.said.about
            log.warning("event not written", kind=about.kind, about=about.name, error=str(fault))

    async def _try(self, decision: Decision, body: JSON) -> KubeError | None:
        namespace = body["metadata"]["namespace"]
        try:
            if decision.entry.name and await self._recounted(decision, namespace):
                self._results.labels("counted").inc()
                return None
            with suppress(AlreadyExists):  # a try that seemed to fail had got through
                await self._client.create(EVENTS, body, namespace)
        except KubeError as error:
            return error
        self._correlator.wrote(decision, body["metadata"]["name"])
        self._results.labels("created").inc()
        return None

    async def _recounted(self, decision: Decision, namespace: str) -> bool:
        """Whether the earlier event was still there to count up: servers keep them for an hour or so."""
        said = decision.said
        change = {"count": decision.entry.count, "lastTimestamp": said.time, "message": said.message}
        try:
            await self._client.patch(EVENTS, decision.entry.name, change, namespace)
        except NotFound:
            return False
        return True

    def _body(self, decision: Decision) -> JSON:
        said, about = decision.said, decision.said.about
        suffix = f".{self._next():x}"
        return {
            "metadata": {
                "name": about.name[: _NAME_LENGTH - len(suffix)] + suffix,
                "namespace": about.namespace or "default",
            },
            "involvedObject": msgspec.to_builtins(about),
            "reason": said.reason,
            "message": said.message,
            "type": said.type,
            "count": decision.entry.count,
            "firstTimestamp": decision.entry.first,
            "lastTimestamp": said.time,
            "source": {"component": self._component, **({"host": self._instance} if self._instance else {})},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }

    def _next(self) -> int:
        """Nanoseconds since 1970, never twice the same."""
        self._last = max(self._last + 1, self._nanoseconds())
        return self._last

    def _now(self) -> str:
        return moment(self._nanoseconds())
