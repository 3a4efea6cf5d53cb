"""What a case expects against what there is."""

from collections.abc import Iterator
from typing import Any, Final

from model.meta import JSON
from model.quantity import nanos

_QUANTITIES: Final = frozenset({"capacity", "requests", "limits", "allocatedResources"})
_FLAT: Final = frozenset({"annotations", "labels"})


def differences(expected: Any, actual: Any, path: str = "", parent: str = "") -> Iterator[str]:
    """Where the actual value lacks something that is expected."""
    match expected:
        case dict():
            for key, value in expected.items():
                there = isinstance(actual, dict) and key in actual
                if there:
                    yield from differences(value, actual[key], f"{path}.{key}", path.rpartition(".")[2])
                else:
                    yield f"{path}.{key}: absent, not {value!r}"
        case list():
            for value in expected:
                if not any(_fits(value, each) for each in actual or ()):
                    yield f"{path}: {actual!r} has nothing that contains {value!r}"
        case "@any":
            if actual in (None, "", [], {}):
                yield f"{path}: empty"
        case _:
            if not _same(expected, actual, quantity=path.rpartition(".")[0].rpartition(".")[2] in _QUANTITIES):
                yield f"{path}: {actual!r}, not {expected!r}"


def has(obj: JSON, path: str) -> bool:
    """Whether there is something at a dotted path.

    Once the walk has entered annotations, labels or a list the rest is one key: of the map, an element, or the type of
    a condition.
    """
    value: Any = obj
    rest = path
    while True:
        key, _, rest = rest.partition(".")
        value = value.get(key) if isinstance(value, dict) else None
        if value is None or not rest:
            return value is not None
        if key in _FLAT:
            return rest in value
        if isinstance(value, list):
            return any(rest == (each.get("type") if isinstance(each, dict) else each) for each in value)


def is_about(event: JSON, wanted: JSON) -> bool:
    """Whether an event is the one that a case wants: its reason and whom it is about."""
    about = event["involvedObject"]
    return event["reason"] == wanted["reason"] and all(
        about.get(key, "") == wanted.get(key, "") for key in ("kind", "namespace", "name")
    )


def _fits(expected: Any, actual: Any) -> bool:
    return next(differences(expected, actual), None) is None


def _same(expected: Any, actual: Any, *, quantity: bool) -> bool:
    if quantity and isinstance(expected, str) and isinstance(actual, str):
        return nanos(expected) == nanos(actual)
    return bool(expected == actual)
