"""Who a driver is and what it has: the Identity service."""

import asyncio
import re
from time import monotonic
from typing import Final

from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.connection import Connection
from plugins.csi.errors import code_of
from plugins.errors import Failed, InDoubt, PluginError

PROBE_SECONDS: Final = 3.0
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9.]{0,61}[A-Za-z0-9])?")
_PAUSE_SECONDS: Final = 1.0


class Identity:
    """One driver's Identity service."""

    def __init__(self, connection: Connection, *, seconds: float = 10.0) -> None:
        self._connection = connection
        self._seconds = seconds

    async def name(self) -> str:
        """The driver's name.

        Raises:
            Failed: it has none that may be one.
        """
        answer = await self._connection.call(wire.GET_PLUGIN_INFO, pb.GetPluginInfoRequest(), self._seconds)
        if _NAME.fullmatch(answer.name) is None:
            raise Failed(f"the driver at {self._connection.endpoint} calls itself {answer.name!r}, which is no name")
        return answer.name

    async def capabilities(self) -> frozenset[str]:
        """What it has, by the names of the specification: services, and `ONLINE` or `OFFLINE` growing."""
        request = pb.GetPluginCapabilitiesRequest()
        answer = await self._connection.call(wire.GET_PLUGIN_CAPABILITIES, request, self._seconds)
        return frozenset(name for each in answer.capabilities if (name := _capability(each)))

    async def ready(self) -> bool:
        """Whether it is healthy now; one that does not say is.

        Raises:
            PluginError: it does not answer, or says why it is not.
        """
        answer = await self._connection.call(wire.PROBE, pb.ProbeRequest(), PROBE_SECONDS)
        return answer.ready.value if answer.HasField("ready") else True

    async def wait_until_ready(self, seconds: float) -> None:
        """Probe until it is ready.

        Raises:
            Failed: it says that it is not healthy.
            InDoubt: it was not ready in time.
        """
        deadline = monotonic() + seconds
        while (why := await self._complaint()) is not None:
            if monotonic() + _PAUSE_SECONDS >= deadline:
                raise InDoubt(f"the driver at {self._connection.endpoint} was not ready within {seconds:g} s: {why}")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _complaint(self) -> str | None:
        """Why it is not ready yet; None where it is."""
        try:
            return None if await self.ready() else "it says so"
        except PluginError as error:
            if code_of(error) in {StatusCode.DEADLINE_EXCEEDED, StatusCode.UNAVAILABLE}:
                return str(error)
            raise


def _capability(capability: pb.PluginCapability) -> str:
    """Its name, or nothing where it is not known."""
    match capability.WhichOneof("type"):
        case "service":
            return _known(pb.PluginCapability.Service.Type, capability.service.type)
        case "volume_expansion":
            return _known(pb.PluginCapability.VolumeExpansion.Type, capability.volume_expansion.type)
        case _:
            return ""


def _known(
    kind: type[pb.PluginCapability.Service.Type] | type[pb.PluginCapability.VolumeExpansion.Type], number: int
) -> str:
    return kind.Name(number) if number in kind.values() and number else ""
