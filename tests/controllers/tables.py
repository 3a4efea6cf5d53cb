"""Tables of cases: the first column is the case's name."""

from collections.abc import Iterable
from typing import Any

import pytest


def table(columns: str, rows: Iterable[tuple[Any, ...]]) -> pytest.MarkDecorator:
    """Run a test over the rows."""
    return pytest.mark.parametrize(columns.split(), [pytest.param(*row[1:], id=row[0]) for row in rows])
