"""Commands of the system and of others: no shell, limited output, a deadline that also ends what they started.

Each runs in a process group of its own. At the deadline the group gets SIGTERM and, after a grace, SIGKILL. A command
that ends by itself may leave a daemon behind (a file system in user space does): that one is left alone, even where it
holds on to the output.
"""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from plugins.errors import Failed, InDoubt

_CHUNK: Final = 65536
_DRAIN_SECONDS: Final = 1.0
"""How long output may still come after the command has ended."""
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What commands inherit: tokens and addresses in our environment are not theirs."""


@dataclass(frozen=True)
class Limits:
    """What a command may take."""

    seconds: float = 120.0
    grace_seconds: float = 10.0
    """Between SIGTERM and SIGKILL."""
    output_bytes: int = 1 << 20


@dataclass(frozen=True)
class Ended:
    """How a command ended. Its arguments are not kept: they may hold secrets."""

    code: int
    """The exit code; negative for the signal that ended it."""
    output: bytes
    """Standard output and standard error together."""
    timed_out: bool = False
    too_long: bool = False
    """The output was more than the limit; the rest was dropped."""


def environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The part of the environment that commands get."""
    environ = os.environ if environ is None else environ
    return {name: environ[name] for name in _ENVIRONMENT if name in environ}


async def run(argv: Sequence[str], limits: Limits | None = None) -> Ended:
    """Run it to its end. Where we are cancelled, it ends with us.

    Raises:
        OSError: it can not be started.
    """
    limits = limits or Limits()
    output = _Output(limits.output_bytes)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=DEVNULL,
            stdout=output.write_end,
            stderr=output.write_end,
            env=environment(),
            start_new_session=True,
        )
        output.follow()
        timed_out = await _finish(process, limits)
        await output.drained()
    finally:
        output.close()
    return Ended(process.returncode or 0, bytes(output.kept), timed_out, output.dropped)


async def checked(argv: Sequence[str], limits: Limits | None = None) -> bytes:
    """Run a command whose arguments are no secret, and that must succeed; its output.

    Raises:
        Failed: it can not be started, or says that it failed.
        InDoubt: it did not end in time.
    """
    try:
        ended = await run(argv, limits)
    except OSError as error:
        raise Failed(f"can not run {argv[0]}: {error.strerror or error}") from None
    if ended.timed_out:
        raise InDoubt(f"{' '.join(argv)} did not end in time")
    if ended.code:
        raise Failed(f"{' '.join(argv)} ended with {ended.code}: {text(ended.output)}")
    return ended.output


def text(output: bytes) -> str:
    """The end of an output, fit for an event."""
    return output.decode(errors="replace").strip()[-500:]


class _Output:
    """A pipe of our own: asyncio's would keep a command from having ended for as long as a daemon of it writes."""

    def __init__(self, limit: int) -> None:
        self.kept = bytearray()
        self.dropped = False
        self._limit = limit
        self._all = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)

    def follow(self) -> None:
        """Read from now on, once the command has its end."""
        self._close_ours()
        self._loop.add_reader(self._read_end, self._read)

    async def drained(self) -> None:
        """Wait for the rest of what was written."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._all.wait()

    def close(self) -> None:
        self._close_ours()
        self._loop.remove_reader(self._read_end)
        os.close(self._read_end)

    def _close_ours(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def _read(self) -> None:
        """Read on past the limit, so that the command never waits for us."""
        chunk = os.read(self._read_end, _CHUNK)
        room = self._limit - len(self.kept)
        self.kept += chunk[:room]
        self.dropped = self.dropped or len(chunk) > room
        if not chunk:
            self._loop.remove_reader(self._read_end)
            self._all.set()


async def _finish(process: asyncio.subprocess.Process, limits: Limits) -> bool:
    """Wait for the end, and see to it at the deadline; whether that was needed."""
    try:
        if await _ends_within(process, limits.seconds):
            return False
        _signal(process.pid, signal.SIGTERM)
        await _ends_within(process, limits.grace_seconds)
        # Also what the command started: its group's number stays taken while one process of it is left.
        _signal(process.pid, signal.SIGKILL)
        await process.wait()
    except asyncio.CancelledError:
        _signal(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return True


async def _ends_within(process: asyncio.subprocess.Process, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await process.wait()
            return True
    return False


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
