"""Waking those who wait for certain objects to change."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from model.meta import Object


class Changed:
    """Whether one of the objects watched has changed since it was last asked."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def mark(self) -> None:
        """Something changed."""
        self._event.set()

    def taken(self) -> bool:
        """Whether something changed since this was asked last, or waited for."""
        changed = self._event.is_set()
        self._event.clear()
        return changed

    async def wait(self, at_most_seconds: float) -> None:
        """Return at the next change, or when the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_seconds):
                await self._event.wait()
        self._event.clear()


ANYTHING: Final = "*"
"""What to watch, to be woken by every change."""


class Changes:
    """Who waits for which object: `KIND/key`, or ANYTHING."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Changed]] = {}

    def handler(self, kind: str) -> Callable[[Object | None, Object | None], None]:
        """A cache's handler that wakes those who wait for objects of this kind."""

        def changed(old: Object | None, new: Object | None) -> None:
            obj = new or old
            assert obj is not None
            for watched in (f"{kind}/{obj.key}", ANYTHING):
                for each in self._waiting.get(watched, ()):
                    each.mark()

        return changed

    @contextmanager
    def watching(self, objects: Iterable[str]) -> Iterator[Changed]:
        """Be woken by changes of these while the block runs."""
        changed, watched = Changed(), set(objects)
        for each in watched:
            self._waiting.setdefault(each, set()).add(changed)
        try:
            yield changed
        finally:
            for each in watched:
                self._waiting[each].discard(changed)
                if not self._waiting[each]:
                    del self._waiting[each]
