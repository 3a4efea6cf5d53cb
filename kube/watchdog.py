"""A last resort: a thread that acts when nobody has put it off in time, even if the event loop stands still."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watchdog:
    """Calls `bark` once, from a thread of its own, when its time is up before it was stopped."""

    def __init__(self, seconds: float, bark: Callable[[], None]) -> None:
        self._until = time.monotonic() + seconds
        self._bark = bark
        self._stopped = False
        self._changed = threading.Condition()

    def put_off(self, seconds: float) -> None:
        """Wait for so long from now on."""
        with self._changed:
            self._until = time.monotonic() + seconds

    def stop(self) -> None:
        """All is well."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def watch(self) -> None:
        """Wait; the thread's whole life."""
        with self._changed:
            while not self._stopped and (left := self._until - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._stopped:
                return
        self._bark()


@contextmanager
def watchdog(seconds: float, bark: Callable[[], None]) -> Iterator[Watchdog]:
    """A watchdog while the block runs."""
    dog = Watchdog(seconds, bark)
    thread = threading.Thread(target=dog.watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield dog
    finally:
        dog.stop()
        thread.join()
