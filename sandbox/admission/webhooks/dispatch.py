"""What both kinds of webhooks have in common: one hook asked, and its answer read."""

import uuid
from collections.abc import Iterator

import structlog

from sandbox.admission.webhooks import review
from sandbox.admission.webhooks.caller import Caller
from sandbox.admission.webhooks.hooks import Hook, Hooks
from sandbox.admission.webhooks.matching import version_for
from sandbox.admission.webhooks.review import CallError, Response
from sandbox.attributes import Attributes
from sandbox.errors import ApiError, bad_request, internal, quote
from sandbox.kinds import Kind, Kinds
from sandbox.store import Store

log = structlog.get_logger()


class Dispatch:
    """Asks single webhooks."""

    def __init__(self, store: Store, kinds: Kinds, caller: Caller, hooks: Hooks) -> None:
        self._store, self._kinds, self._caller, self._hooks = store, kinds, caller, hooks

    def __iter__(self) -> Iterator[Hook]:
        return iter(self._hooks)

    def version_for(self, hook: Hook, request: Attributes) -> Kind | None:
        """The kind under which the hook wants to see the request, or None."""
        return version_for(hook, request, self._store, self._kinds)

    async def ask(self, hook: Hook, request: Attributes, kind: Kind, *, mutating: bool) -> Response:
        """The answer of a webhook that allows the request; its warnings go to the client either way.

        Raises:
            CallError: it could not be asked.
            ApiError: it refuses, or would not stay without effect in a dry run.
        """
        if request.call.dry_run and hook.side_effects not in ("None", "NoneOnDryRun"):
            raise bad_request(f"admission webhook {quote(hook.name)} does not support dry run")
        if review.VERSION not in hook.admission_review_versions:
            raise CallError(
                "could not create admission objects: webhook does not accept known AdmissionReview versions (v1)"
            )
        uid = str(uuid.uuid4())
        body = await self._caller.call(hook, review.question(uid, request, kind))
        response = review.answer(uid, body, mutating=mutating)
        request.call.warnings.extend(response.warnings or ())
        if not response.allowed:
            raise review.denial(hook.name, response.status)
        return response


def unasked(hook: Hook, error: CallError) -> ApiError | None:
    """What becomes of a request about which the webhook could not be asked: its failure, or None to go on."""
    why = f"failed calling webhook {quote(hook.name)}: {error}"
    if hook.ignorable:
        log.warning("webhook not asked, request let through", webhook=hook.name, error=str(error))
        return None
    return internal(why)
