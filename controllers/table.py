"""All controllers: one row each, under the names of `controllers.NAMES`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from controllers.runtime import Context, Controller
from model.resources import Resource


@dataclass(frozen=True)
class Row:
    """A controller that can be selected."""

    name: str
    caches: tuple[Resource[Any], ...]
    """What it reads."""
    make: Callable[[Context], Controller]


_ROWS: Final[tuple[Row, ...]] = ()
ROWS: Final = {row.name: row for row in _ROWS}
