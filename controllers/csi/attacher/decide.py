"""What to do about a VolumeAttachment of our driver, and about a volume that attachments hold. Pure.

Rule: the attacher's part of the VolumeAttachment API of Kubernetes, as the external-attacher plays it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from controllers.finalizers import holds, holds_up
from model.csi import CSINode, VolumeAttachment
from model.names import ATTACHED_NODE_ID
from model.volumes import PersistentVolume, VolumeSpec
from storage.migrated import as_csi
from storage.translation import TranslationError


@dataclass(frozen=True)
class Attacher:
    """Who attaches."""

    driver: str
    publishes: bool
    """Whether the driver attaches at all. If it does not, to say that a volume is attached is all there is to do."""

    @property
    def finalizer(self) -> str:
        """What holds attachments until they are detached, and volumes while there are attachments of them."""
        name = re.sub(r"[^A-Za-z0-9-]", "-", self.driver)
        return f"external-attacher/{name}X" if name.endswith("-") else f"external-attacher/{name}"


@dataclass(frozen=True)
class Around:
    """What is known of the volume and the node of an attachment; None where it is not there."""

    volume: PersistentVolume | None = None
    csi_node: CSINode | None = None


@dataclass(frozen=True)
class Nothing:
    """It is as it should be."""


@dataclass(frozen=True)
class MarkAttached:
    """Say that it is attached: the driver has nothing to do for that."""

    attachment: VolumeAttachment


@dataclass(frozen=True)
class Attach:
    """Have the driver attach it. `volume` is to be held; None where the attachment has its volume inline."""

    attachment: VolumeAttachment
    spec: VolumeSpec
    node_id: str
    volume: PersistentVolume | None


@dataclass(frozen=True)
class CannotAttach:
    """Say why it can not be attached, and try again."""

    attachment: VolumeAttachment
    why: str


@dataclass(frozen=True)
class Detach:
    """Have the driver detach it."""

    attachment: VolumeAttachment
    spec: VolumeSpec
    node_id: str


@dataclass(frozen=True)
class CannotDetach:
    """Say why it can not be detached, and try again."""

    attachment: VolumeAttachment
    why: str


@dataclass(frozen=True)
class Close:
    """It is detached: let the attachment go, and let it say so."""

    attachment: VolumeAttachment


Action = Nothing | MarkAttached | Attach | CannotAttach | Detach | CannotDetach | Close


def decide(attachment: VolumeAttachment, around: Around, attacher: Attacher, *, again: bool = False) -> Action:
    """What to do about an attachment of the driver.

    `again`: the driver said that it is not as it should be, so the call is made although nothing else asks for it.
    """
    if attachment.deleting:
        return _decide_detaching(attachment, around, attacher, again=again)
    if attachment.status.attached and not (again and attacher.publishes):
        return Nothing()
    if not attacher.publishes:
        return MarkAttached(attachment)
    node_id = node_id_of(around.csi_node, attacher.driver)
    try:
        spec = spec_of(attachment, around.volume)
    except Unusable as error:
        return CannotAttach(attachment, str(error))
    if around.volume is not None and around.volume.deleting:
        return CannotAttach(attachment, f"persistentvolume {around.volume.name} is being deleted")
    if not node_id:
        return CannotAttach(
            attachment, f"driver {attacher.driver} is not registered on node {attachment.spec.node_name}"
        )
    return Attach(attachment, spec, node_id, around.volume)


def _decide_detaching(
    attachment: VolumeAttachment, around: Around, attacher: Attacher, *, again: bool
) -> Nothing | Close | Detach | CannotDetach:
    held = holds(attachment, attacher.finalizer)
    if not attacher.publishes:
        return Close(attachment) if held else Nothing()
    if not held and not again:
        # Detached; where the finalizers of others keep it, it is to say so. Without any it is gone.
        kept = bool(attachment.metadata.finalizers)
        return Close(attachment) if kept and attachment.status.attached else Nothing()
    try:
        spec = spec_of(attachment, around.volume)
    except Unusable as error:
        return CannotDetach(attachment, str(error))
    node_id = attached_node_id(attachment, around.csi_node)
    if not node_id:
        # Without one the driver would detach the volume from all nodes.
        return CannotDetach(
            attachment, f"what driver {attacher.driver} called node {attachment.spec.node_name} is not known"
        )
    return Detach(attachment, spec, node_id)


class Unusable(ValueError):  # noqa: N818 - named by what it is
    """An attachment that tells of no volume of its driver; the message says why."""


def spec_of(attachment: VolumeAttachment, volume: PersistentVolume | None) -> VolumeSpec:
    """What is to be attached, as a CSI volume. `volume` is the one that the attachment names.

    Raises:
        Unusable: there is none that the driver could attach.
    """
    source = attachment.spec.source
    if (source.persistent_volume_name is None) == (source.inline_volume_spec is None):
        raise Unusable("spec.source must name a persistentvolume or have an inline spec, and not both")
    spec = _inline(attachment) if source.inline_volume_spec is not None else _named(attachment, volume)
    if spec.csi is None or spec.csi.driver != attachment.spec.attacher:
        whose = f"of driver {spec.csi.driver}" if spec.csi else "no CSI volume"
        raise Unusable(f"the volume is {whose}, the attachment of {attachment.spec.attacher}")
    if not spec.csi.volume_handle:
        raise Unusable("the volume has no volumeHandle")
    return spec


def _inline(attachment: VolumeAttachment) -> VolumeSpec:
    try:
        return msgspec.convert(attachment.spec.source.inline_volume_spec, VolumeSpec)
    except msgspec.ValidationError as error:
        raise Unusable(f"spec.source.inlineVolumeSpec can not be read: {error}") from None


def _named(attachment: VolumeAttachment, volume: PersistentVolume | None) -> VolumeSpec:
    if volume is None:
        raise Unusable(f"persistentvolume {attachment.spec.source.persistent_volume_name} not found")
    try:
        return as_csi(volume)
    except TranslationError as error:
        raise Unusable(f"persistentvolume {volume.name}: {error}") from None


def node_id_of(csi_node: CSINode | None, driver: str) -> str:
    """What the driver calls the node; "" where it is not registered there."""
    drivers = (csi_node.spec.drivers or ()) if csi_node else ()
    return next((each.node_id for each in drivers if each.name == driver), "")


def attached_node_id(attachment: VolumeAttachment, csi_node: CSINode | None) -> str:
    """What the driver calls the node now or, where it is registered there no more, called it when it attached."""
    return node_id_of(csi_node, attachment.spec.attacher) or attachment.annotations.get(ATTACHED_NODE_ID, "")


def wakes(old: VolumeAttachment | None, new: VolumeAttachment) -> bool:
    """Whether a change of an attachment is worth a look: errors that we, or others, write down are not."""
    if old is None:
        return True
    return (old.uid, old.deleting, old.status.attached) != (new.uid, new.deleting, new.status.attached)


def may_go(volume: PersistentVolume, attachments: Sequence[VolumeAttachment], finalizer: str) -> bool:
    """Whether a volume that is being deleted is held by the finalizer for nothing: no attachment refers to it."""
    return holds_up(volume, finalizer) and not attachments


def disagrees(attachment: VolumeAttachment, finalizer: str, *, published: bool) -> bool:
    """Whether the driver says otherwise than the attachment, of one that is settled: nothing is being done about it."""
    if attachment.deleting:
        return published and not holds(attachment, finalizer)
    return attachment.status.attached and not published
