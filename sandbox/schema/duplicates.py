"""Finds keys that a JSON text gives twice, which a parsed object no longer shows."""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from sandbox.schema.decode import MAX_UNKNOWN, join_path


class _Pairs(list[tuple[str, Any]]):
    """An object as its text gives it."""


def duplicate_fields(text: bytes, parsed: Any) -> list[str]:
    """Paths of keys that occur more than once in one object, in the order of the text. `text` is valid JSON.

    `parsed` is what orjson made of it: a compact text that is as long when written again has no key to spare, which
    saves the slow way for what clients normally send. What is nested too deeply to be written again has none: `decode`
    refuses it.
    """
    try:
        if len(orjson.dumps(parsed)) == len(text.strip()):
            return []
    except TypeError:
        return []
    pairs = json.loads(text, object_pairs_hook=_Pairs)
    return list(dict.fromkeys(_duplicates(pairs, [])))[:MAX_UNKNOWN]


def _duplicates(value: Any, path: list[str | int]) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            if key in seen:
                yield join_path([*path, key])
            seen.add(key)
            yield from _duplicates(item, [*path, key])
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _duplicates(item, [*path, index])
