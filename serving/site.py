"""Listening: one application on one address, drained when the block ends."""

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from serving.http import UNDER_WAY


class ListenError(ValueError):
    """The address can not be listened on; the message names it and the fix."""


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; `:PORT` is every address.

    Raises:
        ListenError: another form, or no port number.
    """
    host, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ListenError(f"--listen {text!r}: expected HOST:PORT, like 127.0.0.1:8443 (port 0 asks for a free one)")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - `:PORT` asks for every address


def is_loopback(host: str) -> bool:
    """Whether the host is a loopback address or localhost: the only ones for plain HTTP."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@asynccontextmanager
async def serve(
    app: web.Application,
    listen: str = "127.0.0.1:0",
    tls: ssl.SSLContext | None = None,
    *,
    drain_seconds: float = 10.0,
) -> AsyncIterator[str]:
    """Serve the application while the block runs; yields its URL.

    At the end no new connection is taken and requests under way have `drain_seconds`.

    Raises:
        ListenError: the address is taken or not ours, or it is plain HTTP beyond loopback.
    """
    host, port = parse_listen(listen)
    if tls is None and not is_loopback(host):
        raise ListenError(f"--listen {listen}: plain HTTP is served on loopback addresses only; give a certificate")
    # Idle scheduler connections must outlive its own 90 s, or its next POST meets a closing socket.
    clean_up = drain_seconds / 2 if UNDER_WAY in app else drain_seconds
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=600.0, shutdown_timeout=clean_up)
    await runner.setup()
    try:
        site = web.SockSite(runner, _bind(host, port), ssl_context=tls, backlog=1024)
        await site.start()
        bound = runner.addresses[0]
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        try:
            yield f"{'https' if tls else 'http'}://{shown}:{bound[1]}"
        finally:
            await site.stop()
            # The runner's own clean-up waits for answers, but reads nothing more: bodies have to be there before.
            if UNDER_WAY in app:
                await app[UNDER_WAY].end(drain_seconds / 2)
    finally:
        await runner.cleanup()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ListenError(f"can not listen on {host}:{port}: {error.strerror or error}") from error
    return listener
