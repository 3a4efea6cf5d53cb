"""Standard output and error that outlive their readers: a closed pipe or a closed file must not end a server.

What a command answers goes to standard output, one line at a time; nothing else does.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def steady_streams() -> None:
    """Make the process's standard streams safe to write to, whatever they were given as."""
    _occupy()
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
    sys.stdout, sys.stderr = _steady(sys.stdout, 1), _steady(sys.stderr, 2)


def say(line: str) -> None:
    """Answer one line, at once."""
    print(line, flush=True)  # noqa: T201 - the command's answer


def complain(line: str) -> None:
    """Tell a person what is wrong, on standard error."""
    print(f"lading: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the command's word to a person


class _Steady(io.FileIO):
    """A descriptor for writing that leads nowhere once its reader has gone."""

    def write(self, content: "ReadableBuffer", /) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(content)


def _steady(stream: TextIO | None, descriptor: int) -> TextIO:
    encoding = stream.encoding if stream is not None else "utf-8"
    if stream is not None:
        stream.flush()
    raw = io.BufferedWriter(_Steady(descriptor, "wb", closefd=False))
    return io.TextIOWrapper(raw, encoding=encoding, errors="replace", line_buffering=True)


def _occupy() -> None:
    """Put the null device where a standard stream is closed, or the next file opened would be taken for it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
