"""Whether the controllers may write: until somebody else is found to write what they own."""

import asyncio

import structlog

log = structlog.get_logger()


class GateShut(Exception):  # noqa: N818 - named by what happened
    """Writing has ended; the message says why."""


class Gate:
    """Open until it is shut, which is for good: only a person knows when the other writer is gone."""

    def __init__(self) -> None:
        self._why: str | None = None

    @property
    def complaint(self) -> str | None:
        """Why it is shut; None while it is open."""
        return self._why

    def shut(self, why: str) -> None:
        """Let nobody pass any more."""
        if self._why is None:
            log.error("controllers stop writing", reason=why)
            self._why = why

    def check(self) -> None:
        """Pass. Raises GateShut."""
        if self._why is not None:
            raise GateShut(self._why)

    async def passed(self) -> None:
        """Return once the gate may be passed: at once, or never."""
        if self._why is not None:
            await asyncio.Event().wait()
