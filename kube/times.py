"""Moments as the API writes them."""

from datetime import UTC, datetime
from typing import Final

_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_NANOSECONDS: Final = 10**9


def now() -> str:
    """This moment, in RFC 3339."""
    return datetime.now(UTC).strftime(_FORMAT)


def moment(nanoseconds: int) -> str:
    """The moment so many nanoseconds after 1970 began, in RFC 3339."""
    return datetime.fromtimestamp(nanoseconds // _NANOSECONDS, UTC).strftime(_FORMAT)
