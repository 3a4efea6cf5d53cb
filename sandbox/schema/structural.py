"""The schemas of custom kinds, and how a custom object is brought into their shape: pruned, defaulted, metadata read.

Source: "Structural schema", "Field pruning" and "Defaulting" in the documentation of CustomResourceDefinitions.
"""

from copy import deepcopy
from typing import Any

from sandbox.schema.builtin import OBJECT_META, definition
from sandbox.schema.decode import MAX_UNKNOWN, Decoded, DecodeError, check_depth, decode_struct, join_path
from sandbox.schema.types import MISSING, Absent, Field, Form, ListType, Schema

JSON = dict[str, Any]

META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
_SCALARS = {
    "string": Form.STRING,
    "integer": Form.INTEGER,
    "number": Form.NUMBER,
    "boolean": Form.BOOLEAN,
}


def root_schema(node: JSON) -> Schema:
    """The schema of a whole custom object from its `openAPIV3Schema`, which has been validated."""
    schema = read_schema(node | {"type": "object", "x-kubernetes-embedded-resource": True})
    meta = {"apiVersion": Schema(Form.STRING), "kind": Schema(Form.STRING), "metadata": definition(OBJECT_META)}
    schema.fields |= {name: Field(each, Absent.OMIT) for name, each in meta.items()}
    return schema


def read_schema(node: JSON) -> Schema:
    """One node of an `openAPIV3Schema`."""
    schema = Schema(
        _form(node),
        preserve=bool(node.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(node.get("x-kubernetes-embedded-resource")),
        atomic=node.get("x-kubernetes-map-type") == "atomic",
        list_type=ListType(node.get("x-kubernetes-list-type", "atomic")),
        keys=tuple(node.get("x-kubernetes-list-map-keys", ())),
        rules=node,
    )
    for name, each in node.get("properties", {}).items():
        schema.fields[name] = Field(read_schema(each), default=each.get("default", MISSING))
    element = node.get("items") or node.get("additionalProperties")
    if isinstance(element, dict):
        schema.element = read_schema(element)
    return schema


def _form(node: JSON) -> Form:
    if node.get("x-kubernetes-int-or-string"):
        return Form.INT_OR_STRING
    if node.get("type") == "array":
        return Form.LIST
    if node.get("type") == "object":
        return Form.MAP if node.get("additionalProperties") else Form.STRUCT
    return _SCALARS.get(node.get("type", ""), Form.ANY)


def decode_custom(schema: Schema, body: Any) -> Decoded:
    """A new object in the shape of the schema; `body` is left as it was.

    Raises:
        DecodeError: it is no object, or its metadata is malformed.
    """
    if not isinstance(body, dict):
        raise DecodeError("json: cannot unmarshal into an object: the body is none")
    check_depth(body)
    shaper = _Shaper()
    value = shaper.value(schema, body)
    return Decoded(value, sorted(shaper.unknown))


class _Shaper:
    """One walk along a custom object."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self._path: list[str | int] = []

    def value(self, schema: Schema | None, value: Any) -> Any:
        if isinstance(value, dict):
            return self._object(schema, value)
        if isinstance(value, list):
            return self._list(schema, value)
        return value

    def _object(self, schema: Schema | None, value: JSON) -> JSON:
        result = {}
        for key, item in value.items():
            self._path.append(key)
            read = self._member(schema, key, item)
            if read is not MISSING:
                result[key] = read
            self._path.pop()
        for key, known in schema.fields.items() if schema else ():
            if key not in result and known.default is not MISSING:
                result[key] = self.value(known.schema, deepcopy(known.default))
        return result

    def _member(self, schema: Schema | None, key: str, item: Any) -> Any:
        if schema and schema.embedded and key in META_FIELDS:
            return self._metadata(item) if key == "metadata" else item
        known = schema.fields.get(key) if schema else None
        if known:
            # A null where none is allowed counts as unset, so that the default below applies.
            unset = item is None and not known.schema.rules.get("nullable")
            return MISSING if unset else self.value(known.schema, item)
        if schema and schema.form is Form.MAP:
            held = self._held(schema.element, item)
            nullable = schema.element is None or schema.element.rules.get("nullable")
            return MISSING if held is None and not nullable else held
        if schema and schema.preserve:
            return item
        if len(self.unknown) < MAX_UNKNOWN:
            self.unknown.append(join_path(self._path))
        return MISSING

    def _list(self, schema: Schema | None, value: list[Any]) -> list[Any]:
        if schema and schema.preserve:
            return value
        result = []
        for index, item in enumerate(value):
            self._path.append(index)
            result.append(self._held(schema.element if schema else None, item))
            self._path.pop()
        return result

    def _held(self, schema: Schema | None, item: Any) -> Any:
        default = schema.rules.get("default") if schema and not schema.rules.get("nullable") else None
        return self.value(schema, deepcopy(default) if item is None and default is not None else item)

    def _metadata(self, value: Any) -> JSON:
        read = decode_struct(definition(OBJECT_META), {} if value is None else value)
        self.unknown += [f"{join_path(self._path)}.{each}" for each in read.unknown]
        return read.value
