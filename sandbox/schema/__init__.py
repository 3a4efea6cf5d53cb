"""What the objects of each kind look like, and how a body is read into that shape.

`decode` is the one door for bodies: it refuses wrong types, drops and names unknown fields, and answers with a new
object as the real server would show it. Defaults of built-in kinds are not its matter; those of custom kinds are.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox.errors import ApiError, bad_request, quote
from sandbox.schema.builtin import definition, definition_of
from sandbox.schema.decode import Decoded, DecodeError, decode_struct
from sandbox.schema.duplicates import duplicate_fields
from sandbox.schema.structural import decode_custom
from sandbox.schema.types import Schema

if TYPE_CHECKING:
    from sandbox.kinds import Kind

__all__ = [
    "DecodeError",
    "Decoded",
    "cannot_handle",
    "decode",
    "decode_as",
    "duplicate_fields",
    "schema_named",
    "schema_of",
    "strict_message",
    "strict_objections",
]


def schema_of(kind: "Kind") -> Schema:
    """The schema of a kind's objects."""
    return kind.custom.schema if kind.custom else schema_named(kind.api_version, kind.kind)


def schema_named(api_version: str, kind: str) -> Schema:
    """The schema of a built-in apiVersion and kind: those of subresources' bodies are found here too.

    Raises:
        KeyError: the data has no such kind.
    """
    group, _, version = api_version.rpartition("/")
    name = definition_of(group, version, kind)
    if name is None:
        raise KeyError(f"{api_version} {kind}")
    return definition(name)


def decode(kind: "Kind", body: Any) -> Decoded:
    """The body as an object of the kind.

    Raises:
        DecodeError: a value is of the wrong type; `cannot_handle` makes the answer of it.
    """
    return decode_custom(kind.custom.schema, body) if kind.custom else decode_struct(schema_of(kind), body)


def decode_as(api_version: str, kind: str, body: Any) -> Decoded:
    """The body as an object of a built-in apiVersion and kind, also of those that only subresources take.

    Raises:
        DecodeError: a value is of the wrong type.
        KeyError: the data has no such kind.
    """
    return decode_struct(schema_named(api_version, kind), body)


def cannot_handle(api_version: str, kind: str, why: str) -> ApiError:
    """400, as the real server answers to a create or an update that does not decode."""
    version = api_version.rpartition("/")[2]
    return bad_request(f"{kind} in version {quote(version)} cannot be handled as a {kind}: {why}")


def strict_message(unknown: Iterable[str] = (), duplicates: Iterable[str] = ()) -> str:
    """What is wrong with a body under fieldValidation=Strict, "" if nothing is."""
    objections = strict_objections(unknown, duplicates)
    return f"strict decoding error: {', '.join(objections)}" if objections else ""


def strict_objections(unknown: Iterable[str] = (), duplicates: Iterable[str] = ()) -> list[str]:
    """One phrase a field: what fieldValidation=Warn sends as warnings."""
    objections = [f"duplicate field {quote(path)}" for path in duplicates]
    return objections + [f"unknown field {quote(path)}" for path in unknown]
