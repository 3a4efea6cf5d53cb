"""Mutating webhooks: one after another, each on what the one before left, with at most one second look."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from model.meta import JSON
from sandbox.admission.webhooks.caller import Caller
from sandbox.admission.webhooks.dispatch import Dispatch, unasked
from sandbox.admission.webhooks.hooks import MUTATING, Hook, Hooks
from sandbox.admission.webhooks.review import CallError, shown
from sandbox.attributes import Attributes
from sandbox.conversion import from_stored, to_stored
from sandbox.errors import ApiError, internal, quote
from sandbox.kinds import Kind, Kinds
from sandbox.patch.operations import json_patch
from sandbox.rules import set_defaults
from sandbox.schema import DecodeError, decode, decode_as
from sandbox.store import Store


@dataclass
class SecondLook:
    """Who is to be asked again: hooks with reinvocationPolicy IfNeeded, if the object changed after their turn."""

    needed: bool = False
    """A webhook has changed the object."""
    _waiting: set[str] = field(default_factory=set)
    _again: set[str] = field(default_factory=set)

    def asked(self, hook: Hook, *, changed: bool) -> None:
        """A hook has had its turn. What it changed itself does not bring it back."""
        if changed:
            self.needed = True
            self._recall()
        if hook.reinvocation_policy == "IfNeeded":
            self._waiting.add(hook.key)

    def plugins_changed(self, changed: bool) -> None:
        """The built-in plugins have looked again."""
        if changed:
            self._recall()

    def includes(self, hook: Hook) -> bool:
        """Whether the hook is asked again. One that was passed over the first time never is."""
        return hook.key in self._again

    def _recall(self) -> None:
        self._again |= self._waiting
        self._waiting.clear()


class Mutating:
    """Asks the mutating webhooks in turn."""

    def __init__(self, store: Store, kinds: Kinds, caller: Caller) -> None:
        self._dispatch = Dispatch(store, kinds, caller, Hooks(store, MUTATING))

    async def ask(self, request: Attributes) -> tuple[Attributes, SecondLook]:
        """The request as the webhooks leave it, and who wants a second look.

        Raises:
            ApiError: one refuses, must be asked and can not be, or sends a patch that does not fit.
        """
        second = SecondLook()
        for hook in self._dispatch:
            request = await self._turn(hook, request, second)
        return request, second

    async def ask_again(self, request: Attributes, second: SecondLook) -> Attributes:
        """The request after the second look.

        Raises:
            ApiError: as `ask`.
        """
        for hook in self._dispatch:
            if second.includes(hook):
                request = await self._turn(hook, request, second)
        return request

    async def _turn(self, hook: Hook, request: Attributes, second: SecondLook) -> Attributes:
        kind = self._dispatch.version_for(hook, request)
        if kind is None:
            return request
        try:
            response = await self._dispatch.ask(hook, request, kind, mutating=True)
            operations = _operations(response.patch or b"[]")
        except CallError as error:
            if (failure := unasked(hook, error)) is not None:
                raise failure from error
            second.asked(hook, changed=False)
            return request
        changed = _patched(hook, request, kind, operations) if operations else request
        second.asked(hook, changed=changed.obj != request.obj)
        return changed


def _operations(patch: bytes) -> list[Any]:
    try:
        operations = orjson.loads(patch)
    except orjson.JSONDecodeError as error:
        raise CallError(f"received undecodable patch in webhook response: {error}") from error
    if operations is None:
        return []
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise CallError("received undecodable patch in webhook response: it is not a list of operations")
    return operations


def _patched(hook: Hook, request: Attributes, kind: Kind, operations: list[Any]) -> Attributes:
    """The request with the patch applied; one that does not fit fails it, whatever the hook's failurePolicy."""
    target = shown(request, kind, request.obj)
    if target is None:
        raise internal(
            f"admission webhook {quote(hook.name)} attempted to modify the object, "
            "which is not supported for this operation"
        )
    try:
        return request.with_object(_read(request, kind, json_patch(target, operations)))
    except (ApiError, DecodeError) as error:
        raise internal(str(error)) from error


def _read(request: Attributes, kind: Kind, value: Any) -> JSON:
    """What the patch left, as an object of the kind: unknown fields dropped, defaults filled in again."""
    if request.own_body:
        api_version, name = request.own_body
        return {**decode_as(api_version, name, value).value, "apiVersion": api_version, "kind": name}
    if not isinstance(value, dict):
        raise DecodeError("the patch leaves no object")
    obj = {**decode(kind, value).value, "apiVersion": kind.api_version, "kind": kind.kind}
    if kind != request.kind:
        obj = from_stored(request.kind, to_stored(kind, obj))
    set_defaults(request.kind, obj)
    return obj
