"""Makes a driver known to the agent of its node, which watches a directory for sockets that introduce a driver.

Rule: the plugin registration of kubelet, and node-driver-registrar.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NoReturn

import structlog

from plugins.csi import registration_pb2 as registration
from plugins.csi import wire
from plugins.csi.serving import bind, serve
from plugins.errors import Failed

log = structlog.get_logger()

VERSIONS: Final = ("1.0.0",)
TYPE: Final = "CSIPlugin"
LOOK_SECONDS: Final = 1.0
"""How often it is looked whether the socket is still there."""


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


async def keep_introduced(folder: Path, name: str, socket: Path, ready: asyncio.Event) -> NoReturn:
    """Introduce the driver at a socket until that fails.

    Raises:
        Failed: kubelet does not take the driver, or our socket there was removed; or it can not be made. Whoever
            introduces the driver begins anew.
    """
    async with introduced(folder, name, socket) as registrar:
        ready.set()
        refused, ours = asyncio.ensure_future(registrar.refused()), socket_of(folder, name)
        try:
            while not refused.done():
                if not ours.is_socket():
                    raise Failed(f"{ours} was removed, so that kubelet forgets driver {name}")
                await asyncio.wait({refused}, timeout=LOOK_SECONDS)
            raise Failed(f"kubelet does not take driver {name}: {refused.result()}")
        finally:
            refused.cancel()


def socket_of(folder: Path, name: str) -> Path:
    """The socket by which a driver is introduced."""
    return folder / f"{name}-reg.sock"


@asynccontextmanager
async def introduced(folder: Path, name: str, socket: Path) -> AsyncIterator[Registrar]:
    """Introduce the driver at a socket for as long as the block runs; the agent's half ends with our socket there.

    Raises:
        Failed: the socket of the introduction can not be made.
    """
    registrar = Registrar(name, str(socket))
    calls = [bind(wire.GET_INFO, registrar.info), bind(wire.NOTIFY, registrar.notify)]
    async with serve(f"unix://{socket_of(folder, name)}", calls):
        yield registrar
