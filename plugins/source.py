"""A volume as a plugin is shown it: a volume of a pod, or a PersistentVolume together with how the claim is used.

Where one becomes a part of a path it is checked, as names come from objects that others write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from model import names
from model.meta import JSON
from model.selectors import NodeSelector
from plugins.errors import Failed

S = TypeVar("S", bound=msgspec.Struct)

_NOT_SOURCES: Final = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "name",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)
"""The members of a volume, or of a PersistentVolume's spec, that are not its source."""


@dataclass(frozen=True)
class PodFacts:
    """The pod that a volume is mounted for."""

    name: str
    namespace: str
    uid: str
    service_account: str = ""
    fs_group: int | None = None
    fs_group_change_policy: str = "Always"


@dataclass(frozen=True)
class Source:
    """What is to be attached or mounted."""

    name: str
    """The PersistentVolume's name, or the name that the pod has for the volume."""
    kind: str
    """The source's member in the API: `hostPath`, `flexVolume`."""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """That member; read by `fields`."""
    persistent: bool = False
    read_only: bool = False
    """Of the pod's use of the claim, or of a pod volume's own source."""
    mount_options: tuple[str, ...] = ()
    """Sorted, each once."""
    access_modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"
    node_affinity: NodeSelector | None = None

    def fields(self, into: type[S]) -> S:
        """The source's fields in the plugin's own type.

        Raises:
            Failed: they are of other types.
        """
        try:
            return msgspec.convert(self.body, into)
        except msgspec.ValidationError as error:
            raise Failed(f"the {self.kind} of volume {self.name!r} can not be read: {error}") from None


def of_pod(volume: JSON) -> Source:
    """A volume of a pod, as it stands in spec.volumes. No source at all means emptyDir, as in the API.

    Raises:
        Failed: the name is none.
    """
    kind, body = _source_of(volume, default="emptyDir")
    read_only = body.get("readOnly") is True
    return Source(path_part(str(volume.get("name", ""))), kind, body, read_only=read_only)


def of_volume(manifest: JSON, *, claim_read_only: bool = False) -> Source:
    """A PersistentVolume as the API has it, with `readOnly` of the pod's claim.

    Raises:
        Failed: it has no source, or can not be read.
    """
    metadata, spec = manifest.get("metadata") or {}, manifest.get("spec") or {}
    kind, body = _source_of(spec, default="")
    options = _mount_options(metadata, spec)
    required = (spec.get("nodeAffinity") or {}).get("required")
    return Source(
        path_part(str(metadata.get("name", ""))),
        kind,
        body,
        persistent=True,
        read_only=claim_read_only,
        mount_options=tuple(sorted(set(options))),
        access_modes=tuple(spec.get("accessModes") or ()),
        volume_mode=spec.get("volumeMode") or "Filesystem",
        node_affinity=msgspec.convert(required, NodeSelector) if required else None,
    )


def path_part(name: str) -> str:
    """The name, where it can be one part of a path.

    Raises:
        Failed: it would lead elsewhere, or nowhere.
    """
    if name in {"", ".", ".."} or "/" in name or "\0" in name or len(name.encode()) > 255:
        raise Failed(f"{name!r} can not be a part of a path")
    return name


def _mount_options(metadata: JSON, spec: JSON) -> list[str]:
    """The annotation's where there is one, else the field's."""
    annotated = (metadata.get("annotations") or {}).get(names.MOUNT_OPTIONS)
    options = annotated.split(",") if annotated is not None else list(spec.get("mountOptions") or ())
    return [option for option in options if option]


def _source_of(members: JSON, default: str) -> tuple[str, Mapping[str, Any]]:
    found = [(kind, body) for kind, body in members.items() if kind not in _NOT_SOURCES and isinstance(body, dict)]
    if not found and default:
        return default, {}
    if len(found) != 1:
        raise Failed(f"volume has {len(found)} sources, not one")
    return found[0]
