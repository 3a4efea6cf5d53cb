"""JSON Patch operations (RFC 6902) as rules make them: the fewest, and only such as apply.

The API server fails a request whose patch decodes but does not apply, whatever failurePolicy says: so nothing is
removed that is not there, and parents that are missing come along with the value.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from model.meta import JSON

Key = str | int


def pointer(*keys: Key) -> str:
    """A JSON pointer (RFC 6901); keys of labels and annotations hold slashes."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def read(raw: Any, *path: Key) -> Any:
    """The value at a path of keys and positions, None where something on the way is missing."""
    for key in path:
        if isinstance(raw, dict):
            raw = raw.get(key)
        elif isinstance(raw, list) and isinstance(key, int) and key < len(raw):
            raw = raw[key]
        else:
            return None
    return raw


def put(raw: JSON, path: tuple[Key, ...], value: object) -> Iterator[JSON]:
    """Give the field at `path` this value: one operation, or none when it has it."""
    for depth in range(1, len(path)):
        if read(raw, *path[:depth]) is None:
            yield {"op": "add", "path": pointer(*path[:depth]), "value": _nest(path[depth:], value)}
            return
    holder, key = read(raw, *path[:-1]), path[-1]
    if isinstance(holder, dict) and key not in holder:
        yield {"op": "add", "path": pointer(*path), "value": value}
    elif holder[key] != value:
        yield {"op": "replace", "path": pointer(*path), "value": value}


def drop(raw: JSON, path: tuple[str, ...]) -> Iterator[JSON]:
    """Remove the field at `path` if it is there."""
    holder = read(raw, *path[:-1])
    if isinstance(holder, dict) and path[-1] in holder:
        yield {"op": "remove", "path": pointer(*path)}


def rename(path: tuple[str, ...], old: str, new: str) -> JSON:
    """Give the entry `old` of the map at `path` another key; it must be there, and the new key must not."""
    return {"op": "move", "from": pointer(*path, old), "path": pointer(*path, new)}


def keys_of(path: str) -> list[str]:
    """The keys of a JSON pointer."""
    return [each.replace("~1", "/").replace("~0", "~") for each in path.split("/")[1:]]


def dotted(path: str) -> str:
    """A JSON pointer as the API server writes a field: `spec.accessModes`, `metadata.labels[a/b]`, `terms[0].key`."""
    field = ""
    for key in keys_of(path):
        field += f"[{key}]" if key.isdecimal() or "/" in key or "." in key else f".{key}"
    return field.removeprefix(".")


def described(operation: JSON) -> str:
    """An operation in words: `set spec.accessModes to [...]`."""
    field = dotted(operation["path"])
    match operation["op"]:
        case "remove":
            return f"remove {field}"
        case "move":
            return f"rename {dotted(operation['from'])} to {field}"
        case _:
            return f"set {field} to {orjson.dumps(operation['value']).decode()}"


def _nest(path: tuple[Key, ...], value: object) -> object:
    for key in reversed(path):
        value = {key: value}
    return value
