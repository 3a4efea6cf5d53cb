"""One extender, called over HTTP(S) the way kube-scheduler does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeVar

import aiohttp

from model.meta import JSON
from sandbox.scheduler import wire
from sandbox.scheduler.configuration import ExtenderSettings
from sandbox.scheduler.credentials import client_context
from sandbox.scheduler.views import Pod
from sandbox.scheduler.wire import AnswerError, Filtered

T = TypeVar("T")

_HEADERS: Final = {"Content-Type": "application/json"}


class ExtenderError(RuntimeError):
    """The call has failed: no connection, no answer in time, not status 200, an Error or nonsense in the answer."""


class Extender:
    """See the module."""

    def __init__(self, settings: ExtenderSettings, session: aiohttp.ClientSession) -> None:
        self.settings = settings
        self._session = session

    def interested_in(self, pod: Pod) -> bool:
        """Whether it manages all pods, or a resource that a container of this one asks for."""
        managed = self.settings.managed
        containers = (*(pod.spec.containers or ()), *(pod.spec.init_containers or ()))
        return not managed or any(managed & {*each.requests, *each.limits} for each in containers)

    async def filter(self, pod: JSON, nodes: Mapping[str, JSON]) -> Filtered:
        """Which of the nodes are left.

        Raises:
            ExtenderError: see there.
        """
        names_only = self.settings.node_cache_capable
        request = wire.nodes_request(pod, nodes, names_only=names_only)
        answer = await self._send(self.settings.filter_verb, request)
        return _read(lambda: wire.filter_answer(answer, nodes, names_only=names_only, who=self.settings.url))

    async def prioritize(self, pod: JSON, nodes: Mapping[str, JSON]) -> dict[str, int]:
        """How much it likes each node.

        Raises:
            ExtenderError: see there.
        """
        request = wire.nodes_request(pod, nodes, names_only=self.settings.node_cache_capable)
        answer = await self._send(self.settings.prioritize_verb, request)
        return _read(lambda: wire.prioritize_answer(answer))

    async def bind(self, pod: Pod, node: str) -> None:
        """Let it bind the pod.

        Raises:
            ExtenderError: see there.
        """
        request = wire.binding_request(pod.namespace, pod.name, pod.uid, node)
        answer = await self._send(self.settings.bind_verb, request)
        _read(lambda: wire.binding_answer(answer))

    async def preempt(self, pod: JSON, victims: Mapping[str, Sequence[JSON]]) -> dict[str, list[str]]:
        """On which of the nodes evicting helps, and the UIDs of whom.

        Raises:
            ExtenderError: see there.
        """
        request = wire.preemption_request(pod, victims, names_only=self.settings.node_cache_capable)
        answer = await self._send(self.settings.preempt_verb, request)
        return _read(lambda: wire.preemption_answer(answer))

    async def _send(self, verb: str, body: bytes) -> bytes:
        url = f"{self.settings.url}/{verb}"
        try:
            async with self._session.post(
                url, data=body, server_hostname=self.settings.tls.server_name or None
            ) as reply:
                if reply.status != 200:
                    raise ExtenderError(f"failed {verb} with extender at URL {url}, code {reply.status}")
                return await reply.read()
        except TimeoutError as error:
            why = f"no answer within {self.settings.timeout_seconds:g} s"
            raise ExtenderError(f'Post "{url}": {why}') from error
        except (aiohttp.ClientError, OSError) as error:
            raise ExtenderError(f'Post "{url}": {error}') from error


@asynccontextmanager
async def connected(settings: Sequence[ExtenderSettings]) -> AsyncIterator[list[Extender]]:
    """The extenders, each with connections of its own while the block runs.

    Raises:
        ConfigurationError: the TLS material of one can not be used.
    """
    async with AsyncExitStack() as stack:
        extenders = []
        for each in settings:
            connector = aiohttp.TCPConnector(ssl=await asyncio.to_thread(client_context, each))
            timeout = aiohttp.ClientTimeout(total=each.timeout_seconds)
            session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=_HEADERS)
            extenders.append(Extender(each, await stack.enter_async_context(session)))
        yield extenders


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except AnswerError as error:
        raise ExtenderError(str(error)) from error
