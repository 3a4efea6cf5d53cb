"""Waits that double: between attempts of the same thing, with jitter, so that many clients do not come back at once."""

from random import Random


class Backoff:
    """`initial` seconds, doubling to `maximum`; each wait is drawn from its upper half."""

    def __init__(self, initial: float, maximum: float, random: Random) -> None:
        self._initial = initial
        self._maximum = maximum
        self._random = random
        self._failures = 0

    def next(self) -> float:
        """The wait after one more failure, in seconds."""
        wait = doubled(self._initial, self._failures, self._maximum)
        self._failures += 1
        return wait * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It went well: start anew."""
        self._failures = 0


def doubled(initial: float, times: int, maximum: float) -> float:
    """`initial` doubled so many times, at most `maximum`."""
    return min(initial * 2.0 ** min(times, 64), maximum)
