"""Which pods may not share a disk or a claim (the scheduler's VolumeRestrictions).

Only disks that stand inline in pods are compared; one behind a claim is the claim's business. Rule: the reference of
the four sources in "Volumes" of the Kubernetes documentation, and ReadWriteOncePod in "Persistent Volumes".
"""

from typing import Final

from model.volumes import DiskSources, PersistentVolumeClaim

ONE_POD_ONLY: Final = "ReadWriteOncePod"


def disks(source: DiskSources) -> tuple[str, ...]:
    """What to look a source up by: two that conflict have a name in common. An RBD image has one per monitor."""
    if source.gce_persistent_disk:
        return (f"gce/{source.gce_persistent_disk.pd_name}",)
    if source.aws_elastic_block_store:
        return (f"ebs/{source.aws_elastic_block_store.volume_id}",)
    if source.iscsi:
        return (f"iscsi/{source.iscsi.iqn}",)
    if source.rbd:
        return tuple(f"rbd/{source.rbd.pool}/{source.rbd.image}@{each}" for each in source.rbd.monitors or ())
    return ()


def conflict(one: DiskSources, other: DiskSources) -> bool:
    """Whether two pods with these inline sources can not be on one node."""
    if set(disks(one)).isdisjoint(disks(other)):
        return False
    return one.aws_elastic_block_store is not None or not (_read_only(one) and _read_only(other))


def is_exclusive(claim: PersistentVolumeClaim) -> bool:
    """Whether one pod alone may use the claim, in the whole cluster."""
    return ONE_POD_ONLY in claim.access_modes


def _read_only(source: DiskSources) -> bool:
    disk = source.gce_persistent_disk or source.iscsi or source.rbd
    return disk is not None and disk.read_only
