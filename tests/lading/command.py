"""The command as a person uses it: a process of its own, with a home of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0


@dataclass
class Running:
    """A command that goes on."""

    process: asyncio.subprocess.Process
    lines: list[str]
    """What it has answered so far."""

    @property
    def url(self) -> str:
        """What it said that it listens on."""
        return next(line.removeprefix("listening ") for line in self.lines if line.startswith("listening "))

    async def line(self, beginning: str) -> str:
        """The next line that begins so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                read = (await self.process.stdout.readline()).decode()
                assert read, f"it ended with {await self.process.wait()} before it said {beginning!r}"
                self.lines.append(read.rstrip("\n"))
                if self.lines[-1].startswith(beginning):
                    return self.lines[-1]

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(number)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


async def lading(*arguments: str, home: Path, stdin: str = "") -> tuple[int, str, str]:
    """Run a command to its end: exit status, standard output, standard error."""
    process = await _start(arguments, home, asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            out, err = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@asynccontextmanager
async def running(*arguments: str, home: Path, until: str = "listening ") -> AsyncIterator[Running]:
    """A command while the block runs, from when it has said a line that begins with `until`."""
    with (home / f"{arguments[0]}.log").open("ab") as log:
        process = await _start(arguments, home, log.fileno())
    command = Running(process, [])
    try:
        if until:
            await command.line(until)
        yield command
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _start(arguments: tuple[str, ...], home: Path, errors: int) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), "TMPDIR": str(home)}
    if kubeconfig := os.environ.get("KUBECONFIG"):
        environment["KUBECONFIG"] = kubeconfig
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lading", *arguments, stdin=pipe, stdout=pipe, stderr=errors, env=environment, cwd=home
    )
