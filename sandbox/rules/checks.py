"""Checks that the rules of several kinds share, each in the words of the real server."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from model.meta import JSON
from model.quantity import nanos
from sandbox.errors import FieldError
from sandbox.rules import names

NOT_NEGATIVE: Final = "must be greater than or equal to 0"
POSITIVE: Final = "must be greater than zero"
IMMUTABLE: Final = "field is immutable"
_MOST: Final = 2**31 - 1


def missing(path: str, holder: JSON, *fields: str) -> Iterator[FieldError]:
    """Fields that must be there and not be empty."""
    return (FieldError.required(f"{path}.{field}") for field in fields if not holder.get(field))


def named(path: str, value: str, rule: Callable[[str], Sequence[str]]) -> Iterator[FieldError]:
    """A value that must have the form of a name."""
    return (FieldError.invalid(path, value, why) for why in rule(value))


def needed_name(path: str, value: str, rule: Callable[[str], Sequence[str]]) -> Iterator[FieldError]:
    """A name that must be there, and have its form."""
    return named(path, value, rule) if value else iter((FieldError.required(path),))


def chosen(path: str, value: Any, supported: Iterable[str]) -> Iterator[FieldError]:
    """A value that must be one of an enumeration."""
    choices = sorted(supported)
    if value not in choices:
        yield FieldError.not_supported(path, value, choices)


def within(path: str, value: int, least: int, most: int = _MOST) -> Iterator[FieldError]:
    """A number with bounds on both sides."""
    if not least <= value <= most:
        yield FieldError.invalid(path, value, f"must be between {least} and {most}, inclusive")


def not_negative(path: str, quantity: str) -> Iterator[FieldError]:
    """A quantity of something that there may be none of."""
    if nanos(quantity) < 0:
        yield FieldError.invalid(path, quantity, NOT_NEGATIVE)


def positive(path: str, quantity: str) -> Iterator[FieldError]:
    """A quantity of something that there must be some of."""
    if nanos(quantity) <= 0:
        yield FieldError.invalid(path, quantity, POSITIVE)


def unchanged(path: str, new: Any, old: Any) -> Iterator[FieldError]:
    """A field that stays what it was at the start."""
    if new != old:
        yield FieldError.invalid(path, new, IMMUTABLE)


def fixed(path: str, new: Any, old: Any) -> Iterator[FieldError]:
    """As `unchanged`, for the fields whose value the real server does not repeat."""
    if new != old:
        yield FieldError.invalid(path, None, IMMUTABLE)


def driver_name(path: str, name: str) -> Iterator[FieldError]:
    """The name of a CSI driver: a subdomain in letters of either case."""
    if not name:
        yield FieldError.required(path)
        return
    if len(name) > 63:
        yield FieldError.too_long(path, 63)
    yield from (FieldError.invalid(path, name, why) for why in names.dns_subdomain(name.lower()))


def no_backsteps(path: str, value: str) -> Iterator[FieldError]:
    """A path that stays below where it starts."""
    if ".." in value.split("/"):
        yield FieldError.invalid(path, value, "must not contain '..'")


def descending(path: str, value: str) -> Iterator[FieldError]:
    """A relative path that stays below where it starts."""
    if value.startswith("/"):
        yield FieldError.invalid(path, value, "must be a relative path")
    yield from no_backsteps(path, value)


def access_modes(path: str, modes: Sequence[str]) -> Iterator[FieldError]:
    """The access modes of a volume or claim; that there is one is not asked here."""
    for mode in modes:
        yield from chosen(path, mode, ACCESS_MODES)
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        yield FieldError.forbidden(path, "may not use ReadWriteOncePod with other access modes")


ACCESS_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
VOLUME_MODES: Final = ("Block", "Filesystem")


def difference(old: Any, new: Any) -> str:
    """What changed, as lines of JSON with a few unchanged ones around."""
    lines = difflib.unified_diff(_lines(old), _lines(new), n=3)
    return "".join(list(lines)[2:])


def _lines(value: Any) -> list[str]:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    return [f"{line}\n" for line in text.splitlines()]


def duplicates(items: Iterable[tuple[str, str]]) -> Iterator[FieldError]:
    """Values, each with its path, that must be unique among themselves."""
    seen: set[str] = set()
    for path, value in items:
        if value in seen:
            yield FieldError.duplicate(path, value)
        seen.add(value)


def size_bytes(given: Mapping[str, str]) -> int:
    """The bytes of keys and values together."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in given.items())
