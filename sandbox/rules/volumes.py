"""What makes a PersistentVolume invalid.

Source: "Persistent Volumes" in the Kubernetes concepts, and the fields of PersistentVolume in the API reference.
"""

import posixpath
from collections.abc import Iterator
from typing import Any, Final

from model.meta import JSON
from model.quantity import whole
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import (
    IMMUTABLE,
    VOLUME_MODES,
    access_modes,
    chosen,
    difference,
    named,
    needed_name,
    positive,
    unchanged,
)
from sandbox.rules.selectors import node_selector
from sandbox.rules.sources import source_of, volume_source

_POLICIES: Final = ("Delete", "Recycle", "Retain")
_MOUNT_OPTIONS: Final = "volume.beta.kubernetes.io/mount-options"
_MOUNTED_WITH_OPTIONS: Final = frozenset(
    {
        *("gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "nfs", "rbd", "quobyte", "iscsi", "cinder"),
        *("cephfs", "azureFile", "vsphereVolume", "azureDisk", "photonPersistentDisk"),
    }
)
"""Sources whose volumes may have the annotation."""
_INLINE: Final = "in the context of inline volumes"
_CURRENT_KEYS: Final = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}


def new(obj: JSON) -> Iterator[FieldError]:
    """Objections to a volume in any state."""
    spec = obj.get("spec") or {}
    yield from _access(spec)
    yield from _capacity("spec.capacity", spec.get("capacity") or {})
    if policy := spec.get("persistentVolumeReclaimPolicy"):
        yield from chosen("spec.persistentVolumeReclaimPolicy", policy, _POLICIES)
    yield from _affinity("spec.nodeAffinity", spec.get("nodeAffinity"))
    yield from volume_source("spec", spec)
    yield from _source_and_rest(spec)
    if name := spec.get("storageClassName"):
        yield from named("spec.storageClassName", name, names.dns_subdomain)
    if (mode := spec.get("volumeMode")) is not None:
        yield from chosen("spec.volumeMode", mode, VOLUME_MODES)
    yield from _attributes_class(spec)
    if (
        _MOUNT_OPTIONS in (obj["metadata"].get("annotations") or {})
        and not _MOUNTED_WITH_OPTIONS & source_of(spec).keys()
    ):
        why = "may not specify mount options for this volume type"
        yield FieldError.forbidden(f"metadata.annotations.{_MOUNT_OPTIONS}", why)


def changed(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a volume: where its storage is stays."""
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    source, was = _without_new_secret(source_of(spec), source_of(before)), source_of(before)
    if source != was:
        why = f"spec.persistentvolumesource is immutable after creation\n{difference(was, source)}"
        yield FieldError.forbidden("spec.persistentvolumesource", why)
    # The real server leaves out the first element of these two paths.
    yield from unchanged("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    affinity, fixed = spec.get("nodeAffinity"), before.get("nodeAffinity")
    if fixed is not None and affinity != fixed and affinity != _with_current_keys(fixed, affinity):
        why = f"{IMMUTABLE}, except for updating from beta label to GA"
        yield FieldError.invalid("nodeAffinity", affinity, why)
    if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        yield FieldError.forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")


def inline(path: str, spec: JSON) -> Iterator[FieldError]:
    """Objections to a volume that an attachment describes in itself."""
    for field in ("claimRef", "capacity"):
        if spec.get(field):
            yield FieldError.forbidden(f"{path}.{field}", f"may not be specified {_INLINE}")
    if spec.get("csi") is None:
        yield FieldError.required(f"{path}.csi", f"has to be specified {_INLINE}")
    yield from _access(spec, path)
    if spec.get("persistentVolumeReclaimPolicy") not in (None, "", "Retain"):
        yield FieldError.forbidden(f"{path}.persistentVolumeReclaimPolicy", f"may only be Retain {_INLINE}")
    if spec.get("nodeAffinity") is not None:
        yield FieldError.forbidden(f"{path}.nodeAffinity", f"may not be specified {_INLINE}")
    yield from volume_source(path, spec)
    if spec.get("storageClassName"):
        yield FieldError.forbidden(f"{path}.storageClassName", f"may not be specified {_INLINE}")
    if spec.get("volumeMode") not in (None, "Filesystem"):
        why = f"may not specify volumeMode other than Filesystem {_INLINE}"
        yield FieldError.forbidden(f"{path}.volumeMode", why)


def _access(spec: JSON, path: str = "spec") -> Iterator[FieldError]:
    modes = spec.get("accessModes") or ()
    if not modes:
        yield FieldError.required(f"{path}.accessModes")
    yield from access_modes(f"{path}.accessModes", modes)


def _capacity(path: str, capacity: dict[str, str]) -> Iterator[FieldError]:
    if not capacity:
        yield FieldError.required(path)
    if set(capacity) != {"storage"}:
        yield FieldError.not_supported(path, dict(sorted(capacity.items())) or None, ("storage",))
    for name, quantity in sorted(capacity.items()):
        if whole(quantity) < 0:
            yield FieldError.invalid(f"{path}[{name}]", whole(quantity), "must be a valid resource quantity")
        yield from positive(f"{path}[{name}]", quantity)


def _affinity(path: str, affinity: JSON | None) -> Iterator[FieldError]:
    if affinity is None:
        return
    if (required := affinity.get("required")) is None:
        yield FieldError.required(f"{path}.required", "must specify required node constraints")
    else:
        yield from node_selector(f"{path}.required", required)


def _source_and_rest(spec: JSON) -> Iterator[FieldError]:
    if spec.get("local") is not None and spec.get("nodeAffinity") is None:
        yield FieldError.required("spec.nodeAffinity", "Local volume requires node affinity")
    path = (spec.get("hostPath") or {}).get("path")
    if path and posixpath.normpath(path) == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        why = "may not be 'recycle' for a hostPath mount of '/'"
        yield FieldError.forbidden("spec.persistentVolumeReclaimPolicy", why)


def _attributes_class(spec: JSON) -> Iterator[FieldError]:
    if (name := spec.get("volumeAttributesClassName")) is None:
        return
    if name:
        yield from needed_name("spec.volumeAttributesClassName", name, names.dns_subdomain)
    else:
        yield FieldError.required("spec.volumeAttributesClassName", "an empty string is disallowed")
    if spec.get("csi") is None:
        yield FieldError.required("spec.csi", "has to be specified when using volumeAttributesClassName")


def _without_new_secret(source: JSON, old: JSON) -> JSON:
    """The secret for expansion may be given later, once."""
    secret = "controllerExpandSecretRef"  # noqa: S105 - a field's name
    csi, before = source.get("csi"), old.get("csi")
    if csi is None or before is None or before.get(secret) is not None:
        return source
    return {**source, "csi": {key: value for key, value in csi.items() if key != secret}}


def _with_current_keys(old: Any, new: Any) -> Any:
    """The old affinity with those deprecated keys replaced that the new one has replaced too."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: _key(key, value, new.get(key)) for key, value in old.items()}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_with_current_keys(one, other) for one, other in zip(old, new, strict=True)]
    return old


def _key(name: str, old: Any, new: Any) -> Any:
    if name == "key" and isinstance(old, str):
        return new if new == _CURRENT_KEYS.get(old) else old
    return _with_current_keys(old, new)
