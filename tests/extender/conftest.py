"""The scheduler's volume plugins, for the tests that compare with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extender.oracle import Oracle, running


@pytest.fixture(scope="session")
def oracle(volume_plugins: Path) -> Iterator[Oracle]:
    """One process for all tests of a run."""
    with running(volume_plugins) as oracle:
        yield oracle
