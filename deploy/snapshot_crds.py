"""The CustomResourceDefinitions of VolumeSnapshot, VolumeSnapshotContent and VolumeSnapshotClass.

Fields, columns, short names and rules are those of snapshot.storage.k8s.io/v1 ("Volume Snapshots" in the Kubernetes
concept pages), so that its clients and its other implementations work on them. What a schema alone can say is said in
it; rules in CEL are left for what may not change.
"""

from typing import Any, Final

from model.meta import JSON
from model.resources import SNAPSHOT_CLASSES, SNAPSHOT_CONTENTS, SNAPSHOTS, Resource

APPROVAL: Final = "https://github.com/kubernetes-csi/external-snapshotter/pull/814"
"""Where the API was approved for a group under k8s.io: the API server wants to be told."""

_QUANTITY: Final = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)


def definitions() -> list[JSON]:
    """All three."""
    return [
        _definition(SNAPSHOTS, ["vs"], _snapshot(), _SNAPSHOT_COLUMNS, has_status=True),
        _definition(SNAPSHOT_CONTENTS, ["vsc", "vscs"], _content(), _CONTENT_COLUMNS, has_status=True),
        _definition(SNAPSHOT_CLASSES, ["vsclass", "vsclasses"], _class(), _CLASS_COLUMNS, has_status=False),
    ]


def _definition(
    resource: Resource[Any], short_names: list[str], schema: JSON, columns: list[JSON], *, has_status: bool
) -> JSON:
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [*columns, _column("Age", "date", ".metadata.creationTimestamp")],
        **({"subresources": {"status": {}}} if has_status else {}),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{resource.group}",
            "annotations": {"api-approved.kubernetes.io": APPROVAL},
        },
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": short_names,
            },
            "versions": [version],
        },
    }


# --- VolumeSnapshot ---


def _snapshot() -> JSON:
    source = _one_of(
        "What it is a snapshot of: a claim, or a content that was there before. It never changes.",
        persistentVolumeClaimName=_string("The claim of its own namespace whose volume is to be copied."),
        volumeSnapshotContentName=_string("The content of a snapshot that the storage has already."),
    )
    spec = _object(
        "What is wanted.",
        {
            "source": source,
            "volumeSnapshotClassName": _string(
                "The class to make it by; left out, the default class of the volume's driver.", minLength=1
            ),
        },
        required=["source"],
    )
    status = _object(
        "What has come of it. Before it is used, see that the content points back at it.",
        {
            "boundVolumeSnapshotContentName": _string("The content that it is bound to."),
            "creationTime": _time("The moment that it shows, as the storage tells it."),
            "readyToUse": _boolean("Whether a volume can be restored from it."),
            "restoreSize": _quantity("The least size of a volume that is restored from it."),
            "error": _error(),
            "volumeGroupSnapshotName": _string("The group snapshot that it was taken with."),
        },
    )
    return _root("A volume's content of one moment, as its user asks for it and has it.", spec, status)


# --- VolumeSnapshotContent ---


def _content() -> JSON:
    source = _one_of(
        "Where it comes from: a volume that is to be copied, or a snapshot that is there. It never changes.",
        snapshotHandle=_string("The name that the driver has for a snapshot that is there."),
        volumeHandle=_string("The name that the driver has for the volume."),
    )
    spec = _object(
        "What it stands for.",
        {
            "deletionPolicy": _policy("What becomes of the storage's snapshot when the VolumeSnapshot is deleted."),
            "driver": _string("The CSI driver that has it."),
            "source": source,
            "sourceVolumeMode": _fixed("sourceVolumeMode", _string("Filesystem or Block, where it is known.")),
            "volumeSnapshotClassName": _string("The class that it was made by; that may be another by now."),
            "volumeSnapshotRef": _reference(),
        },
        required=["deletionPolicy", "driver", "source", "volumeSnapshotRef"],
    )
    spec["x-kubernetes-validations"] = [_kept("sourceVolumeMode")]
    return _root("A snapshot as the storage has it.", spec, _content_status())


def _content_status() -> JSON:
    return _object(
        "What the driver told of it.",
        {
            "snapshotHandle": _string("The name that the driver has for it, once there is one."),
            "creationTime": _int64("The moment that it shows, in nanoseconds since 1970."),
            "readyToUse": _boolean("Whether a volume can be restored from it."),
            "restoreSize": _int64("The least size in bytes of a volume that is restored from it.", minimum=0),
            "error": _error(),
            "volumeGroupSnapshotHandle": _string("The name that the driver has for the group that it is one of."),
        },
    )


def _reference() -> JSON:
    fields = {
        "apiVersion": _string("The version of the VolumeSnapshot's API."),
        "fieldPath": _string("Not used."),
        "kind": _string("VolumeSnapshot."),
        "name": _string("Its name."),
        "namespace": _string("Its namespace."),
        "resourceVersion": _string("Its version when the reference was written."),
        "uid": _string("Its UID; left out by who makes a content by hand, and filled in when the two are bound."),
    }
    reference = _object("The VolumeSnapshot that it is for.", fields, required=["name", "namespace"])
    return reference | {"x-kubernetes-map-type": "atomic"}


# --- VolumeSnapshotClass ---


def _class() -> JSON:
    parameters = {
        "type": "object",
        "description": "What the driver is told when it makes one; keys under csi.storage.k8s.io/ are Kubernetes' own.",
        "additionalProperties": {"type": "string"},
    }
    fields = {
        "driver": _string("The CSI driver that makes the snapshots."),
        "deletionPolicy": _policy("The policy of the contents that are made by it."),
        "parameters": parameters,
    }
    whole = _object("How snapshots of a driver are made.", fields, required=["deletionPolicy", "driver"])
    return whole | {"properties": {**_META, **fields}}


# --- columns ---


def _column(name: str, type_: str, path: str) -> JSON:
    return {"name": name, "type": type_, "jsonPath": path}


_SNAPSHOT_COLUMNS: Final = [
    _column("ReadyToUse", "boolean", ".status.readyToUse"),
    _column("SourcePVC", "string", ".spec.source.persistentVolumeClaimName"),
    _column("SourceSnapshotContent", "string", ".spec.source.volumeSnapshotContentName"),
    _column("RestoreSize", "string", ".status.restoreSize"),
    _column("SnapshotClass", "string", ".spec.volumeSnapshotClassName"),
    _column("SnapshotContent", "string", ".status.boundVolumeSnapshotContentName"),
    _column("CreationTime", "date", ".status.creationTime"),
]
_CONTENT_COLUMNS: Final = [
    _column("ReadyToUse", "boolean", ".status.readyToUse"),
    _column("RestoreSize", "integer", ".status.restoreSize"),
    _column("DeletionPolicy", "string", ".spec.deletionPolicy"),
    _column("Driver", "string", ".spec.driver"),
    _column("VolumeSnapshotClass", "string", ".spec.volumeSnapshotClassName"),
    _column("VolumeSnapshot", "string", ".spec.volumeSnapshotRef.name"),
    _column("VolumeSnapshotNamespace", "string", ".spec.volumeSnapshotRef.namespace"),
]
_CLASS_COLUMNS: Final = [
    _column("Driver", "string", ".driver"),
    _column("DeletionPolicy", "string", ".deletionPolicy"),
]

# --- schemas ---


def _string(description: str, **more: Any) -> JSON:
    return {"type": "string", "description": description, **more}


_META: Final = {
    "apiVersion": _string("The group and version of this form of the object."),
    "kind": _string("The kind of the object."),
    "metadata": {"type": "object"},
}


def _root(description: str, spec: JSON, status: JSON) -> JSON:
    return _object(description, {**_META, "spec": spec, "status": status}, required=["spec"])


def _object(description: str, fields: JSON, *, required: list[str] | None = None) -> JSON:
    schema = {"type": "object", "description": description, "properties": fields}
    return schema | ({"required": required} if required else {})


def _one_of(description: str, **fields: JSON) -> JSON:
    """An object with exactly one of these fields, which stays as it is."""
    schema = _object(description, {name: _fixed(name, field) for name, field in fields.items()})
    schema["oneOf"] = [{"required": [name]} for name in fields]
    schema["x-kubernetes-validations"] = [_kept(name) for name in fields]
    return schema


def _fixed(name: str, field: JSON) -> JSON:
    return field | {"x-kubernetes-validations": [{"rule": "self == oldSelf", "message": f"{name} can not be changed"}]}


def _kept(name: str) -> JSON:
    """The rule of the object around a fixed field: it is not taken away either."""
    return {"rule": f"!has(oldSelf.{name}) || has(self.{name})", "message": f"{name} can not be removed"}


def _boolean(description: str) -> JSON:
    return {"type": "boolean", "description": description}


def _int64(description: str, **more: Any) -> JSON:
    return {"type": "integer", "format": "int64", "description": description, **more}


def _time(description: str) -> JSON:
    return _string(description, format="date-time")


def _quantity(description: str) -> JSON:
    return {
        "description": description,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": _QUANTITY,
        "x-kubernetes-int-or-string": True,
    }


def _policy(description: str) -> JSON:
    return _string(description, enum=["Delete", "Retain"])


def _error() -> JSON:
    fields = {"message": _string("What went wrong; it holds no secret."), "time": _time("When.")}
    return _object("The last fault in making it; gone when it is made after all.", fields)
