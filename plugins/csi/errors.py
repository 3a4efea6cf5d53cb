"""What a driver's answer means for the caller: gRPC codes as the kinds of `plugins.errors`.

Rule: the codes of the specification, and which of them Kubernetes' callers take for final.
"""

from collections.abc import Mapping
from typing import Final

from grpc import StatusCode
from grpc.aio import AioRpcError

from plugins.csi import wire
from plugins.csi.wire import Answer, Method, Request
from plugins.errors import Exhausted, Failed, InDoubt, NotSupported, PluginError, StillInUse

REPEATED: Final = frozenset({StatusCode.UNAVAILABLE, StatusCode.ABORTED})
"""Nobody was there to answer, or another call about the same volume runs: the same call a little later may succeed."""

_KINDS: Final[Mapping[StatusCode, type[PluginError]]] = {
    StatusCode.CANCELLED: InDoubt,
    StatusCode.DEADLINE_EXCEEDED: InDoubt,
    StatusCode.UNAVAILABLE: InDoubt,
    StatusCode.ABORTED: InDoubt,
    # Attaching and mounting go on being tried; only making something may look for another place.
    StatusCode.RESOURCE_EXHAUSTED: InDoubt,
    StatusCode.UNIMPLEMENTED: NotSupported,
}
_MAKING: Final = frozenset({wire.CREATE_VOLUME.name, wire.CREATE_SNAPSHOT.name})
_IN_USE: Final = frozenset(
    {
        wire.DELETE_VOLUME.name,
        wire.DELETE_SNAPSHOT.name,
        wire.PUBLISH.name,
        wire.CONTROLLER_EXPAND.name,
        wire.NODE_EXPAND.name,
    }
)
"""The calls that answer FAILED_PRECONDITION where something uses the volume."""
_MESSAGE_LENGTH: Final = 500


def kind_of(method: str, code: StatusCode) -> type[PluginError]:
    """How a call has ended that was answered with this code. What is not listed is over."""
    if code is StatusCode.RESOURCE_EXHAUSTED and method in _MAKING:
        return Exhausted
    if code is StatusCode.FAILED_PRECONDITION and method in _IN_USE:
        return StillInUse
    return _KINDS.get(code, Failed)


def error_of(method: Method[Request, Answer], error: AioRpcError) -> PluginError:
    """The error to raise, from the answer. Its message has no part of the request."""
    details = (error.details() or "")[:_MESSAGE_LENGTH]
    return kind_of(method.name, error.code())(f"{method.name}: {error.code().name}: {details}")


def code_of(error: BaseException) -> StatusCode | None:
    """The code that an error was made of; None where no driver has answered."""
    cause = error.__cause__
    return cause.code() if isinstance(cause, AioRpcError) else None
