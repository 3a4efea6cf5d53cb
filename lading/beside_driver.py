"""What a process beside a CSI driver has: a watch over it, an answer to who asks how it is, and its registrar.

Rule: the sidecars livenessprobe and node-driver-registrar of Kubernetes.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from lading.component import background
from lading.compose import Besides
from lading.run import Service
from plugins.csi.driver import Driver
from plugins.csi.registrar import keep_introduced
from plugins.csi.watch import Watch, unhealthy

PATH: Final = "/healthz/driver"


@dataclass(frozen=True)
class Registration:
    """Where kubelet looks for drivers, and where it finds the driver's socket."""

    folder: Path
    socket: Path


def beside_driver(driver: Driver, probe_seconds: float, registration: Registration | None = None) -> Besides:
    """What comes with a process that works for the driver."""
    watch = Watch(driver)
    work = [background("watch over the driver", watch.run)]
    if registration is not None:
        work.append(_registrar(driver.name, registration))
    probes = Probes(driver.connection.endpoint, probe_seconds)
    return Besides({"driver": watch.complaint}, work, open_routes=[web.get(PATH, probes.answer)])


class Probes:
    """Answers how the driver is: 200, or 500 with the reason. It is asked anew, by a new connection, each time."""

    def __init__(self, endpoint: str, seconds: float) -> None:
        self._endpoint = endpoint
        self._seconds = seconds
        self._running: asyncio.Task[str | None] | None = None
        """Who asks meanwhile is told the same: the driver is not asked by as many as there are callers."""

    async def answer(self, _request: web.Request) -> web.Response:
        """The answer to one who asks."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(unhealthy(self._endpoint, self._seconds))
        why = await asyncio.shield(self._running)
        return web.Response(text="ok\n" if why is None else f"{why}\n", status=200 if why is None else 500)


def _registrar(name: str, registration: Registration) -> Service:
    async def run(ready: asyncio.Event) -> None:
        await keep_introduced(registration.folder, name, registration.socket, ready)

    return Service("registrar", run)
