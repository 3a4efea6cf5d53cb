"""One address for several replicas, as a Service gives: new connections go to the one that says it is ready."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from tests.scheduling_live.components import Command

PROBE_SECONDS: Final = 0.25
_CHUNK_BYTES: Final = 1 << 16


class Relay:
    """Passes bytes on, both ways, until either side closes."""

    def __init__(self, replicas: Sequence[Command], session: aiohttp.ClientSession) -> None:
        self._replicas = replicas
        self._session = session
        self._ready: Command | None = None
        self._under_way = set[asyncio.Task[None]]()
        self.url = ""

    async def probe(self) -> None:
        """Ask the replicas for ever who is ready."""
        while True:
            answers = [await self._is_ready(each) for each in self._replicas]
            ready = [each for each, answer in zip(self._replicas, answers, strict=True) if answer]
            if self._ready not in ready:
                self._ready = ready[0] if ready else None
            await asyncio.sleep(PROBE_SECONDS)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A caller."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """End all connections."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if self._ready is not None and self._ready.runs:
                there = urlsplit(self._ready.url)
                other_reader, other_writer = await asyncio.open_connection(there.hostname, there.port)
                await _both(_pump(reader, other_writer), _pump(other_reader, writer))
        writer.transport.abort()

    async def _is_ready(self, replica: Command) -> bool:
        if not replica.runs:
            return False
        try:
            async with self._session.get(f"{replica.url}/readyz", timeout=aiohttp.ClientTimeout(5.0)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


@asynccontextmanager
async def relayed(replicas: Sequence[Command], trusted: ssl.SSLContext) -> AsyncIterator[Relay]:
    """The address while the block runs."""
    connector = aiohttp.TCPConnector(ssl=trusted, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        relay = Relay(replicas, session)
        server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        relay.url = f"https://{host}:{port}"
        probing = asyncio.create_task(relay.probe())
        try:
            yield relay
        finally:
            probing.cancel()
            server.close()
            await relay.close()
            await asyncio.wait([probing])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


async def _both(*pumps: Coroutine[None, None, None]) -> None:
    """Until one ends; then the other has nobody to speak to."""
    tasks = [asyncio.ensure_future(each) for each in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
