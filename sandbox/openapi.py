"""OpenAPI v3, one document a group version, as far as kubectl reads it: schemas, and a PATCH operation for each kind.

That the operation takes `fieldValidation` tells kubectl to leave validation to the server. For what is no kind of the
server, a `List` above all, kubectl validates by OpenAPI v2 instead, which it reads as protobuf only: the document here
is empty, so that it lets everything pass and the server judges each item. Source: "OpenAPI V3" in the API concepts.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from sandbox.kinds import Kind, Kinds
from sandbox.patch import accepted_types
from sandbox.schema.builtin import OBJECT_META, definition_of
from sandbox.schema.source import facts

JSON = dict[str, Any]

_PREFIX = "#/components/schemas/"
_PARAMETERS = {"dryRun": "string", "fieldManager": "string", "fieldValidation": "string", "force": "boolean"}


LEGACY_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
LEGACY: JSON = {"swagger": "2.0", "info": {"title": "Kubernetes", "version": "unversioned"}, "paths": {}}
"""/openapi/v2: nothing but what every such document must have."""


def legacy_protobuf() -> bytes:
    """`LEGACY` as an `openapi.v2.Document`: fields 1 swagger, 2 info (1 title, 2 version), 8 paths."""
    info = _field(1, LEGACY["info"]["title"].encode()) + _field(2, LEGACY["info"]["version"].encode())
    return _field(1, LEGACY["swagger"].encode()) + _field(2, info) + _field(8, b"")


def _field(number: int, value: bytes) -> bytes:
    """A protobuf field of bytes; all here are shorter than 128."""
    return bytes([number << 3 | 2, len(value)]) + value


class Document(NamedTuple):
    """A document and the hash that is its ETag."""

    body: bytes
    digest: str


@dataclass
class OpenApi:
    """The documents of the kinds served at the moment, made when first asked for."""

    kinds: Kinds
    _documents: dict[str, Document] = field(default_factory=dict)
    _generation: int = 0

    def index(self) -> JSON:
        """/openapi/v3: where each document is; the hash in the address lets clients keep it for ever."""
        paths = {}
        for group, versions in self.kinds.groups().items():
            for version in versions:
                path = _path(group, version)
                document = self.document(path)
                assert document is not None
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={document.digest}"}
        return {"paths": paths}

    def document(self, path: str) -> Document | None:
        """/openapi/v3/`path`, where path is `api/v1` or `apis/GROUP/VERSION`; None where it is not served."""
        if self._generation != self.kinds.generation:
            self._documents.clear()
            self._generation = self.kinds.generation
        if path not in self._documents:
            kinds = [kind for kind in self.kinds if _path(kind.group, kind.version) == path]
            if not kinds:
                return None
            body = orjson.dumps(_describe(kinds))
            self._documents[path] = Document(body, hashlib.sha512(body).hexdigest().upper())
        return self._documents[path]


def _path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _describe(kinds: list[Kind]) -> JSON:
    schemas: JSON = {}
    for kind in kinds:
        name = _schema_name(kind)
        if kind.custom:
            schemas[name] = _custom_schema(kind)
        _add_closure(name, schemas)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": {_object_path(kind): {"patch": _patch_operation(kind)} for kind in kinds},
        "components": {"schemas": schemas},
    }


def _schema_name(kind: Kind) -> str:
    if not kind.custom:
        name = definition_of(kind.group, kind.version, kind.kind)
        assert name is not None
        return name
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _object_path(kind: Kind) -> str:
    scope = "namespaces/{namespace}/" if kind.namespaced else ""
    return f"/{_path(kind.group, kind.version)}/{scope}{kind.plural}/{{name}}"


def _identity(kind: Kind) -> JSON:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _patch_operation(kind: Kind) -> JSON:
    parameters = [{"name": name, "in": "query", "schema": {"type": type_}} for name, type_ in _PARAMETERS.items()]
    body = {"content": {each: {"schema": {"type": "object"}} for each in accepted_types(kind)}, "required": True}
    schema = {"schema": {"$ref": _PREFIX + _schema_name(kind)}}
    return {
        "parameters": parameters,
        "requestBody": body,
        "responses": {"200": {"description": "OK", "content": {"application/json": schema}}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": _identity(kind),
    }


def _custom_schema(kind: Kind) -> JSON:
    assert kind.custom is not None
    return _embedded(dict(kind.custom.schema.rules)) | {"x-kubernetes-group-version-kind": [_identity(kind)]}


def _embedded(node: JSON) -> JSON:
    """The node with what every object has."""
    string = {"type": "string"}
    meta = {"apiVersion": string, "kind": string, "metadata": {"allOf": [{"$ref": _PREFIX + OBJECT_META}]}}
    return node | {"properties": node.get("properties", {}) | meta}


def _add_closure(name: str, schemas: JSON) -> None:
    """Add the definition, if it is none of a custom kind, and all it refers to."""
    if name not in schemas:
        schemas[name] = facts()["schemas"][name]
    waiting = [name]
    while waiting:
        for reference in _references(schemas[waiting.pop()]):
            if reference not in schemas:
                schemas[reference] = facts()["schemas"][reference]
                waiting.append(reference)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_PREFIX)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
