"""Finds drivers in a directory and keeps them loaded: `<vendor>~<driver>/<driver>` is the driver `<vendor>/<driver>`.

Every look-up first applies what has changed since the last one. A driver that does not load harms no other; once it
was there, it stays as it was until it loads anew. After the first listing a failure is tried again at each look-up, as
a file that is still being copied fails too. To install without such a moment, write under a name with a dot in front
and rename.
"""

import asyncio
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, Self

import structlog

from plugins import folders
from plugins.blocking import Blocking
from plugins.commands import Limits
from plugins.errors import Failed, InDoubt, PluginError
from plugins.flexvolume import trust
from plugins.flexvolume.call import CALL_SECONDS, Executable
from plugins.flexvolume.changes import Change, Changes, executable_of, follow, listed
from plugins.flexvolume.driver import Driver, load
from plugins.host import Host

log = structlog.get_logger()

FOLDER: Final = Path("/usr/libexec/kubernetes/kubelet-plugins/volume/exec")
"""Where installers put drivers."""

_AT_ONCE: Final = 8
_HUNG_PAUSE_SECONDS: Final = 60.0
"""How long a driver whose `init` hung is not asked again, so that it does not hold up every look-up."""
_NAME: Final = re.compile(
    r"(?:(?=[^/]{1,253}/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)


@dataclass(frozen=True)
class Settings:
    """What an operator decides about drivers."""

    folder: Path = FOLDER
    allowed: Collection[str] | None = None
    """The names of drivers that may be run; None for all that are found."""
    call_seconds: float = CALL_SECONDS
    polling: bool = False
    """Compare the directory at each look-up instead of watching it."""


class Prober:
    """The drivers of one directory. Close it to let go of its watches."""

    def __init__(self, settings: Settings, host: Host | None = None, *, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._host = host
        self._clock = clock
        self._lock = asyncio.Lock()
        self._blocking = Blocking(30.0)
        self._changes: Changes | None = None
        self._pending: dict[str, Change] = {}
        self._not_before: dict[str, float] = {}
        self._drivers: dict[str, Driver] = {}

    async def driver(self, name: str) -> Driver | None:
        """The driver of that name, as it is now."""
        await self._refresh()
        return self._drivers.get(name)

    async def names(self) -> list[str]:
        """All that are loaded now, sorted."""
        await self._refresh()
        return sorted(self._drivers)

    def close(self) -> None:
        """Let go of the watches; what is loaded stays."""
        if self._changes:
            self._changes.close()
            self._changes = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _refresh(self) -> None:
        async with self._lock:
            if self._changes is None:
                await self._list()
                return
            self._note(await self._read(self._changes))
            await self._apply()

    async def _read(self, changes: Changes) -> dict[str, Change]:
        """What has changed. Where the system stops to tell, from now on by comparison, and all is loaded anew."""
        try:
            return await self._blocking.run("drivers", "looking for", changes.read)
        except OSError as error:
            log.warning("can not watch any more, comparing instead", error=str(error))
        changes.close()
        with folders.explained(f"look into {self._settings.folder}"):
            compare = partial(follow, self._settings.folder, polling=True)
            self._changes = await self._blocking.run("drivers", "starting to compare", compare)
            return dict.fromkeys(await self._listed(), Change.UPDATED)

    async def _listed(self) -> list[str]:
        return await self._blocking.run("drivers", "listing", partial(listed, self._settings.folder))

    async def _list(self) -> None:
        """The first listing. It is watched from before, so that nothing falls in between; failures are not retried."""
        start = partial(follow, self._settings.folder, polling=self._settings.polling)
        with folders.explained(f"look into {self._settings.folder}"):
            self._changes = await self._blocking.run("drivers", "starting to watch for", start)
            self._pending = dict.fromkeys(await self._listed(), Change.UPDATED)
        await self._apply()
        self._pending.clear()

    def _note(self, changes: dict[str, Change]) -> None:
        for directory, change in changes.items():
            if not directory.startswith("."):
                self._pending[directory] = change
                self._not_before.pop(directory, None)

    async def _apply(self) -> None:
        """Carry out what is pending; what does not load stays pending."""
        at_once = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for directory, change in list(self._pending.items()):
                if change is Change.REMOVED:
                    self._drivers.pop(_name_of(directory), None)
                    del self._pending[directory]
                elif self._clock() >= self._not_before.get(directory, 0.0):
                    group.create_task(self._load(directory, at_once))

    async def _load(self, directory: str, at_once: asyncio.Semaphore) -> None:
        name = _name_of(directory)
        try:
            async with at_once:
                self._drivers[name] = await self._loaded(name, directory)
        except PluginError as error:
            log.warning("driver does not load", driver=name, error=str(error))
            if isinstance(error, InDoubt):
                self._not_before[directory] = self._clock() + _HUNG_PAUSE_SECONDS
            return
        del self._pending[directory]
        log.info("driver loaded", driver=name)

    async def _loaded(self, name: str, directory: str) -> Driver:
        folder = self._settings.folder / directory
        if self._settings.allowed is not None and name not in self._settings.allowed:
            raise Failed(f"driver {name} is not among those that may be run")
        if await self._blocking.run(directory, "looking at", folder.is_symlink):
            raise Failed(f"{folder} is a link, and links to drivers' directories are not followed")
        limits = Limits(seconds=self._settings.call_seconds)
        executable = Executable(folder / executable_of(directory), limits, trusted=trust.check)
        driver = await load(name, executable, self._host)
        if _NAME.fullmatch(name) is None:
            raise Failed(f"{name!r} is no name of a driver")
        return driver


def _name_of(directory: str) -> str:
    return directory.replace("~", "/")
