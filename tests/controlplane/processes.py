"""A server as a process of its own: started, awaited until it is ready, stopped, and never left behind."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.controlplane.binaries import Binary
from tests.controlplane.guard import Guard
from tests.waiting import eventually

_READY_WITHIN_SECONDS: Final = 90.0
_STOPS_WITHIN_SECONDS: Final = 15.0
_SHOWN_LOG_BYTES: Final = 4_000

Ready = Callable[[], Awaitable[bool]]


class ServerError(Exception):
    """A server ended, or was not ready in time; the message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    binary: Binary
    log: Path
    """What it writes to standard output and error."""
    process: Process = field(repr=False)

    @property
    def pid(self) -> int:
        """Of the server itself, and of the process group that it leads."""
        return self.process.pid

    async def ended(self) -> ServerError:
        """Wait until it ends; what to say of it when nobody asked it to."""
        status = await self.process.wait()
        return self.error(f"ended with status {status}")

    def error(self, what: str) -> ServerError:
        """What happened to it, with the end of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _SHOWN_LOG_BYTES))
            shown = file.read().decode(errors="replace")
        return ServerError(f"{self.binary.name} {what}; the end of {self.log}:\n{shown}")


@asynccontextmanager
async def running(binary: Binary, flags: Sequence[str], log: Path, ready: Ready, guard: Guard) -> AsyncIterator[Server]:
    """The server while the block runs, from when it is ready.

    Raises:
        ServerError: it ended before it was ready, or took longer than 90 s.
    """
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            str(binary.path), *flags, stdin=DEVNULL, stdout=output, stderr=STDOUT, start_new_session=True
        )
    guard.add(process.pid)
    server = Server(binary, log, process)
    try:
        await _until(ready, server)
        yield server
    finally:
        await _stop(process)
        guard.remove(process.pid)


async def _until(ready: Ready, server: Server) -> None:
    async def is_ready() -> bool:
        if server.process.returncode is not None:
            raise await server.ended()
        return await ready()

    try:
        _ = await eventually(is_ready, within_seconds=_READY_WITHIN_SECONDS)
    except TimeoutError as error:
        raise server.error(f"is not ready after {_READY_WITHIN_SECONDS:g} s") from error


async def _stop(process: Process) -> None:
    try:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOPS_WITHIN_SECONDS):
                await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
