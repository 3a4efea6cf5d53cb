"""Files as block devices: loop devices, found by the file they are on, so that nothing about them needs remembering."""

import asyncio
from pathlib import Path

import orjson

from plugins import commands
from plugins.errors import Failed


class Loops:
    """The loop devices of this machine."""

    def __init__(self) -> None:
        self._attaching = asyncio.Lock()

    async def attach(self, image: Path, *, read_only: bool) -> str:
        """The file's device, made where there is none yet.

        Raises:
            Failed: none can be had.
        """
        async with self._attaching:
            found = await self._devices(image)
            if read_only in found.values():
                return next(device for device, only_read in found.items() if only_read is read_only)
            how = ("--read-only",) if read_only else ()
            output = await commands.checked(("losetup", "--find", "--show", *how, "--", str(image)))
            return output.decode().strip()

    async def detach(self, image: Path) -> None:
        """Let all of the file's devices go; where there are none, that is a success.

        Raises:
            Failed: one is in use.
        """
        for device in await self._devices(image):
            await commands.checked(("losetup", "--detach", device))

    async def grow(self, image: Path) -> None:
        """Have the file's devices see its new size."""
        for device in await self._devices(image):
            await commands.checked(("losetup", "--set-capacity", device))

    async def _devices(self, image: Path) -> dict[str, bool]:
        """The devices on the file, and whether each is read-only."""
        columns = ("--output", "NAME,RO", "--json")
        output = await commands.checked(("losetup", "--list", "--associated", str(image), *columns))
        if not output.strip():
            return {}
        try:
            found = orjson.loads(output)["loopdevices"]
            return {each["name"]: bool(each["ro"]) for each in found}
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise Failed(f"losetup's list of devices can not be read: {error!r}") from None
