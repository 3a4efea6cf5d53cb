"""Lost races: that somebody was faster is no fault of the driver, and the pass is repeated soon, without its waits."""

from collections.abc import Awaitable
from typing import Final

from kube.errors import Conflict, NotFound

SOON_SECONDS: Final = 0.1


async def lost(work: Awaitable[None]) -> float | None:
    """Do it. When to look again, where an object was changed, or went, since it was looked at; None where none was."""
    try:
        await work
    except (Conflict, NotFound):
        return SOON_SECONDS
    return None
