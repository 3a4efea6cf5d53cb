"""Reads a body as the real API server's Go types would.

Wrong types are refused, in the words of encoding/json, which users of kubectl know; unknown fields are dropped and
named; nulls and zero values are dropped or filled in as encoding/json does; quantities and times get their one form.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from model.quantity import QuantityError, canonical
from sandbox.schema.types import Absent, Field, Form, Schema

JSON = dict[str, Any]

MAX_DEPTH = 200
"""How deep an object may be nested: what is deeper could not be written out again."""
TOO_DEEP = f"json: the object is nested more than {MAX_DEPTH} levels deep"
MAX_UNKNOWN = 100
"""How many unknown fields are named at most, as in the real server."""

_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_LAYOUT = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d{2}"),
    ("-", "-"),
    ("02", r"\d{2}"),
    ("T", "T"),
    ("15", r"\d{2}"),
    (":", ":"),
    ("04", r"\d{2}"),
    (":", ":"),
    ("05", r"\d{2}(?:[.,]\d+)?"),
    ("Z07:00", r"Z|[+-]\d{2}:\d{2}"),
)
_MICRO_SECONDS = re.compile(r".*:\d{2}\.\d{6}(?:Z|[+-]\d{2}:\d{2})", re.DOTALL)
_SECONDS = "2006-01-02T15:04:05Z07:00"
_MICROS = "2006-01-02T15:04:05.000000Z07:00"


class DecodeError(ValueError):
    """A value of the wrong type. The message is encoding/json's."""


@dataclass(slots=True)
class Decoded:
    """What became of a body."""

    value: JSON
    unknown: list[str] = field(default_factory=list)
    """Paths of the dropped fields: `spec.containers[0].foo`."""


def decode_struct(schema: Schema, value: Any) -> Decoded:
    """The value as the struct's own JSON.

    Raises:
        DecodeError: a value is of the wrong type; the first one found is named.
    """
    reader = _Reader()
    return Decoded(reader.struct(schema, value), reader.unknown)


class _Reader:
    """One walk along a body. The path is kept for messages only."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self._path: list[str | int] = []
        self._fields: list[str] = []
        self._struct = ""

    def read(self, schema: Schema, value: Any) -> Any:
        return _READERS[schema.form](self, schema, value)

    def struct(self, schema: Schema, value: Any) -> JSON:
        if type(value) is not dict:
            raise self.mismatch(schema, value)
        if len(self._path) > MAX_DEPTH:
            raise DecodeError(TOO_DEEP)
        outer, self._struct = self._struct, schema.go_type
        fields, path, result = schema.fields, self._path, {}
        for key, item in value.items():
            known = fields.get(key)
            if known is None:
                self._drop(key)
            elif item is not None:
                path.append(key)
                self._fields.append(key)
                read = self.read(known.schema, item)
                if read or known.absent is not Absent.OMIT:
                    result[key] = read
                self._fields.pop()
                path.pop()
        self._struct = outer
        for key, known in schema.filled:
            if not result.get(key):
                result[key] = result.get(key) or _zero(known)
        return result

    def mapping(self, schema: Schema, value: Any) -> JSON | None:
        if type(value) is not dict:
            raise self.mismatch(schema, value)
        result = {}
        for key, item in value.items():
            self._path.append(key)
            result[key] = self._element(schema.element, item)
            self._path.pop()
        return result

    def list(self, schema: Schema, value: Any) -> list[Any]:
        if type(value) is not list:
            raise self.mismatch(schema, value)
        result = []
        for index, item in enumerate(value):
            self._path.append(index)
            result.append(self._element(schema.element, item))
            self._path.pop()
        return result

    def _element(self, schema: Schema | None, value: Any) -> Any:
        if schema is None:
            return value
        return _zero_of(schema) if value is None else self.read(schema, value)

    def string(self, schema: Schema, value: Any) -> str:
        if type(value) is not str:
            raise self.mismatch(schema, value)
        return value

    def bytes(self, schema: Schema, value: Any) -> str:
        text = self.string(schema, value)
        try:
            return base64.b64encode(base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)).decode()
        except binascii.Error:
            bad = re.match(r"[A-Za-z0-9+/]*", text)
            raise DecodeError(f"illegal base64 data at input byte {bad.end() if bad else 0}") from None

    def integer(self, schema: Schema, value: Any) -> int:
        if type(value) is int and -(1 << schema.bits - 1) <= value < 1 << schema.bits - 1:
            return value
        raise self.mismatch(schema, value, number=True)

    def number(self, schema: Schema, value: Any) -> float:
        if type(value) is int:
            return value
        if type(value) is float:
            return int(value) if value.is_integer() else value
        raise self.mismatch(schema, value)

    def boolean(self, schema: Schema, value: Any) -> bool:
        if type(value) is not bool:
            raise self.mismatch(schema, value)
        return value

    def quantity(self, _schema: Schema, value: Any) -> str:
        if type(value) is int or type(value) is float:
            value = repr(value)
        try:
            return canonical(value.strip()) if type(value) is str else canonical("")
        except QuantityError:
            raise DecodeError(_QUANTITY) from None

    def time(self, schema: Schema, value: Any) -> str:
        return _canonical_time(self.string(schema, value))

    def micro_time(self, schema: Schema, value: Any) -> str:
        moment = _parse_time(self.string(schema, value), _MICROS)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def int_or_string(self, _schema: Schema, value: Any) -> int | str:
        if type(value) is str:
            return value
        if type(value) is int and -(1 << 31) <= value < 1 << 31:
            return value
        raise DecodeError(f"json: cannot unmarshal {_json_kind(value, number=True)} into Go value of type int32")

    def variant(self, schema: Schema, value: Any) -> Any:
        assert schema.variant is not None
        if type(value) is dict:
            return self.struct(schema.variant, value)
        if type(value) is list:
            return [self.struct(schema.variant, item) if type(item) is dict else item for item in value]
        return value

    def anything(self, _schema: Schema, value: Any) -> Any:
        check_depth(value, MAX_DEPTH - len(self._path))
        return value

    def mismatch(self, schema: Schema, value: Any, *, number: bool = False) -> DecodeError:
        """The value is not of the schema's type."""
        where = (
            f"struct field {self._struct.rpartition('.')[2]}.{'.'.join(self._fields)} of"
            if self._fields
            else "value of"
        )
        return DecodeError(
            f"json: cannot unmarshal {_json_kind(value, number=number)} into Go {where} type {schema.go_type}"
        )

    def _drop(self, key: str) -> None:
        if len(self.unknown) < MAX_UNKNOWN:
            self.unknown.append(join_path([*self._path, key]))


_READERS: dict[Form, Callable[[_Reader, Schema, Any], Any]] = {
    Form.STRUCT: _Reader.struct,
    Form.MAP: _Reader.mapping,
    Form.LIST: _Reader.list,
    Form.STRING: _Reader.string,
    Form.BYTES: _Reader.bytes,
    Form.INTEGER: _Reader.integer,
    Form.NUMBER: _Reader.number,
    Form.BOOLEAN: _Reader.boolean,
    Form.QUANTITY: _Reader.quantity,
    Form.TIME: _Reader.time,
    Form.MICRO_TIME: _Reader.micro_time,
    Form.DURATION: _Reader.string,
    Form.INT_OR_STRING: _Reader.int_or_string,
    Form.VARIANT: _Reader.variant,
    Form.ANY: _Reader.anything,
}
_ZEROS: dict[Form, Any] = {
    Form.STRING: "",
    Form.INTEGER: 0,
    Form.NUMBER: 0,
    Form.BOOLEAN: False,
    Form.QUANTITY: "0",
    Form.DURATION: "0s",
    Form.INT_OR_STRING: 0,
}


def check_depth(value: Any, levels: int = MAX_DEPTH) -> None:
    """Refuse a value of unknown shape that is nested deeper than that.

    Raises:
        DecodeError: it is.
    """
    if isinstance(value, dict | list):
        if levels <= 0:
            raise DecodeError(TOO_DEEP)
        for item in value.values() if isinstance(value, dict) else value:
            check_depth(item, levels - 1)


def join_path(parts: list[str | int]) -> str:
    """Keys and indexes as one path: `spec.containers[0].image`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _zero(known: Field) -> Any:
    return None if known.pointer else _zero_of(known.schema)


def _zero_of(schema: Schema) -> Any:
    if schema.form is Form.STRUCT:
        return {key: _zero(known) for key, known in schema.filled}
    return _ZEROS.get(schema.form)


def _json_kind(value: Any, *, number: bool) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value!r}" if number else "number"
    names: dict[type, str] = {str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


@lru_cache(maxsize=4096)
def _canonical_time(text: str) -> str:
    return _parse_time(text, _SECONDS).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_time(text: str, layout: str) -> datetime:
    rest = text
    for name, pattern in _LAYOUT:
        match = re.match(pattern, rest)
        if match is None:
            raise DecodeError(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{name}"')
        rest = rest[match.end() :]
    if rest:
        raise DecodeError(f'parsing time "{text}": extra text: "{rest}"')
    if layout == _MICROS and not _MICRO_SECONDS.fullmatch(text):
        seconds = text[17:]
        raise DecodeError(f'parsing time "{text}" as "{layout}": cannot parse "{seconds[2:]}" as ".000000"')
    try:
        return datetime.fromisoformat(_six_digits(text)).astimezone(UTC)
    except ValueError:
        raise DecodeError(f'parsing time "{text}": out of range') from None


def _six_digits(text: str) -> str:
    """The time with a fraction that datetime reads: it knows no finer than micro-seconds."""
    return re.sub(r"[.,](\d+)", lambda match: f".{match[1][:6]:0<6}", text)
