"""How a soak went, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GROWTH_LIMIT_BYTES: Final = 20 << 20
"""Of a leader in the calm time: what it remembers up to a number fills meanwhile, as it has not led for long."""


@dataclass(frozen=True)
class Row:
    """One line: what, how it was, and whether that is well."""

    what: str
    how: str
    well: bool


@dataclass(frozen=True)
class Growth:
    """What a leader's memory did while nobody was killed."""

    first: int
    last: int
    claims: float


def growth(seen: Sequence[tuple[float, int]]) -> Growth | None:
    """From what was seen: claims bound by then, and bytes. None where there are not two to compare."""
    if len(seen) < 2:
        return None
    return Growth(seen[0][1], seen[-1][1], seen[-1][0] - seen[0][0])


def memory_row(grown: Growth | None) -> Row:
    """What the table says of it."""
    if grown is None:
        return Row("memory of the leader", "not seen long enough", well=True)
    more = grown.last - grown.first
    each = more / grown.claims * 1000 if grown.claims else 0.0
    how = f"{_mib(grown.first)} to {_mib(grown.last)} over the last {grown.claims:,.0f} claims, {_mib(each)} a thousand"
    return Row("memory of the leader", how, more <= GROWTH_LIMIT_BYTES)


def table(rows: Sequence[Row]) -> str:
    """The rows, and what they come to."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'ok   ' if row.well else 'FAULT'}  {row.what:{width}}  {row.how}" for row in rows]
    return "\n".join(["", *lines, "", "passed" if all(row.well for row in rows) else "FAILED"])


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.1f} MiB"
