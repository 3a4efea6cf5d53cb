"""Programs as processes of their own, as an administrator runs them: killed, and started again in place."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.controlplane.guard import Guard
from tests.waiting import eventually

ROOT: Final = Path(__file__).parents[2]
LADING: Final = (sys.executable, "-m", "lading")
EVERYTHING: Final = ("--controllers", "*,snapshot-controller")
"""All controllers of a sidecar, those too that a cluster has once and not for each driver."""
_READY_WITHIN_SECONDS: Final = 60.0
_STOPS_WITHIN_SECONDS: Final = 30.0
_SHOWN_LOG_BYTES: Final = 4_000


@dataclass
class Program:
    """A program that runs until it is ended. One that says `listening URL` when it is ready is waited for."""

    command: Sequence[str]
    log: Path
    """What it writes to standard error, of all starts."""
    guard: Guard = field(repr=False)
    socket: Path | None = None
    """It is ready once this is there, and says nothing; None for one that says so."""
    url: str = ""
    """Where it said it listens."""
    _process: Process | None = field(default=None, repr=False)

    @property
    def runs(self) -> bool:
        """Whether it was started, and neither killed nor stopped since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Of its process, which runs."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        assert self._process is None, f"{self} runs already"
        if self.socket is not None:
            self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *self.command, cwd=ROOT, stdin=DEVNULL, stdout=PIPE, stderr=log, start_new_session=True
            )
        self.guard.add(process.pid)
        if self.socket is None:
            await self._until_listening(process)
        else:
            _ = await eventually(self._answers, within_seconds=_READY_WITHIN_SECONDS)

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """End it as asked; its status."""
        return await self._end(signal.SIGTERM)

    def complain(self) -> None:
        """Raise if it has ended unasked."""
        if self._process is not None and self._process.returncode is not None:
            raise AssertionError(f"{self} ended with {self._process.returncode}: {self.end_of_log()}")

    def end_of_log(self) -> str:
        """The last of what it complained of."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_SHOWN_LOG_BYTES:]

    def __str__(self) -> str:
        return " ".join(self.command[:4])

    async def _until_listening(self, process: Process) -> None:
        assert process.stdout is not None
        async with asyncio.timeout(_READY_WITHIN_SECONDS):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("listening "), f"{self} did not start: {line}{self.end_of_log()}"
        self.url = line.removeprefix("listening ").strip()

    def _answers(self) -> bool:
        self.complain()
        return self.socket is not None and self.socket.exists()

    async def _end(self, number: signal.Signals) -> int:
        self.complain()
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            async with asyncio.timeout(_STOPS_WITHIN_SECONDS):
                _ = await process.communicate()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        self.guard.remove(process.pid)
        assert process.returncode is not None
        return process.returncode


@asynccontextmanager
async def running(program: Program, *, clean: bool = True) -> AsyncIterator[Program]:
    """The program while the block runs; at the end it is asked to stop, and must do so `clean` unless it may not."""
    try:
        await program.start()
        yield program
    except BaseException:
        await program.kill()
        raise
    status = await program.stop()
    assert status == 0 or not clean, f"{program} ended with {status}: {program.end_of_log()}"


def hostpath(folder: Path, guard: Guard, *more: str) -> Program:
    """`lading csi-hostpath` whose socket, state and log are in the folder."""
    endpoint = ("--endpoint", f"unix://{folder}/csi.sock", "--state", str(folder / "state"))
    return Program((*LADING, "csi-hostpath", *endpoint, *more), folder / "csi-hostpath.log", guard)


def sidecar(folder: Path, guard: Guard, kubeconfig: Path, *more: str) -> Program:
    """`lading csi-sidecar` at the socket in the folder, with its log there."""
    given = ("--csi-address", f"unix://{folder}/csi.sock", "--kubeconfig", str(kubeconfig))
    served = ("--listen", "127.0.0.1:0", "--insecure-http")
    return Program((*LADING, "csi-sidecar", *given, *served, *more), folder / "csi-sidecar.log", guard)


def controllers(folder: Path, guard: Guard, kubeconfig: Path, *more: str) -> Program:
    """`lading controllers` with its log in the folder."""
    given = ("--mode", "instead", "--kubeconfig", str(kubeconfig))
    served = ("--listen", "127.0.0.1:0", "--insecure-http")
    return Program((*LADING, "controllers", *given, *served, *more), folder / "controllers.log", guard)
