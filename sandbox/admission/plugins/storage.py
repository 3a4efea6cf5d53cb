"""DefaultStorageClass, StorageObjectInUseProtection and PersistentVolumeClaimResize."""

from typing import Final

from model.meta import JSON
from model.names import BETA_DEFAULT_CLASS, BETA_STORAGE_CLASS, CLAIM_PROTECTION, DEFAULT_CLASS, VOLUME_PROTECTION
from model.quantity import nanos
from sandbox.admission.plugins.refusal import refused
from sandbox.attributes import Attributes, Operation
from sandbox.store import Store

_CLASSES: Final = "storageclasses.storage.k8s.io"
_PROTECTION: Final = {
    "persistentvolumes": VOLUME_PROTECTION,
    "persistentvolumeclaims": CLAIM_PROTECTION,
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}


def default_storage_class(store: Store, request: Attributes, claim: JSON) -> JSON:
    """Give a new claim that names no class, not even none, the default one."""
    if not _is_write(request, "persistentvolumeclaims", Operation.CREATE):
        return claim
    spec = claim.get("spec") or {}
    if BETA_STORAGE_CLASS in _annotations(claim) or spec.get("storageClassName") is not None:
        return claim
    default = _default_class(store)
    return claim if default is None else {**claim, "spec": {**spec, "storageClassName": default}}


def _default_class(store: Store) -> str | None:
    """The newest class that says it is the default, the first by name among those of one second."""
    found = [record.value["metadata"] for record in store.records(_CLASSES) if _says_default(record.value)]
    newest = max((each["creationTimestamp"] for each in found), default=None)
    return min((each["name"] for each in found if each["creationTimestamp"] == newest), default=None)


def _says_default(storage_class: JSON) -> bool:
    annotations = _annotations(storage_class)
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(BETA_DEFAULT_CLASS))


def storage_object_in_use_protection(_: Store, request: Attributes, obj: JSON) -> JSON:
    """Put the finalizer on new volumes, claims and attributes classes that keeps them while they are in use."""
    finalizer = _PROTECTION.get(request.kind.stored_resource)
    if finalizer is None or request.operation is not Operation.CREATE or request.subresource:
        return obj
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer in finalizers:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "finalizers": [*finalizers, finalizer]}}


def claim_resize(store: Store, request: Attributes) -> None:
    """Let a claim grow only if it is bound, and its class allows that.

    Raises:
        ApiError: 403.
    """
    new, old = request.obj, request.old
    if not _is_write(request, "persistentvolumeclaims", Operation.UPDATE) or new is None or old is None:
        return
    if _requested(new) <= _requested(old):
        return
    if (old.get("status") or {}).get("phase") != "Bound":
        raise refused(request, "Only bound persistent volume claims can be expanded")
    if not _may_grow(store, new, old):
        why = (
            "only dynamically provisioned pvc can be resized and "
            "the storageclass that provisions the pvc must support resize"
        )
        raise refused(request, why)


def _may_grow(store: Store, new: JSON, old: JSON) -> bool:
    name = _class_name(new)
    record = store.get(_CLASSES, ("", name)) if name and name == _class_name(old) else None
    return record is not None and record.value.get("allowVolumeExpansion") is True


def _requested(claim: JSON) -> int:
    resources = (claim.get("spec") or {}).get("resources") or {}
    return nanos((resources.get("requests") or {}).get("storage", "0"))


def _class_name(claim: JSON) -> str:
    annotated: str | None = _annotations(claim).get(BETA_STORAGE_CLASS)
    return annotated if annotated is not None else (claim.get("spec") or {}).get("storageClassName") or ""


def _annotations(obj: JSON) -> JSON:
    return obj["metadata"].get("annotations") or {}


def _is_write(request: Attributes, resource: str, operation: Operation) -> bool:
    return request.kind.stored_resource == resource and request.operation is operation and not request.subresource
