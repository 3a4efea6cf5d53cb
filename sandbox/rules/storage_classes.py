"""What makes a StorageClass invalid.

Source: the fields of StorageClass in the Kubernetes API reference.
"""

from collections.abc import Iterator
from typing import Final

from model.meta import JSON
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import chosen, fixed, named, size_bytes
from sandbox.rules.selectors import topologies

_FIXED: Final = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
_MOST_PARAMETERS: Final = 512
_PARAMETERS_BYTES: Final = 256 * 1024


def new(obj: JSON) -> Iterator[FieldError]:
    """Objections to a class in any state."""
    if provisioner := obj.get("provisioner"):
        yield from named("provisioner", provisioner.lower(), names.qualified_name)
    else:
        yield FieldError.required("provisioner")
    yield from _parameters(obj.get("parameters") or {})
    if policy := obj.get("reclaimPolicy"):
        yield from chosen("reclaimPolicy", policy, ("Delete", "Retain"))
    yield from chosen("volumeBindingMode", obj.get("volumeBindingMode"), ("Immediate", "WaitForFirstConsumer"))
    yield from topologies("allowedTopologies", obj.get("allowedTopologies") or ())


def changed(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a class: claims rely on what it provisions."""
    for field in _FIXED:
        yield from fixed(field, obj.get(field), old.get(field))


def _parameters(parameters: dict[str, str]) -> Iterator[FieldError]:
    if len(parameters) > _MOST_PARAMETERS:
        yield FieldError.too_long("parameters", _MOST_PARAMETERS)
        return
    if "" in parameters:
        yield FieldError.invalid("parameters", "", "field can not be empty.")
    if size_bytes(parameters) > _PARAMETERS_BYTES:
        yield FieldError.too_long("parameters", _PARAMETERS_BYTES)
