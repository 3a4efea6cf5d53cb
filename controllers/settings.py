"""What may differ between clusters."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ControllerSettings:
    """Settings of all controllers."""

    binder_workers: int = 16
    """Claims, and as many volumes, that are worked on at a time: each has at most one request under way."""
    resync_seconds: float = 15.0
    """How often what is not settled is looked at although nothing changed (pvclaimbinder-sync-period)."""
    full_resync_seconds: float = 600.0
    """Within what time everything is looked at although nothing changed, a part at each resync."""
    batch_seconds: float = 0.5
    """How long claims wait at most for volumes that came with them and are about to be Available."""
    dynamic_provisioning: bool = True
    """Whether claims that no volume fits are handed to the provisioner of their class (enable-dynamic-provisioning)."""
    marks_unused: bool = True
    """Whether Bound claims tell if pods use them, by a condition (PersistentVolumeClaimUnusedSinceTime, on in 1.37)."""
    guarded: bool = True
    """Whether to stop writing when kube-controller-manager writes what the binder owns."""
    recycler_image: str = "busybox:stable"
    """Has a shell, `find` and `test`: runs where a recycled volume is emptied."""
    recycler_namespace: str = "default"
    provision_workers: int = 10
    """Volumes that are made, and as many that are deleted, at a time."""
    plugin_backoff_seconds: tuple[float, float] = (0.5, 122.0)
    """After a failure of a plugin: the first wait, doubling to the longest."""
