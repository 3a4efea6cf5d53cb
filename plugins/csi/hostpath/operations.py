"""One operation at a time on each volume; and whoever asked for it may stop waiting without stopping it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from grpc import StatusCode

from plugins.csi.serving import Refused

T = TypeVar("T")


class Operations:
    """What runs now."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self, subjects: Iterable[str], operation: Callable[[], Awaitable[T]]) -> T:
        """Run it to its end, holding its subjects. A copy that outlasts the caller's deadline is found made next time.

        Raises:
            Refused: another operation holds one of them.
        """
        wanted = set(subjects)
        if wanted & self._held:
            raise Refused(StatusCode.ABORTED, "another operation on this volume is running")
        self._held |= wanted
        task = asyncio.ensure_future(self._holding(wanted, operation))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _holding(self, subjects: set[str], operation: Callable[[], Awaitable[T]]) -> T:
        try:
            return await operation()
        finally:
            self._held -= subjects

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it has it; nobody may be waiting any more

    async def end(self) -> None:
        """Stop what still runs: all of it can be asked for again."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def operations() -> AsyncIterator[Operations]:
    """Operations, for as long as the block runs."""
    running = Operations()
    try:
        yield running
    finally:
        await running.end()
