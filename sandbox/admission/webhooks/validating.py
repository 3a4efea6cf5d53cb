"""Validating webhooks: all at once; the first refusal, in their order, is the answer."""

import asyncio

from sandbox.admission.webhooks.caller import Caller
from sandbox.admission.webhooks.dispatch import Dispatch, unasked
from sandbox.admission.webhooks.hooks import VALIDATING, Hook, Hooks
from sandbox.admission.webhooks.review import CallError
from sandbox.attributes import Attributes
from sandbox.errors import ApiError
from sandbox.kinds import Kind, Kinds
from sandbox.store import Store


class Validating:
    """Asks all validating webhooks."""

    def __init__(self, store: Store, kinds: Kinds, caller: Caller) -> None:
        self._dispatch = Dispatch(store, kinds, caller, Hooks(store, VALIDATING))

    async def ask(self, request: Attributes) -> None:
        """Let every webhook that wants to see the request have its say.

        Raises:
            ApiError: one refuses, or must be asked and can not be.
        """
        versions = [(hook, self._dispatch.version_for(hook, request)) for hook in self._dispatch]
        wanted = [(hook, kind) for hook, kind in versions if kind is not None]
        if not wanted:
            return
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._objection(hook, request, kind)) for hook, kind in wanted]
        for objection in asked:
            if (error := objection.result()) is not None:
                raise error

    async def _objection(self, hook: Hook, request: Attributes, kind: Kind) -> ApiError | None:
        try:
            await self._dispatch.ask(hook, request, kind, mutating=False)
        except CallError as error:
            return unasked(hook, error)
        except ApiError as error:
            return error
        return None
