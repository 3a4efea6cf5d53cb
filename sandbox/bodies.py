"""Reading what clients send: bytes to a JSON value, and the value to an object of a kind."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from model.meta import JSON
from sandbox import protobuf
from sandbox.attributes import Call
from sandbox.errors import bad_request, unsupported_media_type
from sandbox.kinds import Kind
from sandbox.schema import (
    DecodeError,
    cannot_handle,
    decode,
    duplicate_fields,
    strict_message,
    strict_objections,
)
from sandbox.yaml_text import YamlError, read_yaml

JSON_TYPE: Final = "application/json"
YAML_TYPE: Final = "application/yaml"
PROTOBUF_TYPE: Final = "application/vnd.kubernetes.protobuf"
READ_TYPES: Final = (JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE)


@dataclass(frozen=True)
class Body:
    """A parsed body, with the fields that it names twice."""

    value: Any
    duplicates: tuple[str, ...] = ()


def parse(content: bytes, content_type: str) -> Body:
    """The body in any of the media types that are read.

    Raises:
        ApiError: 415 for another type, 400 for what is not of its type.
    """
    match content_type:
        case "" | "application/octet-stream" | "application/json":
            value = _json(content)
            return Body(value, tuple(duplicate_fields(content, value)))
        case "application/yaml":
            return _yaml(content)
        case "application/vnd.kubernetes.protobuf":
            return Body(protobuf.read(content))
        case _:
            raise unsupported_media_type(READ_TYPES)


def read_object(kind: Kind, body: Body, call: Call) -> JSON:
    """The body as an object of the kind; what it has too much goes by the request's fieldValidation.

    Raises:
        ApiError: not an object of this kind, or with Strict one with unknown or duplicate fields.
    """
    if not isinstance(body.value, dict):
        raise bad_request(f"the body is not an object of kind {kind.kind}")
    _check_type(kind, body.value)
    try:
        decoded = decode(kind, body.value)
    except DecodeError as error:
        raise cannot_handle(kind.api_version, kind.kind, str(error)) from error
    if call.validation == "Strict" and (message := strict_message(decoded.unknown, list(body.duplicates))):
        raise cannot_handle(kind.api_version, kind.kind, message)
    if call.validation == "Warn":
        call.warnings.extend(strict_objections(decoded.unknown, list(body.duplicates)))
    decoded.value["apiVersion"], decoded.value["kind"] = kind.api_version, kind.kind
    return decoded.value


def _check_type(kind: Kind, value: JSON) -> None:
    api_version, name = value.get("apiVersion") or kind.api_version, value.get("kind") or kind.kind
    if api_version != kind.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version ({kind.api_version})"
        )
    if name != kind.kind:
        raise bad_request(
            f'{name} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"the kind in the data ({name}) does not match the expected kind ({kind.kind})"
        )


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def _yaml(content: bytes) -> Body:
    try:
        value, duplicates = read_yaml(content)
    except YamlError as error:
        raise bad_request(f"yaml parse error: {error}") from error
    return Body(value, tuple(duplicates))
