"""The rules of metadata, the same for every kind."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from model.meta import JSON
from sandbox.errors import FieldError
from sandbox.kinds import Kind
from sandbox.rules import names

IMMUTABLE: Final = "field is immutable"
_LABEL_NAMED: Final = frozenset({"namespaces", "services"})
_PATH_NAMED: Final = frozenset(
    {
        "clusterrolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
    }
)
_GENERIC_GROUPS: Final = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "coordination.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
    }
)
"""Groups whose finalizers, like those of custom kinds, need no prefix."""
_STANDARD_FINALIZERS: Final = frozenset({"orphan", "foregroundDeletion", "kubernetes"})


def on_create(kind: Kind, metadata: JSON) -> list[FieldError]:
    """Objections to the metadata of a new object."""
    errors = []
    if not metadata.get("name"):
        errors.append(FieldError.required("metadata.name", "name or generateName is required"))
    else:
        errors += [
            FieldError.invalid("metadata.name", metadata["name"], why) for why in _name_rule(kind)(metadata["name"])
        ]
    if metadata.get("namespace"):
        namespace = metadata["namespace"]
        errors += [FieldError.invalid("metadata.namespace", namespace, why) for why in names.dns_label(namespace)]
    return errors + list(_common(kind, metadata))


def on_update(kind: Kind, metadata: JSON, old: JSON) -> list[FieldError]:
    """Objections to changed metadata."""
    errors = list(_common(kind, metadata))
    errors += [
        FieldError.invalid(f"metadata.{field}", metadata.get(field), IMMUTABLE)
        for field in ("name", "namespace", "uid", "creationTimestamp")
        if metadata.get(field) != old.get(field)
    ]
    if "deletionTimestamp" in old:
        added = sorted(set(metadata.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            shown = ", ".join(f'"{each}"' for each in added)
            detail = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{shown}}}"
            )
            errors.append(FieldError.forbidden("metadata.finalizers", detail))
    return errors


def _name_rule(kind: Kind) -> Callable[[str], Sequence[str]]:
    if kind.stored_resource in _LABEL_NAMED:
        return names.dns_label
    return names.path_segment if kind.stored_resource in _PATH_NAMED else names.dns_subdomain


def _common(kind: Kind, metadata: JSON) -> Iterable[FieldError]:
    yield from names.labels("metadata.labels", metadata.get("labels") or {})
    yield from names.annotations("metadata.annotations", metadata.get("annotations") or {})
    prefixed = kind.custom is None and kind.group not in _GENERIC_GROUPS
    yield from _finalizers(metadata.get("finalizers") or (), prefixed=prefixed)
    yield from _owners(metadata.get("ownerReferences") or ())


def _finalizers(finalizers: Sequence[str], *, prefixed: bool) -> Iterable[FieldError]:
    for index, finalizer in enumerate(finalizers):
        yield from (
            FieldError.invalid("metadata.finalizers", finalizer, why) for why in names.qualified_name(finalizer)
        )
        if prefixed and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield FieldError.invalid(f"metadata.finalizers[{index}]", finalizer, why)
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        why = "finalizer orphan and foregroundDeletion cannot be both set"
        yield FieldError.invalid("metadata.finalizers", finalizers, why)


def _owners(references: Sequence[JSON]) -> Iterable[FieldError]:
    controllers = [each for each in references if each.get("controller")]
    for index, reference in enumerate(references):
        path = f"metadata.ownerReferences[{index}]"
        for field in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(field):
                yield FieldError.required(f"{path}.{field}", "must not be empty")
    if len(controllers) > 1:
        first, second = (f"{each.get('kind')}/{each.get('name')}" for each in controllers[:2])
        detail = (
            f'Only one reference can have Controller set to true. Found "true" in references for {first} and {second}'
        )
        yield FieldError.invalid("metadata.ownerReferences", references, detail)
