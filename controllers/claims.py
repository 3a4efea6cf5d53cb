"""Making sure that a volume's claim is gone, before anything is done that can not be taken back."""

from kube.client import Client
from kube.errors import NotFound
from model.resources import CLAIMS
from model.volumes import PersistentVolume, PersistentVolumeClaim


async def live_claim(client: Client, volume: PersistentVolume) -> PersistentVolumeClaim | None:
    """The claim that the volume's claimRef is complete for, as the server has it now; None if it is gone."""
    reference = volume.spec.claim_ref
    if reference is None or not reference.uid:
        return None
    try:
        claim = await client.get(CLAIMS, reference.name, reference.namespace)
    except NotFound:
        return None
    return claim if claim.uid == reference.uid else None


async def is_released(client: Client, volume: PersistentVolume) -> bool:
    """Whether the claim that had the volume is gone, or has another one."""
    reference = volume.spec.claim_ref
    if reference is None or not reference.uid:
        return False
    claim = await live_claim(client, volume)
    return claim is None or claim.spec.volume_name not in ("", volume.name)
