"""The tables of storage kinds."""

from typing import Any

from sandbox.tables.cells import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Heading,
    Printer,
    View,
    access_modes,
    age,
    columns,
    name_of,
)

JSON = dict[str, Any]

_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _phase(obj: JSON) -> str:
    phase: str = obj.get("status", {}).get("phase", "")
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else phase


def _class_name(obj: JSON) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    name: str = annotations.get(_BETA_CLASS, obj["spec"].get("storageClassName", ""))
    return name


def _volume(obj: JSON, view: View) -> list[Any]:
    spec, claim = obj["spec"], obj["spec"].get("claimRef")
    return [
        name_of(obj),
        (spec.get("capacity") or {}).get("storage", "0"),
        access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _class_name(obj),
        spec.get("volumeAttributesClassName", UNSET),
        obj.get("status", {}).get("reason", ""),
        age(obj, view),
        spec.get("volumeMode", UNSET),
    ]


def _claim(obj: JSON, view: View) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    bound = bool(spec.get("volumeName"))
    return [
        name_of(obj),
        _phase(obj),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "0") if bound else "",
        access_modes(status.get("accessModes")) if bound else "",
        _class_name(obj),
        spec.get("volumeAttributesClassName", UNSET),
        age(obj, view),
        spec.get("volumeMode", UNSET),
    ]


def _storage_class(obj: JSON, view: View) -> list[Any]:
    mark = " (default)" if name_of(obj) == _effective_default(view) else ""
    return [
        name_of(obj) + mark,
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        obj.get("allowVolumeExpansion", False),
        age(obj, view),
    ]


def _effective_default(view: View) -> str | None:
    """Of several default classes the youngest counts, then the first by name."""
    marked = sorted(
        (obj for obj in view.objects if any(_annotations(obj).get(each) == "true" for each in _DEFAULT_CLASS)),
        key=name_of,
    )
    youngest = max(marked, key=lambda obj: obj["metadata"].get("creationTimestamp", ""), default=None)
    return name_of(youngest) if youngest else None


def _annotations(obj: JSON) -> JSON:
    annotations: JSON = obj["metadata"].get("annotations") or {}
    return annotations


def _attributes_class(obj: JSON, view: View) -> list[Any]:
    return [name_of(obj), obj.get("driverName", ""), age(obj, view)]


def _attachment(obj: JSON, view: View) -> list[Any]:
    spec = obj["spec"]
    return [
        name_of(obj),
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        obj.get("status", {}).get("attached", False),
        age(obj, view),
    ]


def _csi_node(obj: JSON, view: View) -> list[Any]:
    return [name_of(obj), len(obj["spec"].get("drivers") or ()), age(obj, view)]


def _csi_driver(obj: JSON, view: View) -> list[Any]:
    spec = obj["spec"]
    audiences = spec.get("tokenRequests")
    return [
        name_of(obj),
        spec.get("attachRequired", True),
        spec.get("podInfoOnMount", False),
        spec.get("storageCapacity", False),
        UNSET if audiences is None else ",".join(each.get("audience", "") for each in audiences),
        spec.get("requiresRepublish", False),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age(obj, view),
    ]


PRINTERS = {
    "persistentvolumes": Printer(
        columns(
            *("Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass"),
            *("VolumeAttributesClass", "Reason", "Age"),
            wide=("VolumeMode",),
        ),
        _volume,
    ),
    "persistentvolumeclaims": Printer(
        columns(
            *("Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass", "Age"),
            wide=("VolumeMode",),
        ),
        _claim,
    ),
    "storageclasses.storage.k8s.io": Printer(
        columns("Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"), _storage_class
    ),
    "volumeattributesclasses.storage.k8s.io": Printer(columns("DriverName", "Age"), _attributes_class),
    "volumeattachments.storage.k8s.io": Printer(
        (
            NAME,
            Heading("Attacher", format="name"),
            Heading("PV"),
            Heading("Node"),
            Heading("Attached", "boolean"),
            AGE,
        ),
        _attachment,
    ),
    "csinodes.storage.k8s.io": Printer(columns("Drivers", "Age", drivers="integer"), _csi_node),
    "csidrivers.storage.k8s.io": Printer(
        columns(
            *("AttachRequired", "PodInfoOnMount", "StorageCapacity", "TokenRequests", "RequiresRepublish"),
            *("Modes", "Age"),
            attachrequired="boolean",
            podinfoonmount="boolean",
            storagecapacity="boolean",
            requiresrepublish="boolean",
        ),
        _csi_driver,
    ),
}
