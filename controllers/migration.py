"""In-tree plugins that CSI drivers took over: the marks that tell everybody to stand aside or to step in.

Rule: "CSI migration" in the Kubernetes documentation on volumes; marks and finalizers as kube-controller-manager's
binder keeps them.
"""

from typing import Final

from model import names
from model.meta import JSON
from model.volumes import PersistentVolume, PersistentVolumeClaim
from storage.translation import BY_PROVISIONER

IN_TREE: Final = "kubernetes.io/"
"""What the names of in-tree plugins begin with."""


def driver_of(provisioner: str) -> str:
    """Who provisions where a class or an object names this provisioner: the driver that took over, or itself."""
    plugin = BY_PROVISIONER.get(provisioner)
    return plugin.driver if plugin else provisioner


def expected_provisioner(claim: PersistentVolumeClaim) -> str | None:
    """Whom the claim waits for; None where nobody was asked yet."""
    return claim.annotations.get(names.STORAGE_PROVISIONER, claim.annotations.get(names.BETA_STORAGE_PROVISIONER))


def claim_marks(claim: PersistentVolumeClaim) -> JSON | None:
    """What is to be changed so that the claim says who took over; None if nothing."""
    provisioner = expected_provisioner(claim)
    if provisioner is None:
        return None
    mark = _mark(claim.annotations.get(names.MIGRATED_TO), provisioner)
    return {"metadata": {"annotations": mark}} if mark else None


def volume_marks(volume: PersistentVolume) -> JSON | None:
    """What is to be changed so that the volume says who took over and waits for whom it must; None if nothing."""
    provisioner = volume.annotations.get(names.PROVISIONED_BY)
    if provisioner is None:
        return None
    metadata: JSON = {}
    if mark := _mark(volume.annotations.get(names.MIGRATED_TO), provisioner):
        metadata["annotations"] = mark
    before = list(volume.metadata.finalizers or ())
    after = _finalizers(volume, provisioner, before)
    if after != before:
        metadata["finalizers"] = after
    return {"metadata": metadata} if metadata else None


def _mark(present: str | None, provisioner: str) -> JSON | None:
    plugin = BY_PROVISIONER.get(provisioner)
    wanted = plugin.driver if plugin else None
    return None if present == wanted else {names.MIGRATED_TO: wanted}


def _finalizers(volume: PersistentVolume, provisioner: str, before: list[str]) -> list[str]:
    """The volume's finalizers as they should be. One that is on its way out accepts no new one."""
    if provisioner in BY_PROVISIONER:
        return _without(before, names.VOLUME_CONTROLLER)
    if not provisioner.startswith(IN_TREE):
        return before
    kept = _without(before, names.EXTERNAL_PROVISIONER)
    if volume.spec.persistent_volume_reclaim_policy != "Delete":
        return _without(kept, names.VOLUME_CONTROLLER)
    if names.VOLUME_CONTROLLER in kept or volume.deleting:
        return kept
    return [*kept, names.VOLUME_CONTROLLER]


def _without(finalizers: list[str], finalizer: str) -> list[str]:
    return [each for each in finalizers if each != finalizer]
