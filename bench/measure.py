"""How a bench measures: rounds in turn, medians, and ratios pair by pair, so that a noisy machine harms both alike."""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

ROUNDS: Final = 5


@dataclass(frozen=True)
class Result:
    """One question's answer. `ratio` is ours over the floor's, the median over the rounds."""

    question: str
    unit: str
    ours: float
    floor: float
    floor_is: str
    ratio: float
    lowest: float
    highest: float

    def line(self) -> str:
        """The answer as one line for people."""
        return (
            f"{self.question}: {self.ratio:.2f} of {self.floor_is} (rounds {self.lowest:.2f}–{self.highest:.2f}); "
            f"ours {self.ours:,.0f}, floor {self.floor:,.0f} {self.unit}"
        )

    def as_json(self) -> dict[str, str | float]:
        """The answer for machines."""
        return asdict(self)


async def compare(
    question: str,
    unit: str,
    ours: Callable[[], Awaitable[float]],
    floor: Callable[[], Awaitable[float]],
    floor_is: str,
) -> Result:
    """Ask both in turn, after one warm-up each; each answers with a rate in `unit`."""
    await ours()
    await floor()
    pairs = [(await ours(), await floor()) for _ in range(ROUNDS)]
    ratios = [mine / theirs for mine, theirs in pairs]
    return Result(
        question=question,
        unit=unit,
        ours=statistics.median(mine for mine, _ in pairs),
        floor=statistics.median(theirs for _, theirs in pairs),
        floor_is=floor_is,
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
    )


def compare_times(question: str, ours: Sequence[float], floor: Sequence[float], floor_is: str) -> list[Result]:
    """Times in seconds, taken in turn: their medians and their 99th percentiles. The less the better."""
    return [
        _times(f"{question}, {name}", ours, floor, floor_is, at)
        for name, at in (("p50", statistics.median), ("p99", _percentile_99))
    ]


def _times(
    question: str, ours: Sequence[float], floor: Sequence[float], floor_is: str, at: Callable[[Sequence[float]], float]
) -> Result:
    size = max(len(ours) // ROUNDS, 1)
    rounds = [slice(start, start + size) for start in range(0, size * ROUNDS, size)]
    ratios = [at(ours[each]) / at(floor[each]) for each in rounds]
    mine, theirs = at(ours) * 1e6, at(floor) * 1e6
    return Result(question, "µs", mine, theirs, f"the time of {floor_is}", mine / theirs, min(ratios), max(ratios))


def _percentile_99(times: Sequence[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def rate(self, count: int) -> float:
        """Things a second, of so many since the start."""
        return count / (time.perf_counter() - self._started)
