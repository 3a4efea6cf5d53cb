"""Structured logs, configured here alone: JSON lines, or text for people at a terminal.

One line is a constant event and its facts. Logs go to standard error; standard output is for what a command answers.
Tracebacks are written without the values of variables: some of them are Secrets.
"""

import logging
import sys
from enum import StrEnum
from typing import Final

import structlog
from structlog.typing import Processor

_LEVELS: Final = logging.getLevelNamesMapping()


class LogFormat(StrEnum):
    """How lines are written; `auto` is text on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """The least level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure(format_: LogFormat = LogFormat.AUTO, level: LogLevel = LogLevel.INFO) -> None:
    """Set up logging for the process. Libraries' own log lines come out in the same form."""
    as_text = format_ is LogFormat.TEXT or (format_ is LogFormat.AUTO and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(_LEVELS[level.upper()], logging.WARNING), force=True)
