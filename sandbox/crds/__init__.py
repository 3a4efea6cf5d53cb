"""Kinds defined by CustomResourceDefinitions: what may be defined, what is served, and what their objects may be."""

from typing import Any

from sandbox.crds.definition import set_definition_defaults, validate_definition, validate_definition_change
from sandbox.crds.names import establish, kinds_of
from sandbox.crds.values import check_value
from sandbox.errors import FieldError
from sandbox.jsonpath import find
from sandbox.kinds import Kind
from sandbox.schema.types import MISSING

__all__ = [
    "establish",
    "kinds_of",
    "set_definition_defaults",
    "validate_custom",
    "validate_definition",
    "validate_definition_change",
]

JSON = dict[str, Any]


def validate_custom(kind: Kind, obj: JSON, old: JSON | None = None) -> list[FieldError]:
    """Objections to an object of a custom kind, created or (with `old`) updated."""
    assert kind.custom is not None
    errors = check_value(kind.custom.schema.rules, obj, "", MISSING if old is None else old)
    if kind.custom.scale:
        path = kind.custom.scale.spec_replicas
        replicas = next(iter(find(path, obj)), 0)
        if isinstance(replicas, int) and replicas < 0:
            errors.append(FieldError.invalid(path, replicas, "should be a non-negative integer"))
    return errors
