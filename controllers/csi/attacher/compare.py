"""Comparing what the driver says is attached with what VolumeAttachments say.

Somebody may have detached a volume behind the driver's back, or a call that seemed to fail had its effect. Rule: the
controller capability LIST_VOLUMES_PUBLISHED_NODES, as the external-attacher uses it.
"""

from collections.abc import Iterable, Iterator, Mapping

from controllers.csi.attacher.decide import Around, Unusable, attached_node_id, disagrees, spec_of
from model.csi import VolumeAttachment
from plugins.csi.controller import Controller
from storage.translation import repaired_handle

Published = Mapping[str, frozenset[str]]
"""On which nodes, by the driver's names for them, each volume is; by handle."""


async def published(controller: Controller) -> Published:
    """What the driver says. Raises PluginError."""
    return {entry.volume.volume_id: frozenset(entry.status.published_node_ids) async for entry in controller.volumes()}


def disagreeing(
    attachments: Iterable[tuple[VolumeAttachment, Around]], said: Published, finalizer: str
) -> Iterator[VolumeAttachment]:
    """The settled attachments of which the driver says otherwise; those of which nothing is known are passed over."""
    for attachment, around in attachments:
        node_id = attached_node_id(attachment, around.csi_node)
        handle = _handle(attachment, around, node_id)
        if node_id and handle and disagrees(attachment, finalizer, published=node_id in said.get(handle, ())):
            yield attachment


def _handle(attachment: VolumeAttachment, around: Around, node_id: str) -> str:
    """As the driver lists it."""
    try:
        csi = spec_of(attachment, around.volume).csi
    except Unusable:
        return ""
    return repaired_handle(csi.volume_handle, node_id) if csi else ""
