"""What a volume's claimRef says. Pure."""

from model.meta import ObjectReference
from model.resources import CLAIMS
from model.volumes import PersistentVolume, PersistentVolumeClaim


def reference_to(claim: PersistentVolumeClaim) -> ObjectReference:
    """A volume's claimRef to the claim, complete."""
    return ObjectReference(
        kind=CLAIMS.kind,
        api_version=CLAIMS.api_version,
        namespace=claim.namespace,
        name=claim.name,
        uid=claim.uid,
        resource_version=claim.metadata.resource_version,
    )


def claim_key(volume: PersistentVolume) -> str:
    """The key of the claim in claimRef; "" without one."""
    reference = volume.spec.claim_ref
    return f"{reference.namespace}/{reference.name}" if reference else ""
