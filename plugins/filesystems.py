"""File systems on block devices: what is there, making one on a blank device, checking, growing.

Rule: what kubelet does before it mounts a device.
"""

from typing import Final

from plugins import commands
from plugins.commands import Ended, Limits, text
from plugins.errors import Failed, InDoubt, NotSupported

DEFAULT: Final = "ext4"
UNKNOWN: Final = "unknown data, probably partitions"

_MAKE: Final = {"ext3": ("-F", "-m0"), "ext4": ("-F", "-m0"), "xfs": ("-f",)}
"""So that they ask nothing, and keep no blocks for root."""
_BLANK: Final = 2
"""blkid's answer where it finds nothing."""
_UNCORRECTED: Final = 4


async def kind_of(device: str, limits: Limits | None = None) -> str:
    """The file system on the device, "" where it is blank.

    Raises:
        Failed: it can not be read.
        InDoubt: it did not answer in time.
    """
    ended = await _run(("blkid", "-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", device), limits)
    if ended.code == _BLANK:
        return ""
    if ended.code:
        raise Failed(f"can not tell what is on {device}: {text(ended.output)}")
    found = dict(line.split("=", 1) for line in ended.output.decode(errors="replace").splitlines() if "=" in line)
    if "PTTYPE" in found:
        return UNKNOWN
    return found.get("TYPE", "")


async def prepare(device: str, found: str, fs_type: str, *, read_only: bool, limits: Limits | None = None) -> None:
    """Make a blank device mountable, and check one that is to be written.

    Raises:
        Failed: it is blank and read-only, can not be formatted, or has faults that are not corrected.
    """
    if found:
        if not read_only:
            await _check(device, limits)
        return
    if read_only:
        raise Failed(f"{device} is blank and can not be formatted, as it is read-only")
    kind = fs_type or DEFAULT
    if not kind.isalnum():
        raise Failed(f"{kind!r} is no file system")
    await commands.checked((f"mkfs.{kind}", *_MAKE.get(kind, ()), device), limits)


async def grow(device: str, target: str, limits: Limits | None = None) -> None:
    """Grow the file system that is mounted at the target to all of its device.

    Raises:
        NotSupported: this kind does not grow while it is mounted.
        Failed: it did not.
    """
    match await kind_of(device, limits):
        case "ext3" | "ext4":
            await commands.checked(("resize2fs", device), limits)
        case "xfs":
            await commands.checked(("xfs_growfs", "-d", target), limits)
        case "btrfs":
            await commands.checked(("btrfs", "filesystem", "resize", "max", target), limits)
        case found:
            raise NotSupported(f"growing {found or 'a blank device'} ({device}) is not supported")


async def _check(device: str, limits: Limits | None) -> None:
    """Faults that fsck can not correct forbid the mount; what else it says does not."""
    try:
        ended = await _run(("fsck", "-a", device), limits)
    except Failed:
        return  # no fsck here, or none for this kind: the mount itself will tell
    if ended.code == _UNCORRECTED:
        raise Failed(f"{device} has faults that fsck did not correct: {text(ended.output)}")


async def _run(argv: tuple[str, ...], limits: Limits | None) -> Ended:
    try:
        ended = await commands.run(argv, limits)
    except OSError as error:
        raise Failed(f"can not run {argv[0]}: {error.strerror or error}") from None
    if ended.timed_out:
        raise InDoubt(f"{' '.join(argv)} did not end in time")
    return ended
