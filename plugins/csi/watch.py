"""Watching over a driver that a process works for: whether it answers, and whether it is still the one that it was.

A driver's socket is made anew when the driver starts anew, perhaps in another version. What it was asked once, when the
process began, is then asked again; a process whose driver has become another one must begin anew.
"""

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Final, NoReturn

import structlog

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.connection import connect, socket_path
from plugins.csi.driver import Driver, Facts
from plugins.errors import Failed, PluginError

log = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 10.0
"""How often a driver is asked whether it is ready where nothing else lets one ask."""


class Watch:
    """Over one driver."""

    def __init__(
        self, driver: Driver, *, look_seconds: float = LOOK_SECONDS, probe_seconds: float = PROBE_SECONDS
    ) -> None:
        self._driver = driver
        self._look_seconds = look_seconds
        self._probe_seconds = probe_seconds
        self._why: str | None = None
        self._seen = self._signs()

    def complaint(self) -> str | None:
        """Why the driver can not be worked with now; None where it can."""
        return self._why

    async def run(self) -> NoReturn:
        """Watch for ever.

        Raises:
            Failed: another driver is there, or it is able to do other things than it was.
        """
        asked = monotonic()
        while True:
            await asyncio.sleep(self._look_seconds)
            signs = self._signs()
            anew = signs != self._seen or not all(signs) or self._why is not None
            if anew or monotonic() >= asked + self._probe_seconds:
                await self._look(anew=anew)
                self._seen, asked = signs, monotonic()

    def _signs(self) -> tuple[tuple[int, int] | None, bool]:
        """What changes when the driver starts anew: which socket it is, and whether we are connected."""
        identity = None
        with suppress(OSError):
            status = socket_path(self._driver.connection.endpoint).stat()
            identity = (status.st_ino, status.st_ctime_ns)
        return identity, self._driver.connection.connected

    async def _look(self, *, anew: bool) -> None:
        before = self._why
        try:
            ready = await self._driver.identity.ready()
            facts = await self._driver.ask() if anew and ready else self._driver.facts
        except PluginError as error:
            self._why = f"does not answer: {error}"
        else:
            self._why = None if ready else "is not ready"
            if facts != self._driver.facts:
                raise Failed(
                    f"the driver at {self._driver.connection.endpoint} {_difference(self._driver.facts, facts)}"
                )
        if self._why != before:
            log.warning("driver", driver=self._driver.name, complaint=self._why)


def _difference(old: Facts, new: Facts) -> str:
    if old.name != new.name:
        return f"was {old.name}, and is {new.name} now"
    was, now = old.abilities, new.abilities
    lost, won = (", ".join(sorted(each)) or "nothing" for each in (was - now, now - was))
    return f"has changed what it is able to do: lost is {lost}, new is {won}"


async def unhealthy(endpoint: str, seconds: float) -> str | None:
    """Why a driver is not healthy, asked by a new connection; None where it is, or does not say."""
    try:
        async with connect(endpoint) as connection:
            answer = await connection.call(wire.PROBE, pb.ProbeRequest(), seconds)
    except PluginError as error:
        return str(error)
    return "the driver is not ready" if answer.HasField("ready") and not answer.ready.value else None
