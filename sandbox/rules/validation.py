"""What makes an object invalid: one table of kinds, each with the rules for new objects and for changes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from model.meta import JSON
from sandbox.crds import validate_custom, validate_definition, validate_definition_change
from sandbox.errors import FieldError
from sandbox.kinds import Kind
from sandbox.rules import claims, csi, metadata, plain, pods, storage_classes, volumes, webhooks

_New = Callable[[JSON], Iterable[FieldError]]
_Changed = Callable[[JSON, JSON], Iterable[FieldError]]


@dataclass(frozen=True)
class _Checks:
    """`new` holds for every state of an object, `created` for its first, `changed` for what became of the old one.

    Status has its own.
    """

    new: _New = lambda _: ()
    changed: _Changed = lambda _new, _old: ()
    status: _Changed = lambda _new, _old: ()
    created: _New = lambda _: ()


_CHECKS: Final[dict[str, _Checks]] = {
    "persistentvolumes": _Checks(volumes.new, volumes.changed),
    "persistentvolumeclaims": _Checks(claims.new, claims.changed, claims.status),
    "storageclasses.storage.k8s.io": _Checks(storage_classes.new, storage_classes.changed),
    "csinodes.storage.k8s.io": _Checks(csi.new_node, csi.changed_node),
    "csidrivers.storage.k8s.io": _Checks(csi.new_driver, csi.changed_driver),
    "csistoragecapacities.storage.k8s.io": _Checks(csi.new_capacity, csi.changed_capacity),
    "volumeattachments.storage.k8s.io": _Checks(csi.new_attachment, csi.changed_attachment, csi.changed_status),
    "pods": _Checks(pods.new, pods.changed, created=pods.created),
    "leases.coordination.k8s.io": _Checks(plain.lease),
    "configmaps": _Checks(plain.config_map, plain.changed_data),
    "secrets": _Checks(plain.secret, plain.changed_data),
    "events": _Checks(plain.event),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _Checks(webhooks.new),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _Checks(webhooks.new),
    "customresourcedefinitions.apiextensions.k8s.io": _Checks(validate_definition, validate_definition_change),
}


def validate_create(kind: Kind, obj: JSON) -> list[FieldError]:
    """Objections to a new object."""
    errors = metadata.on_create(kind, obj["metadata"])
    if kind.custom is not None:
        return errors + list(validate_custom(kind, obj, None))
    checks = _CHECKS.get(kind.stored_resource, _Checks())
    return errors + list(checks.new(obj)) + list(checks.created(obj))


def validate_update(kind: Kind, new: JSON, old: JSON, subresource: str) -> list[FieldError]:
    """Objections to a changed object, through the path that changes it."""
    errors = metadata.on_update(kind, new["metadata"], old["metadata"])
    if kind.custom is not None:
        return errors + list(validate_custom(kind, new, old))
    checks = _CHECKS.get(kind.stored_resource, _Checks())
    if subresource == "status":
        return errors + list(checks.status(new, old))
    if subresource:
        return errors
    return errors + list(checks.new(new)) + list(checks.changed(new, old))
