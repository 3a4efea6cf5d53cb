"""The schemas of built-in kinds: the Go types, with the list kinds and merge keys of their OpenAPI definitions."""

import re
from dataclasses import replace
from functools import cache
from typing import Any

from sandbox.schema.source import facts
from sandbox.schema.types import MISSING, Absent, Field, Form, ListType, Schema

JSON = dict[str, Any]

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"

_SPECIAL = {
    "Quantity": Form.QUANTITY,
    "Time": Form.TIME,
    "MicroTime": Form.MICRO_TIME,
    "Duration": Form.DURATION,
    "IntOrString": Form.INT_OR_STRING,
    "FieldsV1": Form.ANY,
    "RawExtension": Form.ANY,
    "JSON": Form.ANY,
}
_PRIMITIVES = {
    "string": (Form.STRING, 0),
    "bool": (Form.BOOLEAN, 0),
    "int32": (Form.INTEGER, 32),
    "int64": (Form.INTEGER, 64),
    "float64": (Form.NUMBER, 64),
}
_MAP = re.compile(r"map\[[\w.-]+\](.+)")
_MAP_TYPE = "x-kubernetes-map-type"


@cache
def definition_of(group: str, version: str, kind: str) -> str | None:
    """The definition of an apiVersion and kind, if the data has it."""
    return _definitions().get((group, version, kind))


@cache
def definition(name: str) -> Schema:
    """The schema of a definition, `io.k8s.api.core.v1.PersistentVolumeClaimSpec`."""
    return _struct(name, {})


@cache
def _definitions() -> dict[tuple[str, str, str], str]:
    return {
        (each["group"], each["version"], each["kind"]): name
        for name, schema in facts()["schemas"].items()
        for each in schema.get("x-kubernetes-group-version-kind", ())
    }


def _struct(name: str, seen: dict[str, Schema]) -> Schema:
    """The struct and all it reaches; `seen` ends the recursion of types that contain themselves."""
    if name in seen:
        return seen[name]
    node = facts()["schemas"].get(name, {})
    schema = Schema(Form.STRUCT, name=name, go_type=_display(name), atomic=node.get(_MAP_TYPE) == "atomic")
    seen[name] = schema
    properties = node.get("properties", {})
    for each in ("apiVersion", "kind"):
        if each in properties:
            schema.fields[each] = Field(Schema(Form.STRING, go_type="string"), Absent.OMIT, pointer=False)
    _add_fields(schema, name, properties, seen)
    return schema


def _add_fields(schema: Schema, name: str, properties: JSON, seen: dict[str, Schema]) -> None:
    for _, json_name, go_type, omit in facts()["go"].get(name, ()):
        if json_name:
            schema.fields[json_name] = _field(go_type, omit, properties.get(json_name, {}), seen)
        else:
            _add_fields(schema, go_type.lstrip("*"), properties, seen)


def _field(go_type: str, omit: str, node: JSON, seen: dict[str, Schema]) -> Field:
    schema = _of_type(go_type.lstrip("*"), node, seen)
    if schema.form is Form.LIST:
        schema.list_type = ListType(node.get("x-kubernetes-list-type", "atomic"))
        schema.keys = tuple(node.get("x-kubernetes-list-map-keys", ()))
    if node.get(_MAP_TYPE, "") and schema.form is Form.STRUCT:
        # The place overrides the type: a volume's claimRef is granular, though an ObjectReference is atomic.
        schema = replace(schema, atomic=node[_MAP_TYPE] == "atomic")
    return Field(
        schema,
        absent=_absent(go_type, omit, schema.form),
        pointer=go_type.startswith("*"),
        merge_key=node.get("x-kubernetes-patch-merge-key", ""),
        strategies=frozenset(node.get("x-kubernetes-patch-strategy", "").split(",")) - {""},
        default=node.get("default", MISSING),
    )


def _of_type(go_type: str, node: JSON, seen: dict[str, Schema]) -> Schema:
    display = _display(go_type)
    if go_type in _PRIMITIVES:
        form, bits = _PRIMITIVES[go_type]
        return Schema(form, bits=bits, go_type=display)
    if go_type == "[]byte":
        return Schema(Form.BYTES, go_type="[]uint8")
    if go_type.startswith("[]"):
        return Schema(Form.LIST, element=_of_type(go_type[2:], node.get("items", {}), seen), go_type=display)
    if values := _MAP.fullmatch(go_type):
        element = _of_type(values[1], node.get("additionalProperties", {}), seen)
        return Schema(Form.MAP, element=element, go_type=display, atomic=node.get(_MAP_TYPE) == "atomic")
    return _of_named_type(go_type, node, seen)


def _of_named_type(go_type: str, node: JSON, seen: dict[str, Schema]) -> Schema:
    if underlying := facts()["named"].get(go_type):
        schema = _of_type(underlying, node, seen)
        schema.go_type = _display(go_type)
        return schema
    short = go_type.rpartition(".")[2]
    if form := _SPECIAL.get(short):
        return Schema(form, go_type=_display(go_type))
    if short.startswith("JSONSchemaPropsOr"):
        struct = _struct(go_type[: go_type.index("Or", go_type.rindex("."))], seen)
        return Schema(Form.VARIANT, go_type=_display(go_type), variant=struct)
    if go_type in facts()["schemas"]:
        return _struct(go_type, seen)
    # What is left are named strings of packages that were not read, like types.UID.
    return Schema(Form.STRING, go_type=_display(go_type))


def _absent(go_type: str, omit: str, form: Form) -> Absent:
    if go_type.startswith("*"):
        return Absent.KEEP if omit else Absent.FILL
    if omit == "omitzero":
        return Absent.OMIT
    # encoding/json never omits a struct for being empty. An int-or-string always has a default besides its zero.
    is_struct = form in {Form.STRUCT, Form.QUANTITY, Form.TIME, Form.MICRO_TIME, Form.DURATION}
    return Absent.FILL if is_struct or not omit else Absent.OMIT


def _display(go_type: str) -> str:
    """The type as Go's reflection prints it: packages by their last name."""
    return re.sub(r"io\.k8s\.[\w.-]+", lambda match: ".".join(match[0].split(".")[-2:]), go_type)
