"""Scenarios run through, and run with a crash after one of their writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube.errors import Unreachable
from kube.transport import Request
from model.meta import JSON
from plugins.registry import Registry, Settings
from tests.controllers.inprocess import CrashedError, Direct, World, world

Step = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """Objects, and what users do one thing after another, each after all has settled."""

    name: str
    before: Sequence[JSON]
    steps: Sequence[Step] = field(default=())


@dataclass
class Fault:
    """What happens after the write of this number: the process ends, or only the answer is lost."""

    number: int = 0
    ends_process: bool = True
    writes: int = 0
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, transport: Direct) -> None:
        transport.before, transport.after = self._before, self._after

    def _before(self, _: Request) -> None:
        if self.ends_process and self.happened.is_set():
            raise CrashedError

    def _after(self, request: Request) -> None:
        self.writes += 1
        if self.writes == self.number:
            self.happened.set()
            raise CrashedError if self.ends_process else Unreachable(f"{request}: the answer is lost")


async def run(scenario: Scenario, folder: Path, fault: Fault) -> dict[str, Any]:
    """The state that the scenario ends in."""
    plugins = Registry(Settings(host_path_root=folder))
    async with world(*scenario.before) as made, pods_that_end(made):
        for step in (_nothing, *scenario.steps):
            await step(made)
            crashed_before = fault.happened.is_set()
            async with made.controllers(
                plugins=plugins, prepare=_nothing_more if crashed_before else fault.arm
            ) as running:
                await _settled_or_crashed(running.settle, fault)
            if fault.ends_process and fault.happened.is_set() and not crashed_before:
                async with made.controllers(plugins=plugins) as running:
                    await running.settle()
        return made.state()


async def _settled_or_crashed(settle: Callable[[], Awaitable[None]], fault: Fault) -> None:
    crashed_before = fault.happened.is_set()
    if crashed_before or not fault.ends_process:
        await settle()
        return
    tasks = [asyncio.ensure_future(settle()), asyncio.ensure_future(fault.happened.wait())]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.wait(tasks)
    if not fault.happened.is_set():
        for task in done:
            task.result()


@asynccontextmanager
async def pods_that_end(made: World) -> AsyncIterator[None]:
    """Play the part of nodes for pods that empty volumes: they succeed at once."""

    async def play() -> None:
        while True:
            for pod in made.objects("Pod"):
                name = pod["metadata"]["name"]
                if name.startswith("recycler-") and (pod.get("status") or {}).get("phase") != "Succeeded":
                    await made.merge("Pod", "default", name, {"status": {"phase": "Succeeded"}}, "status")
            await asyncio.sleep(0.005)

    task = asyncio.create_task(play())
    try:
        yield
    finally:
        task.cancel()


async def _nothing(_: World) -> None:
    pass


def _nothing_more(_: Direct) -> None:
    pass
