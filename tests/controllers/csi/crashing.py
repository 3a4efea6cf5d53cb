"""Controllers beside a driver that are stopped at one of their writes, and begin anew."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kube.errors import Unreachable
from kube.transport import Request
from plugins.csi.driver import Driver
from tests.controllers.csi.beside import Running, beside
from tests.controllers.inprocess import CrashedError, Direct, World

Step = Callable[[World], Awaitable[None]]


class Way(StrEnum):
    """How a write goes wrong."""

    BEFORE = "the process ends before it"
    AFTER = "the process ends after it"
    LOST = "its answer is lost"


@dataclass
class Fault:
    """One write that goes wrong; number 0 is none."""

    number: int = 0
    way: Way = Way.AFTER
    writes: int = 0
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, transport: Direct) -> None:
        transport.before, transport.after = self._before, self._after

    def _before(self, _: Request) -> None:
        if self.happened.is_set():
            if self.way is not Way.LOST:
                raise CrashedError
            return
        self.writes += 1
        if self.writes == self.number and self.way is Way.BEFORE:
            self.happened.set()
            raise CrashedError

    def _after(self, request: Request) -> None:
        if self.writes == self.number and not self.happened.is_set():
            self.happened.set()
            raise CrashedError if self.way is Way.AFTER else Unreachable(f"{request}: the answer is lost")


async def run(made: World, driver: Driver, name: str, steps: Sequence[Step], fault: Fault) -> None:
    """Let the controller settle after each step, a new one where the fault ended it."""
    for step in steps:
        await step(made)
        if not fault.happened.is_set():
            async with beside(made, driver, name, prepare=fault.arm) as running:
                await _settled_or_ended(running, fault)
        if fault.happened.is_set():
            async with beside(made, driver, name) as running:
                await running.settle()


async def _settled_or_ended(running: Running, fault: Fault) -> None:
    tasks: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(running.settle()),
        asyncio.ensure_future(fault.happened.wait()),
    ]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if fault.way is Way.LOST and fault.happened.is_set():
        await tasks[0]
    for task in others:
        task.cancel()
    await asyncio.wait(tasks)
    if not fault.happened.is_set():
        for task in done:
            task.result()
