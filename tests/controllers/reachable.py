"""Counting what is kept alive: all objects that can be reached from some, by type."""

import asyncio
import gc
import types
from collections import Counter
from collections.abc import Iterable
from typing import Any

_ASIDE = (types.ModuleType, type, types.CodeType, asyncio.AbstractEventLoop, asyncio.Future, int, float)
"""What is there once, keeps the whole process, stands still where it was last, or is shared by chance."""


def reachable(*roots: Any, aside: tuple[str, ...] = ()) -> Counter[str]:
    """How many objects of each type hang on these, numbers aside, and types whose full names begin with `aside`."""
    seen: dict[int, Any] = {}
    todo = list(roots)
    while todo:
        obj = todo.pop()
        if (
            id(obj) in seen
            or isinstance(obj, _ASIDE)
            or f"{type(obj).__module__}.{type(obj).__name__}".startswith(aside)
        ):
            continue
        seen[id(obj)] = obj
        todo.extend(_parts(obj))
    return Counter(type(obj).__name__ for obj in seen.values())


def _parts(obj: Any) -> Iterable[Any]:
    if isinstance(obj, types.FunctionType):  # not the globals of its module
        return (*(obj.__closure__ or ()), *(obj.__defaults__ or ()))
    return gc.get_referents(obj)
