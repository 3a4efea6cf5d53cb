"""The drivers of a node: who introduces itself by a socket in a directory is asked, checked and written down.

Level-based: each pass compares the sockets that are there with the registrations that are held. Nothing is kept on
disk, as all sockets are found again after a restart. Rule: the plugin registration of kubelet.
"""

import asyncio
import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

import structlog

from plugins import folders
from plugins.blocking import Blocking
from plugins.csi import csi_pb2 as pb
from plugins.csi import registration_pb2 as registration
from plugins.csi import wire
from plugins.csi.connection import Connection, connect, socket_path
from plugins.csi.node import Node
from plugins.csi.registrar import TYPE
from plugins.errors import Failed, PluginError

log = structlog.get_logger()

PERIOD_SECONDS: Final = 1.0
_INTRODUCTION_SECONDS: Final = 2.0
_NOTIFY_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 122.0
_VERSION: Final = re.compile(
    r"v?(?P<major>[0-9]{1,6})(?:\.(?P<minor>[0-9]{1,6}))?(?:\.(?P<patch>[0-9]{1,6}))?(?:[-+].*)?"
)

Version = tuple[int, int, int]
Identity = tuple[int, int]
"""Tells a socket from another one that takes its place: its inode, and when it came to be."""


class NodeRecord(Protocol):
    """Writes down which drivers the node has: in its CSINode and Node."""

    async def add(self, driver: str, info: pb.NodeGetInfoResponse) -> None:
        """The driver is there. Raises PluginError where it can not be written."""

    async def remove(self, driver: str) -> None:
        """It is not any more."""


@dataclass(frozen=True)
class Registration:
    """A driver that was taken."""

    driver: str
    endpoint: str
    version: Version
    identity: Identity


@dataclass
class _Waiting:
    """A socket that did not answer yet."""

    identity: Identity
    not_before: float = 0.0
    pause: float = field(default=_FIRST_PAUSE_SECONDS)


class Registered:
    """The registrations of one node."""

    def __init__(
        self,
        folder: Path,
        record: NodeRecord,
        *,
        introduction_seconds: float = _INTRODUCTION_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._folder = folder
        self._record = record
        self._introduction_seconds = introduction_seconds
        self._clock = clock
        self._blocking = Blocking(30.0)
        self._held: dict[Path, Registration | None] = {}
        """By socket; None for one that was refused, and is not asked again before it is made anew."""
        self._identities: dict[Path, Identity] = {}
        self._waiting: dict[Path, _Waiting] = {}
        self._leaving: set[str] = set()
        """Drivers that are gone, until that is written down."""

    def endpoint(self, name: str) -> str | None:
        """Where a driver answers; None where it is not registered."""
        return next((each.endpoint for each in self._held.values() if each and each.driver == name), None)

    async def run(self, ready: asyncio.Event) -> None:
        """Make a pass each second; ready after the first."""
        while True:
            try:
                await self.reconcile()
            except PluginError as error:
                log.warning("drivers can not be looked for", folder=str(self._folder), error=str(error))
            else:
                ready.set()
            await asyncio.sleep(PERIOD_SECONDS)

    async def reconcile(self) -> None:
        """Let go of what is not there any more, then take what is new."""
        with folders.explained(f"look into {self._folder}"):
            found = await self._blocking.run("sockets", "looking for", partial(_sockets, self._folder))
        for socket in [each for each in self._identities if found.get(each) != self._identities[each]]:
            self._let_go(socket)
        await self._write_off()
        for socket in [each for each in self._waiting if each not in found]:
            del self._waiting[socket]
        async with asyncio.TaskGroup() as group:
            for socket, identity in found.items():
                if socket not in self._held and self._is_due(socket, identity):
                    group.create_task(self._take(socket, identity))

    def _is_due(self, socket: Path, identity: Identity) -> bool:
        waiting = self._waiting.get(socket)
        if waiting is None or waiting.identity != identity:
            waiting = self._waiting[socket] = _Waiting(identity)
        return self._clock() >= waiting.not_before

    async def _take(self, socket: Path, identity: Identity) -> None:
        try:
            async with connect(str(socket)) as agent:
                info = await agent.call(wire.GET_INFO, registration.InfoRequest(), self._introduction_seconds)
                await self._judge(agent, socket, identity, info)
        except PluginError as error:
            waiting = self._waiting[socket]
            waiting.not_before = self._clock() + waiting.pause
            waiting.pause = min(waiting.pause * 2, _LONGEST_PAUSE_SECONDS)
            log.warning("driver does not introduce itself", socket=str(socket), error=str(error))

    async def _judge(self, agent: Connection, socket: Path, identity: Identity, info: registration.PluginInfo) -> None:
        """Take the driver or refuse it; either way it is told, and not asked again."""
        self._waiting.pop(socket, None)
        self._identities[socket] = identity
        self._held[socket] = None
        try:
            wanted = self._checked(socket, identity, info)
            self._held[socket] = wanted
            # Until it is written down that it is there, it counts as one to be written off.
            self._leaving.add(wanted.driver)
            await self._write_down(wanted)
            self._leaving.discard(wanted.driver)
        except PluginError as error:
            self._held[socket] = None
            log.warning("driver refused", driver=info.name, error=str(error))
            await _tell(agent, registration.RegistrationStatus(error=str(error)))
        else:
            log.info("driver registered", driver=info.name)
            await _tell(agent, registration.RegistrationStatus(plugin_registered=True))

    def _checked(self, socket: Path, identity: Identity, info: registration.PluginInfo) -> Registration:
        if info.type != TYPE:
            raise Failed(f"plugins of type {info.type!r} are not known here")
        version = newest(info.supported_versions)
        if version is None:
            raise Failed(f"driver {info.name!r} supports {', '.join(info.supported_versions)}: none is a version 1")
        for other, held in self._held.items():
            if other != socket and held and held.driver == info.name and held.version >= version:
                raise Failed(f"driver {info.name!r} is registered already, by {other.name}")
        endpoint = f"unix://{socket_path(info.endpoint or str(socket))}"
        return Registration(info.name, endpoint, version, identity)

    async def _write_down(self, wanted: Registration) -> None:
        async with connect(wanted.endpoint) as driver:
            info = await Node(driver).info()
        await self._record.add(wanted.driver, info)

    def _let_go(self, socket: Path) -> None:
        held = self._held.pop(socket)
        del self._identities[socket]
        if held:
            self._leaving.add(held.driver)

    async def _write_off(self) -> None:
        """Write down who has left, until it is written; who is registered by another socket has not."""
        for driver in sorted(self._leaving):
            if self.endpoint(driver) is None:
                await self._record.remove(driver)
                log.info("driver unregistered", driver=driver)
            self._leaving.discard(driver)


def newest(versions: Iterable[str]) -> Version | None:
    """The highest version whose first number is 1."""
    read = [match for match in map(_VERSION.fullmatch, versions) if match and match["major"] == "1"]
    return max(((1, int(match["minor"] or 0), int(match["patch"] or 0)) for match in read), default=None)


def _sockets(folder: Path) -> dict[Path, Identity]:
    """All sockets beneath the folder, which is made where it is missing; names with a dot in front are passed over."""
    folder.mkdir(0o755, parents=True, exist_ok=True)
    found = {}
    for top, directories, names in os.walk(folder):
        directories[:] = [name for name in directories if not name.startswith(".")]
        for name in names:
            path = Path(top, name)
            with suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISSOCK(status.st_mode) and not name.startswith("."):
                    found[path] = (status.st_ino, status.st_ctime_ns)
    return found


async def _tell(agent: Connection, status: registration.RegistrationStatus) -> None:
    """A registrar that does not listen any more changes nothing."""
    try:
        await agent.call(wire.NOTIFY, status, _NOTIFY_SECONDS)
    except PluginError as error:
        log.warning("registrar can not be told", error=str(error))
