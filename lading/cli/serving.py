"""What the long-running commands share: options checked at once, one connection, services until a signal."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import typer

from kube.client import connect
from kube.config import load
from kube.metrics import Metrics
from lading import log
from lading.component import new_registry
from lading.compose import Alone, Surroundings
from lading.endpoint import Endpoint
from lading.log import LogFormat, LogLevel
from lading.output import say
from lading.run import Service, run_process, run_services

Result = TypeVar("Result")


@dataclass(frozen=True)
class Process:
    """How one component's process is set up."""

    name: str
    endpoint: Endpoint
    kubeconfig: Path | None
    log_format: LogFormat
    log_level: LogLevel
    linger_seconds: float = 0.0
    """How long it goes on when asked to stop, unready."""


Opened = Callable[[Surroundings], AbstractAsyncContextManager[Sequence[Service]]]
"""What runs, and what has to be there for as long as it does."""


OpenedAlone = Callable[[Alone], AbstractAsyncContextManager[Sequence[Service]]]
"""The same, of what needs no API server."""


def run_component(process: Process, services: Callable[[Surroundings], Sequence[Service]]) -> NoReturn:
    """Run a component until a signal; ends the command with its exit status."""
    run_opened(process, lambda given: nullcontext(services(given)))


def run_opened(process: Process, opened: Opened) -> NoReturn:
    """Run what needs something opened first; a signal ends the opening, too."""
    process.endpoint.check(process.name)
    log.configure(process.log_format, process.log_level)

    async def main(stop: asyncio.Event) -> None:
        connection = await load(process.kubeconfig)
        registry = new_registry()
        agent = f"lading-{process.name}"
        async with connect(connection, user_agent=agent, field_manager=agent, metrics=Metrics(registry)) as client:
            given = Surroundings(
                client, process.endpoint, registry, listening, connection.namespace, lambda: _stopping(stop)
            )
            async with unless(stop, opened(given)) as services:
                if services is not None:
                    await run_services(services, stop, linger_seconds=process.linger_seconds)

    raise typer.Exit(run_process(main))


def run_alone(process: Process, opened: OpenedAlone) -> NoReturn:
    """Run what needs no API server, until a signal; no kubeconfig is read."""
    process.endpoint.check(process.name)
    log.configure(process.log_format, process.log_level)

    async def main(stop: asyncio.Event) -> None:
        given = Alone(process.endpoint, new_registry(), listening, lambda: _stopping(stop))
        async with unless(stop, opened(given)) as services:
            if services is not None:
                await run_services(services, stop, linger_seconds=process.linger_seconds)

    raise typer.Exit(run_process(main))


@asynccontextmanager
async def unless(stop: asyncio.Event, opened: AbstractAsyncContextManager[Result]) -> AsyncIterator[Result | None]:
    """What is opened; None if `stop` is set before it is."""
    async with AsyncExitStack() as stack:
        opening = asyncio.ensure_future(stack.enter_async_context(opened))
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
            yield opening.result() if opening.done() else None
        finally:
            for each in (opening, stopped):
                each.cancel()
            await asyncio.wait({opening, stopped})


def _stopping(stop: asyncio.Event) -> str | None:
    return "asked to stop" if stop.is_set() else None


def listening(url: str) -> None:
    """Say where, on a line of its own, to whoever started the process."""
    say(f"listening {url}")
