"""How the server's own parts follow what is written: the objects of some kinds now, and each one as it changes."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from model.meta import JSON
from sandbox.api import Api
from sandbox.kinds import Kind
from sandbox.selection import Selection
from sandbox.watching import WatchEvent, WatchRequest


@dataclass(frozen=True)
class Seen:
    """An object as it is now, or as it was when it went."""

    kind: Kind
    obj: JSON
    gone: bool


@asynccontextmanager
async def follow(api: Api, kinds: Sequence[Kind]) -> AsyncIterator[AsyncGenerator[Seen, None]]:
    """What is seen of these kinds, merged into one stream that never ends. Level-based readers need nothing else.

    A follower that is too slow for the server's buffer starts anew: it sees every object again, but not what went.
    """
    queue: asyncio.Queue[Seen] = asyncio.Queue()

    async def one(kind: Kind) -> None:
        while True:
            async for batch in _watch(api, kind):
                for event in batch:
                    queue.put_nowait(Seen(kind, event.value, event.type == "DELETED"))

    async def seen() -> AsyncGenerator[Seen, None]:
        while True:
            yield await queue.get()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(kind)) for kind in kinds]
        try:
            yield seen()
        finally:
            for task in tasks:
                task.cancel()


def _watch(api: Api, kind: Kind) -> AsyncGenerator[Sequence[WatchEvent], None]:
    return api.watch(kind, WatchRequest(Selection()), time.monotonic)
