"""Whether and how to make a volume for a claim; what the volume object says; what to destroy. Pure.

The binder asks by the provisioner annotations, after no volume was found, and binds what is made, as with a CSI
provisioner; so the two need not know each other. Rule: "Provisioning" and "Dynamic" in the Kubernetes concept page on
persistent volumes; for plugins, what kube-controller-manager does for those in its own tree.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from controllers.migration import IN_TREE, expected_provisioner
from controllers.references import reference_to
from model import names, quantity
from model.meta import JSON
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass, VolumePhase
from model.workloads import Node
from plugins.protocol import Provisioned, ProvisionRequest

_PLAIN_DIRECTORIES: Final = frozenset({"kubernetes.io/host-path"})
"""Provisioners whose volumes are not mounted, so that mount options can not be honoured."""


@dataclass(frozen=True)
class Nothing:
    """Somebody else's, not yet, or done."""


@dataclass(frozen=True)
class Refuse:
    """This will never be made, as it is asked for."""

    why: str


@dataclass(frozen=True)
class Reschedule:
    """Not there: whoever schedules is to choose another node."""

    why: str


@dataclass(frozen=True)
class Later:
    """What is needed is not there yet."""

    why: str


@dataclass(frozen=True)
class Provision:
    """Make it."""

    request: ProvisionRequest


Action = Nothing | Refuse | Reschedule | Later | Provision


def volume_name(claim: PersistentVolumeClaim) -> str:
    """The name of the claim's volume: made of its UID, so that making it twice is making it once."""
    return f"pvc-{claim.uid}"


def decide(
    claim: PersistentVolumeClaim, storage_class: StorageClass | None, node: Node | None, *, made: bool
) -> Action:
    """What to do about a claim that waits for one of our plugins.

    `node` is the selected one, if it exists; `made`: whether the claim's volume object is there.
    """
    if claim.spec.volume_name or claim.deleting or made:
        return Nothing()
    if storage_class is None:
        return Later(f"storage class {claim.storage_class!r} not found")
    if storage_class.provisioner != expected_provisioner(claim):
        return Nothing()
    selected = (claim.selected_node or "") if storage_class.waits_for_consumer else ""
    if storage_class.waits_for_consumer and not selected:
        return Nothing()
    if why := _unsupported(claim, storage_class):
        return Refuse(why)
    if selected and node is None:
        return Reschedule(f"node {selected!r} not found")
    return Provision(_request(claim, storage_class, node))


def _unsupported(claim: PersistentVolumeClaim, storage_class: StorageClass) -> str:
    provisioner = storage_class.provisioner
    if claim.spec.data_source is not None or claim.spec.data_source_ref is not None:
        return f"{provisioner} can not fill a volume from a data source"
    if claim.spec.selector is not None:
        return f"{provisioner} makes volumes without labels, so none that a selector chooses"
    if claim.spec.volume_attributes_class_name:
        return f"{provisioner} knows no volume attributes classes"
    if storage_class.mount_options and provisioner in _PLAIN_DIRECTORIES:
        return f"{provisioner} does not mount, so it can not honour the mount options of class {storage_class.name}"
    return ""


def _request(claim: PersistentVolumeClaim, storage_class: StorageClass, node: Node | None) -> ProvisionRequest:
    return ProvisionRequest(
        name=volume_name(claim),
        size_bytes=quantity.whole((claim.spec.resources.requests or {}).get("storage", "0")),
        volume_mode=claim.volume_mode,
        access_modes=claim.spec.access_modes or (),
        parameters=storage_class.parameters or {},
        node=node.name if node else "",
        node_labels=node.labels if node else {},
        allowed_topologies=storage_class.allowed_topologies or (),
    )


def volume_object(claim: PersistentVolumeClaim, storage_class: StorageClass, made: Provisioned) -> JSON:
    """The volume for what was made: it points at the claim, UID and all, so that the binder binds it at once."""
    return completed(draft(claim, storage_class, volume_name(claim)), made)


def draft(claim: PersistentVolumeClaim, storage_class: StorageClass, name: str) -> JSON:
    """The volume as far as it is known before the storage is there."""
    policy, provisioner = storage_class.reclaim_policy or "Delete", storage_class.provisioner
    spec: JSON = {
        "accessModes": list(claim.spec.access_modes or ()),
        "volumeMode": claim.volume_mode,
        "persistentVolumeReclaimPolicy": policy,
        "storageClassName": storage_class.name,
        "claimRef": msgspec.to_builtins(reference_to(claim)),
    }
    if storage_class.mount_options:
        spec["mountOptions"] = list(storage_class.mount_options)
    annotations = {names.PROVISIONED_BY: provisioner}
    if provisioner.startswith(IN_TREE):
        annotations[names.BOUND_BY_CONTROLLER] = "yes"
    metadata: JSON = {"name": name, "annotations": annotations}
    if policy == "Delete":
        metadata["finalizers"] = [finalizer_of(provisioner)]
    return {"metadata": metadata, "spec": spec}


def completed(drafted: JSON, made: Provisioned) -> JSON:
    """The draft with what the storage turned out to be."""
    metadata, spec = drafted["metadata"], drafted["spec"]
    spec = {**spec, **made.source, "capacity": {"storage": quantity.format_bytes(made.size_bytes)}}
    if made.node_affinity is not None:
        spec["nodeAffinity"] = {"required": _camel(made.node_affinity)}
    return {"metadata": {**metadata, "annotations": {**made.annotations, **metadata["annotations"]}}, "spec": spec}


def finalizer_of(provisioner: str) -> str:
    """What holds a volume until its storage is destroyed; in-tree ones have the binder's, which keeps it up."""
    in_tree = not provisioner or provisioner.startswith(IN_TREE)
    return names.VOLUME_CONTROLLER if in_tree else names.EXTERNAL_PROVISIONER


def may_destroy(volume: PersistentVolume) -> bool:
    """Whether, if a plugin serves the volume and its claim is gone, its storage is to be destroyed."""
    if volume.status.phase not in (VolumePhase.RELEASED, VolumePhase.FAILED):
        return False
    if volume.spec.persistent_volume_reclaim_policy != "Delete" or volume.annotations.get(names.MIGRATED_TO):
        return False
    return not volume.deleting or held(volume)


def held(volume: PersistentVolume) -> bool:
    """Whether the volume waits for its storage to be destroyed."""
    return finalizer_of(volume.annotations.get(names.PROVISIONED_BY, "")) in (volume.metadata.finalizers or ())


def let_go(volume: PersistentVolume) -> JSON:
    """The patch that takes our finalizer off."""
    ours = finalizer_of(volume.annotations.get(names.PROVISIONED_BY, ""))
    return {"metadata": {"finalizers": [each for each in volume.metadata.finalizers or () if each != ours]}}


def _camel(selector: msgspec.Struct) -> JSON:
    """A selector as the API spells it, without what is absent."""
    built: JSON = msgspec.to_builtins(selector)
    return {key: _bare(value) for key, value in built.items() if value is not None}


def _bare(value: object) -> object:
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if each is not None}
    return [_bare(each) for each in value] if isinstance(value, list | tuple) else value
