"""Ends processes whose starter is gone: a program of its own that outlives a `kill -9` of whoever started it.

It reads `+PID` and `-PID` lines from a pipe that the starter holds. The pipe closes when the starter ends, in whatever
way; the process groups that are still listed then are killed. It needs nothing but the standard library.
"""

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager


class Guard:
    """The starter's end of the pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def add(self, group: int) -> None:
        """From now on this process group does not outlive us."""
        os.write(self._pipe, b"+%d\n" % group)

    def remove(self, group: int) -> None:
        """It has ended; its number may become another's."""
        os.write(self._pipe, b"-%d\n" % group)


@asynccontextmanager
async def guarding() -> AsyncIterator[Guard]:
    """A guard while the block runs."""
    import asyncio  # the guard itself, which runs this file, does without

    reading, writing = os.pipe()
    try:
        command = [sys.executable, "-I", "-S", __file__]
        process = await asyncio.create_subprocess_exec(*command, stdin=reading, start_new_session=True)
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    try:
        yield Guard(writing)
    finally:
        os.close(writing)
        await process.wait()


def main(lines: Iterable[str]) -> None:
    """Follow the list until the pipe closes, then kill what is left on it."""
    groups = set[int]()
    for line in lines:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.stdin)
