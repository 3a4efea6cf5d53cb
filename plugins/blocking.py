"""Work that blocks, off the event loop and with a deadline: file systems hang, and a hung call can not be ended.

Each piece of work has a daemon thread of its own, so that one that hangs holds up neither the others nor the end of
the process. On one subject there is one piece of work at a time: what hangs does not gather more threads that hang.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from plugins.errors import InDoubt

T = TypeVar("T")


class Blocking:
    """Runs one piece of work at a time for each subject, each within the deadline."""

    def __init__(self, deadline_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._running: dict[str, asyncio.Future[Any]] = {}

    async def run(self, subject: str, what: str, work: Callable[[], T]) -> T:
        """Do the work on the subject, after all earlier work on it has ended; `what` is for the message.

        Raises:
            InDoubt: it did not end in time, and may still be running.
        """
        try:
            async with asyncio.timeout(self._deadline_seconds):
                while (earlier := self._running.get(subject)) is not None:
                    await asyncio.wait([earlier])
                running = self._running[subject] = _in_thread(work)
                running.add_done_callback(lambda _: self._running.pop(subject, None))
                # Whoever stops waiting does not stop the work: it goes on, and holds back what comes after it.
                result: T = await asyncio.shield(running)
                return result
        except TimeoutError:
            raise InDoubt(f"{what} {subject} did not end within {self._deadline_seconds:g} s") from None


def _in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    outcome: futures.Future[T] = futures.Future()

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whatever ends the work is for those who wait to see
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    awaited = asyncio.wrap_future(outcome)
    # An outcome that nobody waits for any more is no fault of ours.
    awaited.add_done_callback(lambda done: done.cancelled() or done.exception())
    threading.Thread(target=body, daemon=True, name="plugin").start()
    return awaited
