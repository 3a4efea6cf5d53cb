"""What tests of published capacities need."""

import pytest

from model.resources import CAPACITIES
from tests.controllers.api import KINDS


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's capacities are looked at, too."""
    monkeypatch.setitem(KINDS, CAPACITIES.kind, CAPACITIES)
