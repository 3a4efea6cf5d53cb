"""Who wrote what only a binder writes, as managedFields tell. Pure.

Rule: "Server-Side Apply", field management, in the Kubernetes documentation.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from model import names
from model.meta import JSON, Metadata, Object
from model.resources import Resource

STOCK: Final = "kube-controller-manager"
"""The field manager of the stock binder, which shares it with its other controllers."""

_BINDERS_OWN: Final = (
    ("f:status", "f:phase"),
    ("f:spec", "f:claimRef"),
    ("f:spec", "f:volumeName"),
    ("f:metadata", "f:annotations", f"f:{names.BIND_COMPLETED}"),
)


class Owner(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One entry of managedFields: who wrote these fields, and when last."""

    manager: str = ""
    time: str = ""
    fields: JSON = msgspec.field(default_factory=dict, name="fieldsV1")

    @property
    def binds(self) -> bool:
        """Whether a field that only a binder writes is among them."""
        return any(_has(self.fields, path) for path in _BINDERS_OWN)


class OwnedMetadata(Metadata, frozen=True, gc=False, rename="camel"):
    """Metadata with managedFields, which caches do without."""

    managed_fields: tuple[Owner, ...] | None = None


class Owned(Object, frozen=True, gc=False):
    """An object and who wrote it."""

    metadata: OwnedMetadata = OwnedMetadata()


OWNED_VOLUMES: Final = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, view=Owned)
OWNED_CLAIMS: Final = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True, view=Owned)


def stock_binder_wrote_last(owners: Iterable[Owner]) -> bool:
    """Whether, of all who wrote what only a binder writes, the stock one was the last.

    Entries of long ago, from before it was switched off, do not count: somebody has written since.
    """
    binders = [owner for owner in owners if owner.binds]
    last = max((owner.time for owner in binders), default="")
    return any(owner.manager == STOCK and owner.time == last for owner in binders)


def _has(fields: JSON, path: tuple[str, ...]) -> bool:
    at: object = fields
    for step in path:
        if not isinstance(at, dict) or step not in at:
            return False
        at = at[step]
    return True
