"""How fast 100 watchers hear of writes, against an aiohttp server that writes the same lines to 100 streams."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson

from bench.measure import Result, Stopwatch, compare
from bench.servers import Target, floor, sandbox

WATCHERS = 100
WRITES = 100
_TYPE = {"Content-Type": "application/json"}


async def run(folder: Path) -> list[Result]:
    """One writer, in turn, until every watcher has every event."""
    numbers = itertools.count()
    async with sandbox(folder) as server, floor("fan", folder) as fan:
        watch, write = "/api/v1/namespaces/default/configmaps?watch=true", "/api/v1/namespaces/default/configmaps"
        # Each line of the floor is as long as an event of the sandbox: both move the same bytes.
        line = await _event_line(server, watch, write, next(numbers))
        return [
            await compare(
                f"watch fan-out to {WATCHERS} watchers",
                "events/s",
                lambda: _fan(server, watch, write, [_config_map(next(numbers)) for _ in range(WRITES)]),
                lambda: _fan(fan, "/", "/", [line] * WRITES),
                "an aiohttp server that only writes the lines",
            )
        ]


async def _fan(target: Target, watch: str, write: str, bodies: list[bytes]) -> float:
    """Events a second delivered over all watchers."""
    async with _streams(target, watch, WATCHERS) as contents:
        clock = Stopwatch()
        async with asyncio.TaskGroup() as group:
            for content in contents:
                group.create_task(_read_lines(content, len(bodies)))
            for body in bodies:
                await _post(target, write, body)
        return clock.rate(len(bodies) * WATCHERS)


async def _event_line(target: Target, watch: str, write: str, number: int) -> bytes:
    async with _streams(target, watch, 1) as contents:
        await _post(target, write, _config_map(number))
        return (await contents[0].readline()).rstrip(b"\n")


@asynccontextmanager
async def _streams(target: Target, watch: str, count: int) -> AsyncIterator[list[aiohttp.StreamReader]]:
    """Open watches that show only what comes from now on."""
    path, _, query = watch.partition("?")
    if query:
        async with target.session.get(f"{target.url}{path}?limit=1") as response:
            version = orjson.loads(await response.read())["metadata"]["resourceVersion"]
        path = f"{watch}&resourceVersion={version}"
    responses = await asyncio.gather(*(target.session.get(f"{target.url}{path}") for _ in range(count)))
    try:
        yield [response.content for response in responses]
    finally:
        for response in responses:
            response.close()


async def _read_lines(content: aiohttp.StreamReader, count: int) -> None:
    for _ in range(count):
        if not await content.readline():
            raise RuntimeError("a watch ended early")


async def _post(target: Target, path: str, body: bytes) -> None:
    async with target.session.post(f"{target.url}{path}", data=body, headers=_TYPE) as response:
        await response.read()
        response.raise_for_status()


def _config_map(number: int) -> bytes:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"map-{number}"}, "data": {"text": "x" * 500}}
    return orjson.dumps(body)
