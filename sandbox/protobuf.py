"""Reads request bodies in Kubernetes' protobuf, which kubectl and kube-scheduler send; answers go out as JSON.

A body is four magic bytes and a `runtime.Unknown` around the object. Messages are read by the field numbers of the Go
types that `schema/` holds. Source: "Protobuf encoding" in the API concepts, and the protobuf wire format.
"""

import base64
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import orjson

from sandbox.errors import bad_request, unsupported_media_type
from sandbox.schema.builtin import DELETE_OPTIONS, definition_of
from sandbox.schema.source import facts

JSON = dict[str, Any]

CONTENT_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAP: Final = re.compile(r"map\[[\w.-]+\](.+)")
_INTEGERS: Final = frozenset({"int32", "int64"})


class _MalformedError(ValueError):
    """The bytes are no message."""


def read(body: bytes) -> JSON:
    """The object of a request body, as its JSON form would be.

    Raises:
        ApiError: 400 for what is no such body, 415 for a kind whose messages are not known here.
    """
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        unknown = dict(_fields(memoryview(body)[len(_MAGIC) :]))
        type_meta = dict(_fields(_bytes(unknown.get(1, b""))))
        api_version, kind = _text(type_meta.get(1, b"")), _text(type_meta.get(2, b""))
        message = _message_of(api_version, kind)
        return {"apiVersion": api_version, "kind": kind} | _read_message(message, _bytes(unknown.get(2, b"")))
    except (ValueError, OverflowError, RecursionError) as error:
        raise bad_request(f"unable to decode the protobuf body: {error}") from None


def _message_of(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    message = DELETE_OPTIONS if kind == "DeleteOptions" else definition_of(group, version, kind)
    if message is None:
        raise unsupported_media_type(("application/json", "application/yaml"))
    return message


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an unsigned integer, or the bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        value: int | memoryview
        if wire_type == _VARINT:
            value, position = _varint(data, position)
        elif wire_type == _BYTES:
            length, position = _varint(data, position)
            value, position = _slice(data, position, length)
        elif wire_type in {_FIXED64, _FIXED32}:
            value, position = _slice(data, position, 8 if wire_type == _FIXED64 else 4)
        else:
            raise _MalformedError(f"wire type {wire_type} is not used by Kubernetes")
        yield number, value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _MalformedError("it ends in the middle of a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _MalformedError("a number is too long")


def _slice(data: memoryview, position: int, length: int) -> tuple[memoryview, int]:
    if position + length > len(data):
        raise _MalformedError("it ends in the middle of a field")
    return data[position : position + length], position + length


@cache
def _rows(message: str) -> dict[int, tuple[str, str]]:
    """Field number to (JSON name, "" where inlined; Go type without the pointer)."""
    return {
        number: (name, go_type.lstrip("*")) for number, name, go_type, _ in facts()["go"].get(message, ()) if number
    }


def _read_message(message: str, data: memoryview) -> JSON:
    result: JSON = {}
    rows = _rows(message)
    for number, value in _fields(data):
        if number not in rows:
            continue
        name, go_type = rows[number]
        go_type = facts()["named"].get(go_type, go_type)
        if not name:
            result |= _read_message(go_type, _bytes(value))
        elif go_type == "[]byte":
            result[name] = base64.b64encode(_bytes(value)).decode()
        elif go_type.startswith("[]"):
            result.setdefault(name, []).append(_read_value(go_type[2:], value))
        elif entry := _MAP.fullmatch(go_type):
            key, item = _read_entry(entry[1], _bytes(value))
            result.setdefault(name, {})[key] = item
        else:
            result[name] = _read_value(go_type, value)
    return result


def _read_entry(value_type: str, data: memoryview) -> tuple[str, Any]:
    entry = dict(_fields(data))
    empty: int | memoryview = 0 if value_type in _INTEGERS or value_type == "bool" else memoryview(b"")
    return _text(entry.get(1, b"")), _read_value(value_type, entry.get(2, empty))


def _read_value(go_type: str, value: int | memoryview) -> Any:
    go_type = facts()["named"].get(go_type, go_type)
    if go_type == "bool":
        return bool(_integer(value))
    if go_type in _INTEGERS:
        return _integer(value)
    if go_type == "[]byte":
        return base64.b64encode(_bytes(value)).decode()
    if go_type == "float64":
        return memoryview(bytes(_bytes(value))).cast("d")[0]
    if go_type.startswith("[]"):
        # A named list is a message of its own, with the items as its first field.
        return [_read_value(go_type[2:], item) for number, item in _fields(_bytes(value)) if number == 1]
    special = _SPECIAL.get(go_type.rpartition(".")[2])
    if special:
        return special(dict(_fields(_bytes(value))))
    if go_type in facts()["schemas"]:
        return _read_message(go_type, _bytes(value))
    return _text(value)


def _integer(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise _MalformedError("a number was expected, bytes were found")
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value


def _bytes(value: int | memoryview | bytes) -> memoryview:
    if isinstance(value, int):
        raise _MalformedError("bytes were expected, a number was found")
    return memoryview(value)


def _text(value: int | memoryview | bytes) -> str:
    return bytes(_bytes(value)).decode()


_Message = dict[int, Any]


def _quantity(message: _Message) -> str:
    return _text(message.get(1, b"0"))


def _time(message: _Message) -> str | None:
    moment = _moment(message)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _micro_time(message: _Message) -> str | None:
    moment = _moment(message)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def _moment(message: _Message) -> datetime | None:
    """Seconds and nanoseconds since 1970; none at all for the zero time."""
    seconds, nanos = _integer(message.get(1, 0)), _integer(message.get(2, 0))
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000) if seconds or nanos else None


def _duration(message: _Message) -> str:
    return f"{_integer(message.get(1, 0)) / 10**9:g}s"


def _int_or_string(message: _Message) -> int | str:
    return _text(message.get(3, b"")) if _integer(message.get(1, 0)) else _integer(message.get(2, 0))


def _raw_json(message: _Message) -> Any:
    raw = _bytes(message.get(1, b"null"))
    return orjson.loads(raw) if len(raw) else None


def _schema(number: int) -> Callable[[_Message], Any]:
    """One of the JSONSchemaPropsOr… messages: the schema is the field of that number, a bool the first of others."""

    def read_schema(message: _Message) -> Any:
        return _read_message(_SCHEMA_PROPS, _bytes(message[number])) if number in message else bool(message.get(1, 0))

    return read_schema


_SCHEMA_PROPS: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_SPECIAL = {
    "Quantity": _quantity,
    "Time": _time,
    "MicroTime": _micro_time,
    "Duration": _duration,
    "IntOrString": _int_or_string,
    "RawExtension": _raw_json,
    "FieldsV1": _raw_json,
    "JSON": _raw_json,
    "JSONSchemaPropsOrArray": _schema(1),
    "JSONSchemaPropsOrBool": _schema(2),
    "JSONSchemaPropsOrStringArray": _schema(1),
}
