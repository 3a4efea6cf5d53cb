"""Ports on loopback that are ours before a server listens on them.

A free port that is looked up and closed again may be taken by the time that a server binds it. Here the port stays
bound, without listening, and the server binds it too (SO_REUSEPORT, which the servers have options for); nobody else
is given it by the system.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def reserved(count: int) -> Iterator[tuple[int, ...]]:
    """So many ports for servers that share ports, while the block runs."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_bound()).getsockname()[1] for _ in range(count))


def _bound() -> socket.socket:
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((LOOPBACK, 0))
    return holder
