"""Whether a claim may be filled from an object of another namespace.

Rule: KEP-3294 (CrossNamespaceVolumeDataSource), as external-provisioner tests it.
"""

from collections.abc import Iterable

from model.grants import GrantFrom, GrantTo, ReferenceGrant
from model.volumes import DataSource


def is_granted(claim_namespace: str, source: DataSource, grants: Iterable[ReferenceGrant]) -> bool:
    """Whether one of the grants, those of the source's own namespace, lets claims of `claim_namespace` use it."""
    claims = GrantFrom(group="", kind="PersistentVolumeClaim", namespace=claim_namespace)
    return any(
        claims in (grant.spec.from_ or ()) and any(_covers(target, source) for target in grant.spec.to or ())
        for grant in grants
    )


def _covers(target: GrantTo, source: DataSource) -> bool:
    same_kind = (target.group, target.kind) == (source.api_group or "", source.kind)
    return same_kind and target.name in (None, "", source.name)
