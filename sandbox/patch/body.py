"""The body of an apply patch: YAML, of which JSON is a part."""

from typing import Any

import orjson

from sandbox.errors import bad_request
from sandbox.schema import duplicate_fields
from sandbox.yaml_text import YamlError, read_yaml

JSON = dict[str, Any]


def read_apply_body(text: bytes) -> tuple[JSON, list[str]]:
    """The object that is applied, and the keys that it gives twice.

    Raises:
        ApiError: 400, it is no YAML or no object.
    """
    try:
        value = orjson.loads(text)
        duplicates = duplicate_fields(text, value)
    except orjson.JSONDecodeError:
        value, duplicates = _read_yaml(text)
    if not isinstance(value, dict):
        raise bad_request("error decoding patch: the body must be an object")
    return value, duplicates


def _read_yaml(text: bytes) -> tuple[Any, list[str]]:
    try:
        return read_yaml(text)
    except YamlError as error:
        raise bad_request(f"error decoding patch: {error}") from None
