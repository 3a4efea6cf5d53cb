"""The order in which plugins and webhooks see a request.

A webhook that changes the object brings the built-in plugins, and the webhooks before it that asked for that, a
second look; there is no third.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from model.meta import JSON
from sandbox.admission import plugins
from sandbox.admission.webhooks import Mutating, Validating, open_caller
from sandbox.attributes import Attributes
from sandbox.kinds import Kinds
from sandbox.store import Store


class Admission:
    """Asks all plugins and webhooks; see `open_admission`."""

    def __init__(self, store: Store, mutating: Mutating, validating: Validating) -> None:
        self._store, self._mutating, self._validating = store, mutating, validating

    async def mutate(self, request: Attributes) -> JSON:
        """The object of a create or an update as they change it.

        Raises:
            ApiError: one of them refuses, or a webhook that must be asked can not be.
        """
        request = await self._change(request)
        if request.obj is None:
            raise ValueError("a deletion has no object to change: ask admit_deletion")
        return request.obj

    async def validate(self, request: Attributes) -> None:
        """Ask who may only refuse, about the object as it is to be stored.

        Raises:
            ApiError: as `mutate`.
        """
        plugins.validate(self._store, request)
        await self._validating.ask(request)

    async def admit_deletion(self, request: Attributes) -> None:
        """Both phases of a request that has no object of its own.

        Raises:
            ApiError: as `mutate`.
        """
        await self._change(request)
        await self.validate(request)

    async def _change(self, request: Attributes) -> Attributes:
        request = plugins.mutate(self._store, request)
        request, second = await self._mutating.ask(request)
        if not second.needed:
            return request
        again = plugins.mutate(self._store, request)
        second.plugins_changed(again.obj != request.obj)
        return await self._mutating.ask_again(again, second)


@asynccontextmanager
async def open_admission(
    store: Store, kinds: Kinds, services: Mapping[str, str] | None = None
) -> AsyncIterator[Admission]:
    """Admission while the block runs; connections to webhooks end with it.

    `services` says where webhooks that name a service are reached: `namespace/name` to `host:port`. There is no
    cluster network that would know.
    """
    async with open_caller(services or {}) as caller:
        yield Admission(store, Mutating(store, kinds, caller), Validating(store, kinds, caller))
