"""Waiting for a state, never for a time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(condition: Callable[[], Awaitable[T] | T], *, within_seconds: float = 30.0) -> T:
    """Ask until the answer is true and return it.

    Raises:
        TimeoutError: it never was; the message holds the last answer.
    """
    answer: T | None = None
    try:
        async with asyncio.timeout(within_seconds):
            while True:
                asked = condition()
                answer = await asked if inspect.isawaitable(asked) else asked
                if answer:
                    return answer
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"never true within {within_seconds:g} s; the last answer was {answer!r}") from None
