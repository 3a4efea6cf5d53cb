"""When to ask a driver again about something that is not done: ever less often, and not earlier for our own writes.

A pass that ends without success writes that down, and its own write wakes it at once. The queue's back-off knows
nothing of that; this does.
"""

from collections.abc import Callable

from kube.backoff import doubled


class Pace:
    """By key. `clock` is monotonic, in seconds."""

    def __init__(self, first_seconds: float, longest_seconds: float, clock: Callable[[], float]) -> None:
        """The first wait, doubling to the longest."""
        self._first = first_seconds
        self._longest = longest_seconds
        self._clock = clock
        self._asked: dict[str, tuple[int, float]] = {}
        """How often, and when again."""

    def left(self, key: str) -> float:
        """In how many seconds it is time; 0 when it is."""
        _, due = self._asked.get(key, (0, 0.0))
        return max(due - self._clock(), 0.0)

    def again(self, key: str) -> float:
        """It was asked once more, and is not done: in how many seconds to ask again."""
        times, _ = self._asked.get(key, (0, 0.0))
        wait = doubled(self._first, times, self._longest)
        self._asked[key] = (times + 1, self._clock() + wait)
        return wait

    def forget(self, key: str) -> None:
        """It is done, or something has changed: it may be asked at once."""
        self._asked.pop(key, None)
