"""What an object sets, and what one object changed in another: sets of paths, by the list and map kinds of the schema.

Source: "Field management" and "Merge strategy" in the documentation of server-side apply. What is owned as a whole is
one path; of an empty struct or list the path itself counts, so that the difference to an absent one is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from sandbox.managed.paths import NONE, Path, Paths, field_element, is_within, item_element
from sandbox.schema.types import Form, ListType, Schema

JSON = dict[str, Any]

DEDUCED = Schema(Form.ANY)
"""What is known of values without a schema: objects are maps, lists are owned whole."""


class _Absent(Enum):
    ABSENT = auto()


ABSENT = _Absent.ABSENT


class Shape(Enum):
    """How a value is walked."""

    SCALAR = auto()
    MAP = auto()
    LIST = auto()


_SHAPELESS = {Form.ANY, Form.VARIANT}
_FORM_SHAPES = {Form.STRUCT: Shape.MAP, Form.MAP: Shape.MAP, Form.LIST: Shape.LIST}


def shape_of(schema: Schema, value: Any) -> Shape:
    """The shape that the schema gives a value; without one, the value's own."""
    if schema.form not in _SHAPELESS:
        return _FORM_SHAPES.get(schema.form, Shape.SCALAR)
    return Shape.MAP if isinstance(value, dict) else Shape.LIST if isinstance(value, list) else Shape.SCALAR


def is_atomic(schema: Schema, shape: Shape) -> bool:
    """Whether a value of that shape is owned as a whole."""
    if shape is Shape.LIST:
        return schema.form is not Form.LIST or schema.list_type is ListType.ATOMIC
    return shape is Shape.SCALAR or schema.atomic


def member_schema(schema: Schema, key: str) -> Schema:
    """The schema of an object's member."""
    known = schema.fields.get(key)
    return known.schema if known else schema.element or DEDUCED


def field_set(schema: Schema, value: Any) -> Paths:
    """Every path that the value sets."""
    found: set[Path] = set()
    _collect(schema, value, (), found)
    return frozenset(found)


def _collect(schema: Schema, value: Any, path: Path, found: set[Path]) -> None:
    shape = shape_of(schema, value)
    if is_atomic(schema, shape):
        found.add(path)
    elif shape is Shape.MAP:
        _collect_members(schema, value or {}, path, found)
    else:
        for element, items in _by_element(schema, value or []).items():
            if len(items) == 1:
                _collect(schema.element or DEDUCED, items[0], (*path, element), found)
            found.add((*path, element))


def _collect_members(schema: Schema, value: JSON, path: Path, found: set[Path]) -> None:
    for key, item in value.items():
        below = (*path, field_element(key))
        _collect(member_schema(schema, key), item, below, found)
        if item is None or item == {} or key not in schema.fields:
            found.add(below)


def _by_element(schema: Schema, items: list[Any]) -> dict[str, list[Any]]:
    """The items of a list by their path elements: several where the list repeats one."""
    found: dict[str, list[Any]] = {}
    for item in items:
        element = item_element(schema, item)
        if element is not None:
            found.setdefault(element, []).append(item)
    return found


@dataclass
class Comparison:
    """What the second object did to the first. A path is in one of the sets at most."""

    added: Paths = NONE
    modified: Paths = NONE
    removed: Paths = NONE

    def without(self, prefixes: Paths) -> "Comparison":
        """The comparison but for what lies below the prefixes."""
        return Comparison(
            *(
                frozenset(path for path in paths if not is_within(path, prefixes))
                for paths in (self.added, self.modified, self.removed)
            )
        )


def compare(schema: Schema, old: Any, new: Any) -> Comparison:
    """What changed from `old` to `new`."""
    walk = _Walk()
    walk.compare(schema, old, new, ())
    return Comparison(frozenset(walk.added), frozenset(walk.modified), frozenset(walk.removed))


@dataclass
class _Walk:
    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)

    def compare(self, schema: Schema, old: Any, new: Any, path: Path) -> None:
        if old == new:
            return
        shape = shape_of(schema, old if new is ABSENT else new)
        one_shape = ABSENT in (old, new) or shape is shape_of(schema, old)
        leaf = is_atomic(schema, shape) or not one_shape or not (_filled(old) or _filled(new))
        if leaf and ABSENT not in (old, new):
            self.modified.add(path)
            return
        if not leaf:
            self._descend(schema, shape, old, new, path)
        if old is ABSENT:
            self.added.add(path)
        elif new is ABSENT:
            self.removed.add(path)

    def _descend(self, schema: Schema, shape: Shape, old: Any, new: Any, path: Path) -> None:
        if shape is Shape.MAP:
            before, after = old if _filled(old) else {}, new if _filled(new) else {}
            for key in _either(before, after):
                below = (*path, field_element(key))
                self.compare(member_schema(schema, key), before.get(key, ABSENT), after.get(key, ABSENT), below)
        else:
            before = _by_element(schema, old if _filled(old) else [])
            after = _by_element(schema, new if _filled(new) else [])
            for element in _either(before, after):
                self._items(schema, before.get(element, []), after.get(element, []), (*path, element))

    def _items(self, schema: Schema, old: list[Any], new: list[Any], path: Path) -> None:
        """Items of one element; where one list repeats it, its items count as a whole."""
        if len(old) > 1 and len(new) > 1:
            if old != new:
                self.modified.add(path)
            return
        was = old[0] if len(old) == 1 else ABSENT
        now = new[0] if len(new) == 1 else ABSENT
        if was is not ABSENT or now is not ABSENT:
            self.compare(schema.element or DEDUCED, was, now, path)
        if len(old) > 1:
            self.removed.add(path)
        elif len(new) > 1:
            self.added.add(path)


def _filled(value: Any) -> bool:
    return value is not ABSENT and bool(value)


def _either(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    yield from before
    yield from (key for key in after if key not in before)
