"""The tables of custom kinds: the columns their definitions add, or the age where they add none."""

from typing import Any

import orjson

from sandbox.jsonpath import JsonPathError, find
from sandbox.kinds import Column
from sandbox.tables.cells import NAME, Heading, Printer, View, age, columns, name_of, since

JSON = dict[str, Any]


def printer_of(definition: tuple[Column, ...]) -> Printer:
    """How objects with these columns are shown."""
    if not definition:
        return Printer(columns("Age", age="date"), lambda obj, view: [name_of(obj), age(obj, view)])
    headings = (
        NAME,
        *(Heading(each.name, each.type, each.format, each.priority, each.description) for each in definition),
    )
    return Printer(headings, lambda obj, view: [name_of(obj), *(_cell(each, obj, view) for each in definition)])


def _cell(column: Column, obj: JSON, view: View) -> Any:
    try:
        found = find(column.path, obj)
    except JsonPathError:
        return None
    if not found:
        return None
    value = found[0]
    match column.type:
        case "string":
            return _text(value)
        case "integer" if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value)
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            return _date(value, view)
        case _:
            return None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _date(value: str, view: View) -> str:
    try:
        return since(value, view)
    except (ValueError, TypeError):
        return "<invalid>"
