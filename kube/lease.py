"""Leader election on a Lease: at most one candidate works at any time, whatever server, network and clocks do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from kube.client import Client


async def lead(
    client: Client,
    namespace: str,
    name: str,
    identity: str,
    work: Callable[[], Awaitable[None]],
    *,
    duration: float = 15.0,
    renew: float = 10.0,
    retry: float = 2.0,
    clock: Callable[[], datetime] | None = None,
    on_overrun: Callable[[], None] | None = None,
) -> None:
    """Wait for the lease, do the work while holding it, release it. Returns when the work returns.

    `identity` must be this process's alone. `duration`, `renew` and `retry` are seconds: how long others wait after the
    last renewal, how long we try before we stop working, how often we try. `clock` gives the times written into the
    Lease, which nobody compares. `on_overrun` is called from another thread if the work has not ended when others may
    take over; it must end the process, and by default does.

    Raises:
        LeaseLost: it could not be renewed, or another holds it; the work was cancelled and has ended.
        Exception: what the work raises.
    """
    raise NotImplementedError
