"""A connection to a driver's socket: calls with a deadline, repeated within it where that may help.

Every call of the protocol can be repeated with the same arguments. So a driver that is being restarted, or is busy with
the same volume, is asked again until the deadline; what is then unknown stays in doubt.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import grpc
import grpc.aio
import structlog

from plugins.csi import wire
from plugins.csi.errors import REPEATED, error_of
from plugins.csi.wire import Answer, Method, Request
from plugins.errors import Failed

log = structlog.get_logger()

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_MESSAGE_BYTES: Final = 32 << 20
"""A listing of some ten thousand volumes in one answer."""
_OPTIONS: Final = (
    ("grpc.default_authority", "localhost"),  # drivers refuse what they can not parse, such as an escaped path
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # or a new connection would wait for what an older one has failed to reach
)
_PAGED: Final = frozenset({wire.LIST_VOLUMES.name, wire.LIST_SNAPSHOTS.name})
"""Where ABORTED means that the page is gone: repeating the call does not bring it back."""
_GO_NAMES: Final = {code: code.name.title().replace("_", "") for code in grpc.StatusCode} | {
    grpc.StatusCode.OK: "OK",
    grpc.StatusCode.CANCELLED: "Canceled",
}
"""Codes as the sidecars of Kubernetes count them: `DeadlineExceeded`."""
Observe = Callable[[str, str, float], None]
"""Told of every attempt of a call: its path, its code, and how many seconds it took."""


def _unobserved(_method: str, _code: str, _seconds: float) -> None:
    """Nobody counts."""


class Connection:
    """One driver. It connects when it is first used, and again when the driver comes back."""

    def __init__(self, channel: grpc.aio.Channel, endpoint: str, observe: Observe = _unobserved) -> None:
        self._channel = channel
        self._observe = observe
        self.endpoint = endpoint

    @property
    def connected(self) -> bool:
        """Whether it is connected now; if not, it begins to connect."""
        return self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY

    async def call(self, method: Method[Request, Answer], request: Request, seconds: float) -> Answer:
        """The driver's answer.

        Raises:
            PluginError: there is none, of the kind that the code says.
        """
        send = self._channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        deadline, pause = monotonic() + seconds, _FIRST_PAUSE_SECONDS
        while True:
            begun = monotonic()
            try:
                answer: Answer = await send(request, timeout=max(deadline - begun, 0.001))
            except grpc.aio.AioRpcError as error:
                self._observe(method.path, _GO_NAMES[error.code()], monotonic() - begun)
                again = error.code() in REPEATED and not (
                    method.name in _PAGED and error.code() is grpc.StatusCode.ABORTED
                )
                if not again or monotonic() + pause >= deadline:
                    raise error_of(method, error) from error
                log.debug("driver is asked again", call=method.name, code=error.code().name)
            else:
                self._observe(method.path, "OK", monotonic() - begun)
                return answer
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


@asynccontextmanager
async def connect(endpoint: str, observe: Observe = _unobserved) -> AsyncIterator[Connection]:
    """A connection for as long as the block runs.

    Raises:
        Failed: the endpoint is no socket of this machine.
    """
    async with grpc.aio.insecure_channel(target(endpoint), options=_OPTIONS) as channel:
        yield Connection(channel, endpoint, observe)


def target(endpoint: str) -> str:
    """The endpoint as gRPC reads it: `unix:///path`, `unix:path` or the path alone.

    Raises:
        Failed: it is something else: CSI has no TLS, so it never leaves the machine.
    """
    path = socket_path(endpoint)
    return f"unix:{path}"


def socket_path(endpoint: str) -> Path:
    """The file of a socket.

    Raises:
        Failed: it is no absolute path, or too long for a socket.
    """
    path = endpoint.removeprefix("unix:").removeprefix("//")
    if not path.startswith("/") or "\0" in path:
        raise Failed(f"{endpoint!r} is no endpoint of a driver: expected unix:///path/of/csi.sock")
    if len(path.encode()) > _SOCKET_PATH_BYTES:
        raise Failed(f"{endpoint!r} is longer than the {_SOCKET_PATH_BYTES} bytes that a socket's path may have")
    return Path(path)


_SOCKET_PATH_BYTES: Final = 107
