"""Makes a driver known to the agent of its node, which watches a directory for sockets that introduce a driver.

Rule: the plugin registration of kubelet, and node-driver-registrar.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog

from plugins.csi import registration_pb2 as registration
from plugins.csi import wire
from plugins.csi.serving import bind, serve

log = structlog.get_logger()

VERSIONS: Final = ("1.0.0",)
TYPE: Final = "CSIPlugin"


class Registrar:
    """Introduces one driver, and hears what became of it."""

    def __init__(self, name: str, endpoint: str) -> None:
        self._name = name
        self._endpoint = endpoint
        self._told = asyncio.Event()
        self._error = ""

    async def refused(self) -> str:
        """Wait until the agent refuses the driver; why it does. A driver that is taken goes on for ever."""
        await self._told.wait()
        return self._error

    async def info(self, request: registration.InfoRequest) -> registration.PluginInfo:
        del request
        return registration.PluginInfo(type=TYPE, name=self._name, endpoint=self._endpoint, supported_versions=VERSIONS)

    async def notify(self, status: registration.RegistrationStatus) -> registration.RegistrationStatusResponse:
        if status.plugin_registered:
            log.info("registered with the node", driver=self._name)
        else:
            log.error("refused by the node", driver=self._name, why=status.error)
            self._error = status.error or "the node's agent does not say why"
            self._told.set()
        return registration.RegistrationStatusResponse()


@asynccontextmanager
async def introduced(folder: Path, name: str, socket: Path) -> AsyncIterator[Registrar]:
    """Introduce the driver at a socket for as long as the block runs; the agent's half ends with our socket there.

    Raises:
        Failed: the socket of the introduction can not be made.
    """
    registrar = Registrar(name, str(socket))
    calls = [bind(wire.GET_INFO, registrar.info), bind(wire.NOTIFY, registrar.notify)]
    async with serve(f"unix://{folder}/{name}-reg.sock", calls):
        yield registrar
