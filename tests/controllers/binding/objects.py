"""Claims and volumes of the binder's tests, as views, with what decides."""

from typing import Any, TypeVar

import msgspec

from model.meta import Object
from model.volumes import PersistentVolume, PersistentVolumeClaim, VolumePhase

T = TypeVar("T", bound=Object)


def renamed(obj: T, name: str, version: str = "7") -> T:
    """The same by another name, or in another version."""
    metadata = msgspec.structs.replace(obj.metadata, name=name, uid=f"uid-{name}", resource_version=version)
    return msgspec.structs.replace(obj, metadata=metadata)


def claim(
    name: str,
    size: int = 1,
    *,
    modes: tuple[str, ...] = ("ReadWriteOnce",),
    selector: Any = None,
    storage_class: str | None = "",
    annotations: dict[str, str] | None = None,
    phase: str = "Pending",
    uid: str = "",
    **parts: Any,
) -> PersistentVolumeClaim:
    """A claim of namespace `ns` for so many Gi."""
    status = {"phase": phase, **parts.pop("status", {})}
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "namespace": "ns",
                "uid": uid or f"uid-{name}",
                "resourceVersion": "7",
                "annotations": annotations,
            },
            "spec": {
                "accessModes": modes,
                "resources": {"requests": {"storage": f"{size}Gi"}},
                "storageClassName": storage_class,
                "selector": selector,
                **parts,
            },
            "status": status,
        },
        PersistentVolumeClaim,
    )


def volume(
    name: str,
    size: int = 1,
    *,
    modes: tuple[str, ...] = ("ReadWriteOnce",),
    labels: dict[str, str] | None = None,
    storage_class: str = "",
    annotations: dict[str, str] | None = None,
    phase: str = VolumePhase.AVAILABLE,
    claim_ref: Any = None,
    deleting: bool = False,
    version: str = "7",
    **parts: Any,
) -> PersistentVolume:
    """A volume of so many Gi."""
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "resourceVersion": version,
                "labels": labels,
                "annotations": annotations,
                "deletionTimestamp": "2026-01-02T03:04:05Z" if deleting else None,
            },
            "spec": {
                "capacity": {"storage": f"{size}Gi"},
                "accessModes": modes,
                "storageClassName": storage_class,
                "claimRef": claim_ref,
                **parts,
            },
            "status": {"phase": phase},
        },
        PersistentVolume,
    )
