"""Replicas of `lading controllers`: which one leads, killing it, starting it again, and how much memory each takes."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp

from tests.scheduling_live.components import Command, Installed
from tests.waiting import eventually

LEASE: Final = ("--lease-duration", "6", "--renew-deadline", "4", "--retry-period", "1")
_LEADS: Final = re.compile(r"^lading_lease_leading\{.*\} 1\.0$", re.MULTILINE)


class Replicas:
    """Those that run."""

    def __init__(self, commands: list[Command], session: aiohttp.ClientSession) -> None:
        self._commands = commands
        self._session = session
        self.kills = 0

    async def kill_leader(self) -> None:
        """Kill who leads, wait for another leader, and start the killed one again."""
        leader = await eventually(self._leader)
        await leader.kill()
        self.kills += 1
        _ = await eventually(self._leader)
        await leader.start()

    async def memory(self) -> dict[str, int]:
        """Bytes that each process has in memory; the leader's name ends with a star."""
        leader = await self._leader()
        return {
            f"{number}{'*' if command is leader else ''}": _resident(command.pid)
            for number, command in enumerate(self._commands)
            if command.runs
        }

    async def complaints(self) -> list[str]:
        """What the readiness of those that run says against them."""
        answers = [await self._get(command, "/readyz") for command in self._commands]
        return [text for status, text in answers if status != 200]

    async def _leader(self) -> Command | None:
        for command in self._commands:
            if command.runs and _LEADS.search((await self._get(command, "/metrics"))[1]):
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


def _resident(pid: int) -> int:
    """Bytes in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found, status
    return int(found[1]) << 10
