"""Answering gRPC calls on a socket of this machine, for drivers of our own.

What a handler raises becomes a code; what it was asked is logged without its secrets, and only when that is wanted.
"""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from google.protobuf.message import Message

from plugins.csi.connection import socket_path
from plugins.csi.wire import Answer, Method, Request, loggable
from plugins.errors import Exhausted, Failed, InDoubt, NotSupported, PluginError, StillInUse

log = structlog.get_logger()

GRACE_SECONDS: Final = 5.0
"""How long calls that run may still take when the server stops."""
_CODES: Final[tuple[tuple[type[PluginError], grpc.StatusCode], ...]] = (
    (Exhausted, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (StillInUse, grpc.StatusCode.FAILED_PRECONDITION),
    (NotSupported, grpc.StatusCode.UNIMPLEMENTED),
    (InDoubt, grpc.StatusCode.ABORTED),
    (PluginError, grpc.StatusCode.INTERNAL),
)


class Refused(Exception):  # noqa: N818 - named by what happened
    """A call is answered with a code."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Bound:
    """A call and who answers it."""

    method: Method[Any, Any]
    handler: Callable[[Any], Awaitable[Message]]


def bind(method: Method[Request, Answer], handler: Callable[[Request], Awaitable[Answer]]) -> Bound:
    """Answer this call so; the types are the call's."""
    return Bound(method, handler)


Observe = Callable[[str, str, float], None]
"""Told of every call that was answered: its name, its code, and how many seconds it took."""


def _unobserved(_name: str, _code: str, _seconds: float) -> None:
    """Nobody counts."""


@asynccontextmanager
async def serve(endpoint: str, calls: Iterable[Bound], observe: Observe = _unobserved) -> AsyncIterator[Path]:
    """Answer on the socket for as long as the block runs; the socket's path.

    Raises:
        Failed: the endpoint is no socket, or another process answers on it.
    """
    path = socket_path(endpoint)
    _make_way(path)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(_handlers(calls, observe))
    _listen(server, path)
    await server.start()
    try:
        yield path
    finally:
        await server.stop(GRACE_SECONDS)
        with suppress(FileNotFoundError):
            path.unlink()


def _listen(server: grpc.aio.Server, path: Path) -> None:
    # The socket is ours alone from its first moment on: a driver mounts for whoever may write to it.
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise Failed(f"can not listen on {path}: {error}") from None
    finally:
        os.umask(before)


def _make_way(path: Path) -> None:
    """Remove the socket that a process which is no more has left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if not path.is_socket():
                raise Failed(f"{path} is there, and is no socket") from None
            path.unlink()
            return
        except OSError as error:
            raise Failed(f"can not listen on {path}: {error.strerror}") from None
    raise Failed(f"another process answers on {path} already")


def _handlers(calls: Iterable[Bound], observe: Observe) -> list[grpc.GenericRpcHandler]:
    services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
    for call in calls:
        services.setdefault(call.method.service, {})[call.method.name] = grpc.unary_unary_rpc_method_handler(
            _answering(call, observe),
            request_deserializer=call.method.request.FromString,
            response_serializer=call.method.answer.SerializeToString,
        )
    return [grpc.method_handlers_generic_handler(service, methods) for service, methods in services.items()]


def _answering(call: Bound, observe: Observe) -> Callable[[Any, Any], Awaitable[Message]]:
    def answered_with(code: grpc.StatusCode, started: float, why: str = "") -> None:
        seconds = perf_counter() - started
        observe(call.method.name, code.name, seconds)
        more = {"why": why} if why else {}
        log.info("answered", call=call.method.name, code=code.name, seconds=round(seconds, 4), **more)

    async def answer(request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> Message:
        started, name = perf_counter(), call.method.name
        log.debug("asked", call=name, request=loggable(request))
        try:
            answered = await call.handler(request)
        except (Refused, PluginError) as error:
            code = _code(error)
            answered_with(code, started, str(error))
            await context.abort(code, str(error))
        except Exception:
            log.exception("failed", call=name)
            answered_with(grpc.StatusCode.INTERNAL, started)
            await context.abort(grpc.StatusCode.INTERNAL, f"{name} failed in a way that the driver did not expect")
        answered_with(grpc.StatusCode.OK, started)
        return answered

    return answer


def _code(error: Refused | PluginError) -> grpc.StatusCode:
    if isinstance(error, Refused):
        return error.code
    return next(code for kind, code in _CODES if isinstance(error, kind))
