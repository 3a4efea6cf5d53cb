"""Running services: started in order, each ready before the next; stopped in reverse, within a grace time.

A service that fails, or ends unasked, ends the process with an error: Kubernetes starts it anew from a clean state.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from kube.errors import KubeError
from lading.output import complain
from plugins.errors import PluginError

log = structlog.get_logger()

STOP_SECONDS: Final = 25.0
"""The grace time of a stop: less than the 30 s that kubelet gives a pod."""


@dataclass(frozen=True)
class Service:
    """Something that runs until it is cancelled.

    `serve` sets the event once it is ready: running and ready are different facts.
    """

    name: str
    serve: Callable[[asyncio.Event], Awaitable[None]]


class ServiceEndedError(RuntimeError):
    """A service returned although nobody had asked it to stop."""


async def run_services(
    services: Sequence[Service],
    stop: asyncio.Event,
    stop_seconds: float = STOP_SECONDS,
    *,
    linger_seconds: float = 0.0,
) -> None:
    """Run them all until `stop` is set, and for `linger_seconds` more, which `stop_seconds` include.

    Raises:
        ExceptionGroup: what ended a service before that.
    """
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []
        starting = group.create_task(_start(services, group, tasks), name="start")
        await stop.wait()
        log.info("stopping")
        starting.cancel()
        await asyncio.sleep(linger_seconds)
        for task in reversed(tasks):
            task.cancel()
            await asyncio.wait([task], timeout=(stop_seconds - linger_seconds) / max(len(tasks), 1))


async def _start(services: Sequence[Service], group: asyncio.TaskGroup, tasks: list[asyncio.Task[None]]) -> None:
    for service in services:
        ready = asyncio.Event()
        tasks.append(group.create_task(_guard(service, ready), name=service.name))
        await ready.wait()
        log.debug("service ready", service=service.name)


async def _guard(service: Service, ready: asyncio.Event) -> None:
    await service.serve(ready)
    raise ServiceEndedError(f"{service.name} ended unasked")


@contextmanager
def stop_on_signals(loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def run_process(main: Callable[[asyncio.Event], Awaitable[int | None]]) -> int:
    """Run `main(stop)` on an event loop until it returns; its answer, or 1 after a failure, is the exit status.

    Expected failures (a wrong address, no API server) are one clear line; others keep their traceback.
    """

    async def body() -> int:
        with stop_on_signals(asyncio.get_running_loop()) as stop:
            return await main(stop) or 0

    try:
        return asyncio.run(body())
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the process's last guard
        for fault in _leaves(error):
            if isinstance(fault, ValueError | OSError | KubeError | PluginError | ServiceEndedError):
                complain(str(fault))
            else:
                log.exception("process failed", exc_info=fault)
        return 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
