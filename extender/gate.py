"""Back-pressure: so many bytes are read at once, and nothing is judged for a caller that has given up."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

BYTES_AT_ONCE: Final = 512 << 20
"""Of bodies being read. A scheduler sends one at a time, of about 50 MB at the most."""
UNANNOUNCED_BYTES: Final = 1 << 20
"""What a body without Content-Length is taken for."""
ANSWER_SECONDS: Final = 5.0
"""By when a caller is taken to have given up: the scheduler's default httpTimeout."""


class Gate:
    """Who may come in. It counts bytes, not calls: a thousand that send nothing keep nobody out."""

    def __init__(self, bytes_at_once: int = BYTES_AT_ONCE, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._bytes_at_once = bytes_at_once
        self._answer_seconds = answer_seconds
        self._inside = 0

    @contextmanager
    def admitted(self, request: web.Request) -> Iterator[None]:
        """Let a call in while the block reads it.

        Raises:
            web.HTTPServiceUnavailable: too much is being read, or it took so long that nobody waits for the answer.
        """
        size = UNANNOUNCED_BYTES if request.content_length is None else request.content_length
        if self._inside and self._inside + size > self._bytes_at_once:
            raise web.HTTPServiceUnavailable(text="too much is being read already, try again")
        began = asyncio.get_running_loop().time()
        self._inside += size
        try:
            yield
        finally:
            self._inside -= size
        if asyncio.get_running_loop().time() - began > self._answer_seconds:
            raise web.HTTPServiceUnavailable(
                text=f"the request took more than {self._answer_seconds:g} s to arrive: it is not judged any more"
            )
        if request.transport is None or request.transport.is_closing():
            raise web.HTTPServiceUnavailable(text="the caller is gone")
