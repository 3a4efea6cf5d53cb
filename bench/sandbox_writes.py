"""The writes a second that the sandbox takes, against an aiohttp server that echoes the same bodies."""

import asyncio
import itertools
from pathlib import Path

import orjson

from bench.measure import Result, Stopwatch, compare
from bench.servers import Target, floor, sandbox

IN_FLIGHT = 32
WRITES = 1500


async def run(folder: Path) -> list[Result]:
    """In memory and durable (each write on disk before its answer)."""
    return [await _measure(folder, durable=durable) for durable in (False, True)]


async def _measure(folder: Path, *, durable: bool) -> Result:
    numbers = itertools.count()
    async with sandbox(folder, durable=durable) as server, floor("echo", folder) as echo:
        return await compare(
            f"sandbox writes, {'on disk' if durable else 'in memory'}",
            "creates/s",
            lambda: _load(server, numbers),
            lambda: _load(echo, numbers),
            "an aiohttp echo server",
        )


async def _load(target: Target, numbers: "itertools.count[int]") -> float:
    """Creates a second of small claims, so many in flight."""
    bodies = iter([_claim(next(numbers)) for _ in range(WRITES)])
    url = f"{target.url}/api/v1/namespaces/default/persistentvolumeclaims"

    async def worker() -> None:
        for body in bodies:
            async with target.session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                await response.read()
                if response.status != 201:
                    raise RuntimeError(f"{response.status}: {await response.text()}")

    clock = Stopwatch()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return clock.rate(WRITES)


def _claim(number: int) -> bytes:
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": f"claim-{number}", "labels": {"app": "bench"}},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
    )
