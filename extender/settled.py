"""Writes of which the outcome counts: whether it is known, and not to leave one while it is under way.

Whoever lets go of what it holds for a write that may still be carried out gives it away twice.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from kube.errors import BadAnswer, KubeError, ServerError, Unreachable

T = TypeVar("T")

SETTLE_SECONDS: Final = 10.0
"""How long a write may take to be settled once nobody waits for it: less than others wait before they take over."""


def is_in_doubt(fault: KubeError) -> bool:
    """Whether a write that failed so may have been carried out, or may yet be."""
    match fault:
        case Unreachable(sent=sent):
            return sent
        case _:
            return isinstance(fault, BadAnswer | ServerError)


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of the work. If the caller is cancelled meanwhile, it is when the work is done, or takes too long."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task], timeout=SETTLE_SECONDS)
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody is left to hear of it
        raise
