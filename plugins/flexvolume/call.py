"""One call of a driver's executable, and how what it prints and its exit code make one outcome.

Arguments may hold secrets, as the contract puts them there: they are in no message and no log.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from plugins import commands
from plugins.commands import Ended, Limits
from plugins.errors import Failed, InDoubt, NotSupported
from plugins.flexvolume.answer import Answer, NoAnswerError, Status, read

CALL_SECONDS: Final = 600.0
"""As long as kubelet waits for a device to appear; attaching in a cloud takes minutes."""


@dataclass(frozen=True)
class Executable:
    """A driver's file."""

    path: Path
    limits: Limits = field(default_factory=lambda: Limits(seconds=CALL_SECONDS))
    trusted: Callable[[Path], None] = lambda _: None
    """Raises Failed where the file must not be run; asked before each call."""

    async def call(self, name: str, *arguments: str, seconds: float | None = None) -> Answer:
        """Run it; its answer, which says Success.

        Raises:
            NotSupported: it says that it does not have this call.
            Failed: it says that it failed, or can not be run.
            InDoubt: it did not end in time, or did not say how it ended.
        """
        limits = self.limits if seconds is None else replace(self.limits, seconds=seconds)
        await asyncio.to_thread(self.trusted, self.path)
        try:
            ended = await commands.run((str(self.path), name, *arguments), limits)
        except (OSError, ValueError) as error:  # ValueError: an argument with a null byte
            why = error.strerror if isinstance(error, OSError) else error
            raise Failed(f"{name} command failed: {self.path.name} can not be run: {why}") from None
        return _outcome(name, ended)


def _outcome(name: str, ended: Ended) -> Answer:
    if ended.timed_out and ended.code != 0:
        raise InDoubt(f"{name} command failed: timeout")
    if ended.too_long:
        raise InDoubt(f"{name} command failed: it printed more than is read")
    try:
        answer = read(ended.output)
    except NoAnswerError as error:
        raise InDoubt(f"{name} command failed: it {error} and {_exit(ended)}") from None
    if answer.status == Status.NOT_SUPPORTED:
        raise NotSupported(f"{name} command is not supported by the driver")
    if answer.status != Status.SUCCESS:
        message = answer.message[:1000]
        raise Failed(f"{name} command failed, status: {answer.status[:100]}, reason: {message}")
    if ended.code != 0:
        raise InDoubt(f"{name} command failed: it printed Success and {_exit(ended)}")
    return answer


def _exit(ended: Ended) -> str:
    return f"ended by signal {-ended.code}" if ended.code < 0 else f"ended with exit status {ended.code}"
