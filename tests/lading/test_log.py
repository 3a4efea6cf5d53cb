"""What is logged of a fault, in each form."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from lading.log import LogFormat, configure


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was, afterwards."""
    before, handlers, level = structlog.get_config(), list(logging.root.handlers), logging.root.level
    yield
    structlog.configure(**before)
    logging.root.handlers, logging.root.level = handlers, level


def fail(password: str) -> None:
    known = {"password": password}
    raise ValueError(str(len(known)))


@pytest.mark.parametrize("format_", [LogFormat.JSON, LogFormat.TEXT])
@pytest.mark.parametrize("log", [structlog.get_logger(), logging.getLogger("library")])
def test_a_traceback_has_no_values(capsys: pytest.CaptureFixture[str], format_: LogFormat, log: logging.Logger) -> None:
    """A call that breaks may hold a Secret in a variable."""
    configure(format_)
    try:
        fail("swordfish-" * 2)
    except ValueError:
        log.exception("pass broke")
    told = capsys.readouterr().err
    assert "pass broke" in told
    assert "ValueError: 1" in told
    assert "fail(" in told
    assert "swordfish-swordfish-" not in told
