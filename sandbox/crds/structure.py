"""Whether the schema of a CustomResourceDefinition is structural: what the server refuses of it, and why.

Source: "Specifying a structural schema" in the documentation of CustomResourceDefinitions.
"""

import re
from collections.abc import Iterator
from typing import Any

from sandbox.crds.values import check_value, compiled
from sandbox.errors import FieldError
from sandbox.schema.structural import decode_custom, read_schema
from sandbox.schema.types import Form, Schema

JSON = dict[str, Any]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_FORBIDDEN = ("$ref", "definitions", "dependencies", "patternProperties", "id", "additionalItems")
_LIST_TYPES = ("atomic", "set", "map")
_MAP_TYPES = ("atomic", "granular")
_COMBINATIONS = ("allOf", "anyOf", "oneOf")
# Inside a combination only values are judged: these would change the structure.
_STRUCTURE = (
    *("type", "default", "additionalProperties", "nullable", "title", "description"),
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"),
)
_META_ALLOWED = frozenset({"name", "generateName"})


def check_schema(node: JSON, path: str) -> list[FieldError]:
    """Objections to an `openAPIV3Schema`."""
    errors = list(_check(node, path, "root"))
    if node.get("type") and node["type"] != "object" and not errors:
        errors.append(FieldError.invalid(f"{path}.type", node["type"], "must be object at the root"))
    if node.get("nullable"):
        errors.append(FieldError.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    meta = node.get("properties", {}).get("metadata")
    if meta and not set(meta.get("properties", {})) <= _META_ALLOWED:
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        errors.append(FieldError.forbidden(f"{path}.properties[metadata]", why))
    return errors or list(_check_defaults(node, path))


def _check(node: JSON, path: str, place: str) -> Iterator[FieldError]:
    yield from _check_type(node, path, place)
    yield from _check_extensions(node, path)
    for each in _FORBIDDEN:
        if each in node:
            yield FieldError.forbidden(f"{path}.{each}", f"{each} is not supported")
    if node.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield FieldError.forbidden(f"{path}.uniqueItems", why)
    if "pattern" in node:
        try:
            compiled(node["pattern"])
        except re.error as error:
            why = f"must be a valid regular expression, but isn't: {error}"
            yield FieldError.invalid(f"{path}.pattern", node["pattern"], why)
    if node.get("properties") and node.get("additionalProperties"):
        why = "additionalProperties and properties are mutual exclusive"
        yield FieldError.forbidden(f"{path}.additionalProperties", why)
    if node.get("type") == "array" and not isinstance(node.get("items"), dict):
        yield FieldError.required(f"{path}.items", "must be specified")
    yield from _check_below(node, path)


def _check_type(node: JSON, path: str, place: str) -> Iterator[FieldError]:
    given = node.get("type", "")
    free = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
    if given and given not in _TYPES:
        yield FieldError.not_supported(f"{path}.type", given, _TYPES)
    if not given and (place == "root" or not free):
        where = "at the root" if place == "root" else f"for specified {place}"
        yield FieldError.required(f"{path}.type", f"must not be empty {where}")


def _check_below(node: JSON, path: str) -> Iterator[FieldError]:
    for name, each in node.get("properties", {}).items():
        yield from _check(each, f"{path}.properties[{name}]", "object fields")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _check(node["additionalProperties"], f"{path}.additionalProperties", "object fields")
    if isinstance(node.get("items"), dict):
        yield from _check(node["items"], f"{path}.items", "array items")
    for key in _COMBINATIONS:
        for index, each in enumerate(node.get(key, ())):
            yield from _check_combined(each, f"{path}.{key}[{index}]", int_or_string=_is_int_or_string(node))
    if "not" in node:
        yield from _check_combined(node["not"], f"{path}.not", int_or_string=False)


def _is_int_or_string(node: JSON) -> bool:
    return bool(node.get("x-kubernetes-int-or-string"))


def _check_combined(node: JSON, path: str, *, int_or_string: bool) -> Iterator[FieldError]:
    for key in _STRUCTURE:
        if key in node and not (key == "type" and int_or_string):
            yield FieldError.forbidden(f"{path}.{key}", "must be empty to be structural")
    for name, each in node.get("properties", {}).items():
        yield from _check_combined(each, f"{path}.properties[{name}]", int_or_string=False)
    if isinstance(node.get("items"), dict):
        yield from _check_combined(node["items"], f"{path}.items", int_or_string=False)


def _check_extensions(node: JSON, path: str) -> Iterator[FieldError]:
    if node.get("x-kubernetes-preserve-unknown-fields") is False:
        yield FieldError.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    kept = node.get("properties") or node.get("x-kubernetes-preserve-unknown-fields")
    if node.get("x-kubernetes-embedded-resource") and not kept:
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield FieldError.required(f"{path}.properties", why)
    map_type = node.get("x-kubernetes-map-type")
    if map_type is not None and map_type not in _MAP_TYPES:
        yield FieldError.not_supported(f"{path}.x-kubernetes-map-type", map_type, _MAP_TYPES)
    if "x-kubernetes-list-type" in node:
        yield from _check_list_type(node, path)


def _check_list_type(node: JSON, path: str) -> Iterator[FieldError]:
    given = node["x-kubernetes-list-type"]
    if given not in _LIST_TYPES:
        yield FieldError.not_supported(f"{path}.x-kubernetes-list-type", given, _LIST_TYPES)
    elif node.get("type") != "array":
        why = "must be array if x-kubernetes-list-type is specified"
        yield FieldError.invalid(f"{path}.type", node.get("type", ""), why)
    elif given == "map":
        yield from _check_list_keys(node, path)
    elif given == "set":
        items = node.get("items") or {}
        for extension, types in (("x-kubernetes-map-type", "object"), ("x-kubernetes-list-type", "array")):
            if items.get("type") == types and items.get(extension) != "atomic":
                why = "must be atomic as item of a list with x-kubernetes-list-type=set"
                yield FieldError.invalid(f"{path}.items.{extension}", items.get(extension), why)


def _check_list_keys(node: JSON, path: str) -> Iterator[FieldError]:
    keys, items = node.get("x-kubernetes-list-map-keys") or (), node.get("items") or {}
    properties, at = items.get("properties", {}), f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        yield FieldError.required(at, "must not be empty if x-kubernetes-list-type is map")
    if not set(keys) <= set(properties):
        yield FieldError.invalid(at, list(keys), "entries must all be names of item properties")
        return
    for key in keys:
        if key not in items.get("required", ()) and "default" not in properties[key]:
            why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield FieldError.required(f"{path}.items.properties[{key}].default", why)


def _check_defaults(node: JSON, path: str) -> Iterator[FieldError]:
    """Defaults must be values of their own schema, with nothing that would be pruned."""
    if "default" in node:
        unknown = decode_custom(_wrapped(node), {"value": node["default"]}).unknown
        if unknown:
            yield FieldError.invalid(f"{path}.default", node["default"], "must not have unknown fields")
        for error in check_value(node, node["default"]):
            yield FieldError(error.type, f"{path}.default", error.detail, error.value)
    for name, each in node.get("properties", {}).items():
        yield from _check_defaults(each, f"{path}.properties[{name}]")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from _check_defaults(node[key], f"{path}.{key}")


def _wrapped(node: JSON) -> Schema:
    schema = read_schema({"type": "object", "properties": {"value": {**node, "nullable": True}}})
    assert schema.form is Form.STRUCT
    return schema
