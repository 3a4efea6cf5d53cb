"""Brings an applied object into a live one, and takes fields out of an object again.

Source: "Merge strategy" in the documentation of server-side apply: a list that is a map or a set keeps the order of
what was applied, with the items of others where they stood.
"""

from typing import Any

from sandbox.managed.compare import DEDUCED, Shape, is_atomic, member_schema, shape_of
from sandbox.managed.paths import Paths, field_element, item_element, trie
from sandbox.schema.types import Form, Schema

JSON = dict[str, Any]


def merge(schema: Schema, live: Any, applied: Any) -> Any:
    """The live value with everything that the applied one sets."""
    shape = shape_of(schema, applied)
    if is_atomic(schema, shape) or shape is not shape_of(schema, live) or not (live or applied):
        return applied
    if shape is Shape.MAP:
        return _merge_maps(schema, live or {}, applied or {})
    return _merge_lists(schema, live or [], applied or [])


def _merge_maps(schema: Schema, live: JSON, applied: JSON) -> JSON:
    merged = dict(live)
    for key, value in applied.items():
        merged[key] = merge(member_schema(schema, key), live[key], value) if key in live else value
    return merged


def _merge_lists(schema: Schema, live: list[Any], applied: list[Any]) -> list[Any]:
    """The applied items in their order; what only the live list has stays before the shared item it stood before."""
    theirs = [(item_element(schema, item), item) for item in live]
    ours = [(item_element(schema, item), item) for item in applied]
    known: dict[str | None, list[Any]] = {}
    for element, item in theirs:
        known.setdefault(element, []).append(item)
    wanted = {element for element, _ in ours}
    shared = iter([element for element, _ in ours if element in known])
    next_shared = next(shared, None)
    merged: list[Any] = []
    position = 0
    for element, item in ours:
        while position < len(theirs) and theirs[position][0] != next_shared:
            if theirs[position][0] not in wanted:
                merged.append(theirs[position][1])
            position += 1
        # Items that the live list repeats are not merged: nobody could say which is meant.
        unique = known[element][0] if len(known.get(element, ())) == 1 else None
        merged.append(item if unique is None else merge(schema.element or DEDUCED, unique, item))
        if element == next_shared:
            next_shared = next(shared, None)
    return merged + [item for element, item in theirs[position:] if element not in wanted]


def remove(schema: Schema, value: Any, paths: Paths) -> Any:
    """The value without what the paths name."""
    return _remove(schema, value, trie(paths))


def _remove(schema: Schema, value: Any, node: JSON) -> Any:
    shape = shape_of(schema, value)
    if shape is Shape.SCALAR or not value:
        return value
    if is_atomic(schema, shape):
        return None
    if shape is Shape.MAP:
        kept = {
            key: _remove(member_schema(schema, key), item, below) if below else item
            for key, item in value.items()
            if "." not in (below := node.get(field_element(key), {}))
        }
        return kept or None
    items = []
    for item in value:
        below = node.get(item_element(schema, item) or "", {})
        if "." not in below:
            items.append(_remove(schema.element or DEDUCED, item, below) if below else item)
    return items or None


def with_named_fields(schema: Schema, paths: Paths) -> Paths:
    """The paths, and every struct's field that one of them runs through."""
    found = set(paths)
    for path in paths:
        at: Schema = schema
        for index, element in enumerate(path[:-1]):
            name = element[2:]
            if element.startswith("f:"):
                if at.form is Form.STRUCT and name in at.fields:
                    found.add(path[: index + 1])
                at = member_schema(at, name)
            else:
                at = at.element or DEDUCED
    return frozenset(found)
