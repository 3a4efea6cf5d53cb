"""Judges a custom object by its OpenAPI schema, in the words of the real server.

What is judged: types, nullable, enumerations, patterns, bounds, lengths, counts, required properties, formats, allOf,
anyOf, oneOf, not, list types, embedded objects. What an update leaves as it was is not judged again. Rules in CEL
(x-kubernetes-validations) are not evaluated. Source: "Validation" and "Validation ratcheting" in the documentation of
CustomResourceDefinitions.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from sandbox.crds.formats import matches_format
from sandbox.errors import FieldError
from sandbox.schema.types import MISSING

JSON = dict[str, Any]

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def check_value(node: JSON, value: Any, path: str = "", old: Any = MISSING) -> list[FieldError]:
    """Objections to a value under a schema node; `old` is what stood in its place before, if anything."""
    return list(_check(node, value, path, old))


def _check(node: JSON, value: Any, path: str, old: Any) -> Iterator[FieldError]:
    if old is not MISSING and value == old:
        return
    if value is None and node.get("nullable"):
        return
    yield from _check_type(node, value, path)
    if "enum" in node and not any(_same(value, each) for each in node["enum"]):
        yield FieldError.not_supported(path, value, [_text(each) for each in node["enum"]])
    if isinstance(value, str):
        yield from _check_string(node, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_number(node, value, path)
    elif isinstance(value, list):
        yield from _check_list(node, value, path, old)
    elif isinstance(value, dict):
        yield from _check_object(node, value, path, old)
    yield from _check_combinations(node, value, path, old)


def _check_type(node: JSON, value: Any, path: str) -> Iterator[FieldError]:
    wanted = (
        ["integer", "string"] if node.get("x-kubernetes-int-or-string") else [node["type"]] if "type" in node else []
    )
    actual = _TYPES.get(type(value), "null")
    fits = actual in wanted or ("number" in wanted and actual == "integer")
    # JSON has one kind of number: 1.0 is an integer.
    fits = fits or ("integer" in wanted and isinstance(value, float) and value.is_integer())
    if wanted and not fits:
        yield FieldError.type_invalid(path, actual, f'{path} in body must be of type {",".join(wanted)}: "{actual}"')


def _check_string(node: JSON, value: str, path: str) -> Iterator[FieldError]:
    length = len(value)
    if length > node.get("maxLength", length):
        yield FieldError.too_long(path, node["maxLength"])
    if length < node.get("minLength", 0):
        yield FieldError.invalid(path, value, f"{path} in body should be at least {node['minLength']} chars long")
    if "pattern" in node and not compiled(node["pattern"]).search(value):
        yield FieldError.invalid(path, value, f"{path} in body should match '{node['pattern']}'")
    if not matches_format(node.get("format", ""), value):
        why = f'{path} in body must be of type {node["format"]}: "{value}"'
        yield FieldError.type_invalid(path, value, why)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    r"""The pattern; a `$` at its end means the very end, as in Go, where Python would let a newline follow.

    Raises:
        re.error: it is none.
    """
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def _check_number(node: JSON, value: float, path: str) -> Iterator[FieldError]:
    minimum, maximum = node.get("minimum"), node.get("maximum")
    if minimum is not None and (value < minimum or (node.get("exclusiveMinimum") and value == minimum)):
        relation = "greater than" if node.get("exclusiveMinimum") else "greater than or equal to"
        yield FieldError.invalid(path, value, f"{path} in body should be {relation} {_text(minimum)}")
    if maximum is not None and (value > maximum or (node.get("exclusiveMaximum") and value == maximum)):
        relation = "less than" if node.get("exclusiveMaximum") else "less than or equal to"
        yield FieldError.invalid(path, value, f"{path} in body should be {relation} {_text(maximum)}")
    factor = node.get("multipleOf")
    if factor and value / factor != value // factor:
        yield FieldError.invalid(path, value, f"{path} in body should be a multiple of {_text(factor)}")


def _check_list(node: JSON, value: list[Any], path: str, old: Any) -> Iterator[FieldError]:
    if len(value) > node.get("maxItems", len(value)):
        yield FieldError.too_many(path, len(value), node["maxItems"])
    if len(value) < node.get("minItems", 0):
        yield FieldError.invalid(path, len(value), f"{path} in body should have at least {node['minItems']} items")
    items = node.get("items")
    before = _by_key(node, old) if isinstance(old, list) else {}
    seen: set[str] = set()
    for index, item in enumerate(value):
        key = _key(node, item)
        if isinstance(items, dict):
            yield from _check(items, item, f"{path}[{index}]", before.get(key, MISSING) if key else MISSING)
        if key is not None and key in seen:
            yield FieldError.duplicate(f"{path}[{index}]", orjson.loads(key))
        if key is not None:
            seen.add(key)


def _by_key(node: JSON, items: list[Any]) -> dict[str, Any]:
    return {key: item for item in items if (key := _key(node, item)) is not None}


def _key(node: JSON, item: Any) -> str | None:
    """What must be unique of an item; None where the list is no set and no map."""
    match node.get("x-kubernetes-list-type"):
        case "set":
            return orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()
        case "map" if isinstance(item, dict):
            keys = {key: item[key] for key in node.get("x-kubernetes-list-map-keys", ()) if key in item}
            return orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()
        case _:
            return None


def _check_object(node: JSON, value: JSON, path: str, old: Any) -> Iterator[FieldError]:
    if len(value) > node.get("maxProperties", len(value)):
        yield FieldError.too_many(path, len(value), node["maxProperties"])
    if len(value) < node.get("minProperties", 0):
        why = f"{path} in body should have at least {node['minProperties']} properties"
        yield FieldError.invalid(path, len(value), why)
    required = dict.fromkeys([*node.get("required", ()), *_required_of_embedded(node, path)])
    yield from (FieldError.required(_below(path, name)) for name in required if name not in value)
    properties, others = node.get("properties", {}), node.get("additionalProperties")
    for name, item in value.items():
        below = properties.get(name, others)
        if isinstance(below, dict):
            before = old.get(name, MISSING) if isinstance(old, dict) else MISSING
            yield from _check(below, item, _below(path, name), before)


def _required_of_embedded(node: JSON, path: str) -> tuple[str, ...]:
    return ("apiVersion", "kind") if path and node.get("x-kubernetes-embedded-resource") else ()


def _check_combinations(node: JSON, value: Any, path: str, old: Any) -> Iterator[FieldError]:
    for each in node.get("allOf", ()):
        yield from _check(each, value, path, old)
    if "not" in node and not check_value(node["not"], value, path):
        yield FieldError.invalid(path, "", f'"{path}" must not validate the schema (not)')
    if "anyOf" in node and all(check_value(each, value, path) for each in node["anyOf"]):
        yield FieldError.invalid(path, "", f'"{path}" must validate at least one schema (anyOf)')
    if "oneOf" in node:
        fitting = sum(not check_value(each, value, path) for each in node["oneOf"])
        if fitting != 1:
            found = f"{fitting} valid alternatives" if fitting else "none valid"
            why = f'"{path}" must validate one and only one schema (oneOf). Found {found}'
            yield FieldError.invalid(path, "", why)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _same(value: Any, other: Any) -> bool:
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
