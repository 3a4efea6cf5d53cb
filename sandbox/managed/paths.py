"""Paths of fields and sets of them, in the spelling of FieldsV1.

An element of a path is the key that FieldsV1 would use: `f:name` a field, `k:{"name":"x"}` an item by its keys,
`v:"x"` an item by its value. A set is a frozenset of paths; a struct's path is a member of its own only if somebody
owns the struct as such (FieldsV1 says so with "."). Source: FieldsV1 in the API reference of managedFields.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from sandbox.errors import quote
from sandbox.schema.types import MISSING, ListType, Schema

JSON = dict[str, Any]
Path = tuple[str, ...]
Paths = frozenset[Path]

NONE: Paths = frozenset()


def field_element(name: str) -> str:
    """The element of a field or of a map's key."""
    return f"f:{name}"


def item_element(schema: Schema, item: Any) -> str | None:
    """The element of a list's item; None where the item has none (it lacks every key, or is no scalar of a set)."""
    if schema.list_type is ListType.SET:
        return None if item is None or isinstance(item, dict | list) else "v:" + _json(item)
    if not isinstance(item, dict):
        return None
    keys = {key: value for key in schema.keys if (value := _key_value(schema, item, key)) is not MISSING}
    return "k:" + _json(keys) if keys else None


def _key_value(schema: Schema, item: JSON, key: str) -> Any:
    if key in item:
        return item[key]
    known = schema.element.fields.get(key) if schema.element else None
    return known.default if known else MISSING


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def to_fields(paths: Iterable[Path]) -> JSON:
    """The set as FieldsV1."""
    return _spelled(trie(paths))


def _spelled(node: JSON) -> JSON:
    """The trie's node with a member that has nothing below it written as {}."""
    below = {element: _spelled(child) for element, child in node.items() if element != "."}
    return {".": {}} | below if "." in node and below else below


def from_fields(fields: Any) -> Paths:
    """The set that FieldsV1 describes.

    Raises:
        ValueError: it is malformed.
    """
    found: list[Path] = []
    _collect(fields, (), found)
    return frozenset(found)


def _collect(node: Any, path: Path, found: list[Path]) -> None:
    if not isinstance(node, dict):
        raise ValueError("FieldsV1 holds something that is no object")  # noqa: TRY004 - callers catch one kind
    if not node and path:
        found.append(path)
    for element, child in node.items():
        if element == ".":
            found.append(path)
        elif element[:2] in {"f:", "k:", "v:", "i:"}:
            _collect(child, (*path, element), found)
        else:
            raise ValueError(f"FieldsV1 has no element like {element!r}")


def is_within(path: Path, prefixes: Iterable[Path]) -> bool:
    """Whether the path is one of the prefixes or lies below one."""
    return any(path[: len(prefix)] == prefix for prefix in prefixes)


def trie(paths: Iterable[Path]) -> JSON:
    """The set as nested objects; a member's node has the key "."."""
    root: JSON = {}
    for path in paths:
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = True
    return root


def printed(path: Path) -> str:
    """The path as messages print it: `.spec.containers[name="web"].image`."""
    return "".join(_printed_element(element) for element in path)


def _printed_element(element: str) -> str:
    mark, text = element[:2], element[2:]
    if mark == "f:":
        return f".{text}"
    if mark == "i:":
        return f"[{text}]"
    value = orjson.loads(text)
    if isinstance(value, Mapping) and mark == "k:":
        return "[" + ",".join(f"{key}={_printed_value(each)}" for key, each in sorted(value.items())) + "]"
    return f"[={_printed_value(value)}]"


def _printed_value(value: Any) -> str:
    return quote(value) if isinstance(value, str) else orjson.dumps(value).decode()
