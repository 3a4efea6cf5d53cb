"""What a driver holds, and what the cluster knows of it: the same words for the same thing, to be compared."""

from controllers.csi.names import journal
from kube.client import Client
from kube.errors import NotFound
from model.csi import VolumeAttachment
from model.resources import ATTACHMENTS, CONFIG_MAPS, SNAPSHOT_CONTENTS, VOLUMES
from plugins.csi.driver import reached


async def held(endpoint: str) -> set[str]:
    """By the driver at this endpoint, as it says itself."""
    found = set[str]()
    async with reached(endpoint, seconds=15.0) as driver:
        async for entry in driver.controller.volumes():
            handle = entry.volume.volume_id
            found |= {f"volume {handle}", *(f"volume {handle} on {node}" for node in entry.status.published_node_ids)}
        async for snapshot in driver.controller.snapshots():
            found.add(f"snapshot {snapshot.snapshot_id}")
    return found


async def known(client: Client, driver: str) -> set[str]:
    """By the cluster, of what a driver holds."""
    handles = {
        each.name: each.spec.csi.volume_handle
        for each in await client.list(VOLUMES)
        if each.spec.csi and each.spec.csi.driver == driver
    }
    contents = [each for each in await client.list(SNAPSHOT_CONTENTS) if each.spec.driver == driver]
    attachments = [each for each in await client.list(ATTACHMENTS) if each.spec.attacher == driver]
    return {
        *(f"volume {handle}" for handle in handles.values()),
        *(f"snapshot {each.status.snapshot_handle or f'of {each.name}'}" for each in contents),
        *(f"volume {handles.get(_volume(each))} on {each.spec.node_name}" for each in attachments),
    }


async def written_down(client: Client, driver: str, namespace: str) -> list[str]:
    """The claims of which the provisioner still has a call written down."""
    try:
        return [*((await client.get(CONFIG_MAPS, journal(driver), namespace)).data or {})]
    except NotFound:
        return []


def _volume(attachment: VolumeAttachment) -> str:
    return attachment.spec.source.persistent_volume_name or ""
