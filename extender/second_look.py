"""Before it is answered that no node suits: a moment for news that the scheduler has and these caches have not yet.

The scheduler tries a pod again when something changes, and asks at once; its watch may be some milliseconds ahead of
ours. An answer from before that change would stand for minutes: nothing else may happen that makes it ask again.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from extender.changes import ANYTHING, Changes
from kube.rate import TokenBucket

T = TypeVar("T")

PAUSES_SECONDS: Final = (0.01, 0.02, 0.04)
RATE: Final = 2.0
BURST: Final = 20
"""Second looks: so many at once, then RATE a second, as the scheduler places nobody else meanwhile."""


class SecondLook:
    """When to look again."""

    def __init__(self, changes: Changes, clock: Callable[[], float]) -> None:
        self._changes = changes
        self._clock = clock
        self._bucket = TokenBucket(RATE, BURST)

    async def taken(self, found: T, look: Callable[[], T], suits: Callable[[T], bool]) -> T:
        """What was found, or what is found after changes: looked for a few times, until it suits.

        At once what was found already, if it suits, or if there were too many such calls of late.
        """
        if suits(found) or not self._bucket.take(self._clock()):
            return found
        with self._changes.watching([ANYTHING]) as changed:
            for pause in PAUSES_SECONDS:
                await asyncio.sleep(pause)
                if changed.taken():
                    found = look()
                    if suits(found):
                        break
        return found
