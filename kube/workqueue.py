"""Keys waiting for a worker: each at most once, never with two workers at a time, backed off when it fails."""

from __future__ import annotations

from kube.metrics import Metrics


class QueueClosed(Exception):
    """The queue was closed and holds nothing more."""


class WorkQueue:
    """A queue of keys. `add` while a key is being worked on brings it back after `done`."""

    def __init__(
        self,
        name: str,
        *,
        base_seconds: float = 0.005,
        max_seconds: float = 1000.0,
        rate: float = 10.0,
        burst: int = 100,
        metrics: Metrics | None = None,
    ) -> None:
        """Retries back off from `base_seconds`, doubling to `max_seconds`; all retries share `rate` a second."""
        raise NotImplementedError

    def add(self, key: str) -> None:
        """Queue the key now."""
        raise NotImplementedError

    def add_after(self, key: str, seconds: float) -> None:
        """Queue the key then; of several times for a key the earliest counts."""
        raise NotImplementedError

    def retry(self, key: str) -> float:
        """Queue the key after its back-off; returns the delay in seconds."""
        raise NotImplementedError

    def forget(self, key: str) -> None:
        """The key succeeded: its back-off starts anew."""
        raise NotImplementedError

    async def get(self) -> str:
        """The next key; `done` must follow.

        Raises:
            QueueClosed: closed, and nothing is left.
        """
        raise NotImplementedError

    def done(self, key: str) -> None:
        """The work on the key has ended, well or not."""
        raise NotImplementedError

    def close(self) -> None:
        """Take no more keys; what is queued may still be got, what is delayed is dropped."""
        raise NotImplementedError
