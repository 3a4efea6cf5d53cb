"""What the parameters of a VolumeSnapshotClass say to Kubernetes, and what of them the driver is told. Pure.

Rule: the `csi.storage.k8s.io/` keys of VolumeSnapshotClasses, as the external-snapshotter documents them.
"""

from collections.abc import Mapping
from typing import Final

from model.meta import ObjectReference
from model.secrets import SecretReference
from model.snapshots import VolumeSnapshotContent
from plugins.csi.parameters import PREFIX, check
from plugins.csi.secret_names import named

SNAPSHOTTER: Final = "snapshotter"
"""Whose Secret goes with making and deleting a snapshot."""
LISTER: Final = "snapshotter-list"
"""Whose Secret goes with asking about one."""
_OWN: Final = frozenset(
    f"{PREFIX}{operation}-secret-{part}"
    for operation in (SNAPSHOTTER, LISTER, "group-snapshotter", "group-snapshotter-list", "group-snapshotter-get")
    for part in ("name", "namespace")
)


def told_to_driver(parameters: Mapping[str, str], content: VolumeSnapshotContent, *, names: bool) -> dict[str, str]:
    """The parameters of CreateSnapshot; with `names`, those of the objects too.

    Raises:
        Failed: a key with Kubernetes' prefix is unknown.
    """
    check(parameters, _OWN)
    own = {key: value for key, value in parameters.items() if key not in _OWN}
    return own | (_names(content) if names else {})


def secret(
    parameters: Mapping[str, str], operation: str, content: str, snapshot: ObjectReference
) -> SecretReference | None:
    """The Secret of an operation; None where the class names none.

    Raises:
        Failed: it is named by half, or by a template that is not known.
    """
    prefix = f"{PREFIX}{operation}-secret-"
    own = {key: value for key, value in parameters.items() if key.startswith(prefix)}
    in_namespace = {"volumesnapshotcontent.name": content, "volumesnapshot.namespace": snapshot.namespace}
    return named(own, operation, in_namespace, in_namespace | {"volumesnapshot.name": snapshot.name})


def _names(content: VolumeSnapshotContent) -> dict[str, str]:
    reference = content.spec.volume_snapshot_ref
    return {
        f"{PREFIX}volumesnapshot/name": reference.name,
        f"{PREFIX}volumesnapshot/namespace": reference.namespace,
        f"{PREFIX}volumesnapshotcontent/name": content.name,
    }
