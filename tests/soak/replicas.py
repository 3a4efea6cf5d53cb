"""Replicas of `lading controllers`: which one leads, killing it, starting it again, and how much memory each takes."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

import aiohttp

from tests.scheduling_live.components import Command, Installed
from tests.waiting import eventually

LEASE: Final = ("--lease-duration", "10", "--renew-deadline", "7", "--retry-period", "2")
LOST: Final = re.compile(r"lading: lease \S+: not renewed for ")
"""The last line of a process that could not renew its lease: right, where the API server does not answer."""
PATIENCE_SECONDS: Final = 90.0
"""For another leader, and for a first one, on a machine that is busy."""
_LEADS: Final = re.compile(r"^lading_lease_leading\{.*\} 1\.0$", re.MULTILINE)


class Replicas:
    """Those that run."""

    def __init__(self, commands: list[Command], session: aiohttp.ClientSession) -> None:
        self._commands = commands
        self._session = session
        self.kills = 0
        self.leases_lost = 0
        """How often a process ended as it had to: its lease could not be renewed."""

    async def kill_leader(self) -> None:
        """Kill who leads, wait for another leader, and start the killed one again."""
        leader = await eventually(self._leader, within_seconds=PATIENCE_SECONDS)
        if not _has_ended(leader):
            await leader.kill()
            self.kills += 1
        _ = await eventually(self._leader, within_seconds=PATIENCE_SECONDS)
        if not leader.runs:
            await leader.start()

    async def keep(self) -> NoReturn:
        """Start those again that end of themselves, as a kubelet does. AssertionError if one had no reason to end."""
        while True:
            await asyncio.sleep(1.0)
            for command in self._commands:
                if _has_ended(command):
                    last = command.log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
                    assert LOST.match(last), f"{command.arguments[0]} ended unasked: {last}"
                    self.leases_lost += 1
                    await _forget(command)
                    await command.start()

    async def memory(self) -> dict[str, int]:
        """Bytes that each process has in memory; the leader's name ends with a star."""
        leader = await self._leader()
        return {
            f"{number}{'*' if command is leader else ''}": _resident(command.pid)
            for number, command in enumerate(self._commands)
            if command.runs and not _has_ended(command)
        }

    async def complaints(self) -> list[str]:
        """What the readiness of those that run says against them."""
        answers = [await self._get(command, "/readyz") for command in self._commands]
        return [text for status, text in answers if status != 200]

    async def _leader(self) -> Command | None:
        for command in self._commands:
            if command.runs and not _has_ended(command) and _LEADS.search((await self._get(command, "/metrics"))[1]):
                return command
        return None

    async def _get(self, command: Command, path: str) -> tuple[int, str]:
        """The answer; nothing of one that does not listen yet, or not any more."""
        try:
            async with self._session.get(command.url + path) as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientConnectionError:
            return 0, ""


@asynccontextmanager
async def replicas(lading: Installed, count: int, storage: Path) -> AsyncIterator[Replicas]:
    """So many, of all controllers, while the block runs; each has a log of its own."""
    more = ("--mode", "instead", "--host-path-root", str(storage), *LEASE)
    async with AsyncExitStack() as stack:
        commands = []
        for number in range(count):
            folder = lading.folder / f"replica-{number}"
            await asyncio.to_thread(folder.mkdir)
            (folder / "certs").symlink_to(lading.certs)
            commands.append(
                await stack.enter_async_context(replace(lading, folder=folder).running("controllers", *more))
            )
        trusted = ssl.create_default_context(cafile=lading.certs / "ca.crt")
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted, force_close=True))
        yield Replicas(commands, await stack.enter_async_context(session))


def _has_ended(command: Command) -> bool:
    """Whether it ended although nobody asked it to."""
    return command._process is not None and command._process.returncode is not None


async def _forget(command: Command) -> None:
    process, command._process = command._process, None
    assert process is not None
    assert command._guard is not None
    _ = await process.communicate()
    command._guard.remove(process.pid)


def _resident(pid: int) -> int:
    """Bytes in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found, status
    return int(found[1]) << 10
