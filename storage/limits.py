"""How many volumes a node may hold, and what counts against it.

A slot is one volume of one driver on a node, however many pods share it. An unbound claim takes a slot of the driver
that its class names, since the volume will be made by it. Rules: "Node-specific Volume Limits" of the Kubernetes
documentation and the NodeVolumeLimits scheduler plugin.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from model.csi import CSIDriver, CSINode, VolumeAttachment
from model.volumes import DiskSources, PersistentVolume, PersistentVolumeClaim, StorageClass
from storage.translation import BY_PROVISIONER, TranslationError, csi_source, plugin_of

UNBOUND: Final = "\0"
"""Begins the handle of a volume that is not made yet, followed by its claim: no driver gives handles with a NUL."""

Slots = Mapping[str, str]
"""Volumes by their key `driver/handle`, each with its driver."""


@dataclass(frozen=True)
class Overfull:
    """A driver that would exceed its limit: `used` slots are taken and `wanted` more are asked for."""

    driver: str
    limit: int
    used: int
    wanted: int


def limits(csi_node: CSINode | None) -> dict[str, int]:
    """The number of volumes per driver that the node takes. A driver without an entry is unlimited."""
    drivers = (csi_node.spec.drivers or ()) if csi_node else ()
    return {
        driver.name: driver.allocatable.count
        for driver in drivers
        if driver.allocatable is not None and driver.allocatable.count is not None
    }


def claim_slot(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume | None,
    storage_class: StorageClass | None,
    *,
    migrated: bool,
) -> tuple[str, str] | None:
    """Key and driver of the slot that a claim takes; None for volumes that need none.

    `volume` is the one that the claim names, `storage_class` the object of its class, each None where there is none;
    `migrated` says whether the node serves in-tree volumes through CSI (it has a CSINode).
    """
    if claim.spec.volume_name and volume is not None:
        return _volume_slot(volume, migrated=migrated)
    return _class_slot(claim, storage_class, migrated=migrated)


def inline_slot(source: DiskSources, *, migrated: bool) -> tuple[str, str] | None:
    """Key and driver of the slot that an inline source of a pod takes, if it takes one.

    Raises:
        TranslationError: the node serves the source through CSI, but the driver can not name it.
    """
    if not migrated or plugin_of(source) is None:
        return None
    csi = csi_source(source)
    return key(csi.driver, csi.volume_handle), csi.driver


def attachment_slot(attachment: VolumeAttachment, volume: PersistentVolume | None) -> tuple[str, str] | None:
    """Key and driver of the slot that an attachment holds. `volume`: the one it names, if that exists.

    Whether it is attached already, or being detached, does not matter. Inline sources and in-tree volumes do not count.
    """
    attacher = attachment.spec.attacher
    if not attacher or attachment.spec.source.persistent_volume_name is None or volume is None or not volume.spec.csi:
        return None
    return key(attacher, volume.spec.csi.volume_handle), attacher


def used(present: Slots, attached: Slots) -> Counter[str]:
    """Slots taken per driver: the volumes of the node's pods, and what is attached without a pod."""
    return Counter({**attached, **present}.values())


def overfull(limit: Mapping[str, int], taken: Mapping[str, int], new: Slots) -> tuple[Overfull, ...]:
    """The drivers whose limit the new volumes would exceed. Volumes that pods of the node use already are not new."""
    wanted = Counter(new.values())
    return tuple(
        Overfull(driver, limit[driver], taken.get(driver, 0), count)
        for driver, count in wanted.items()
        if driver in limit and taken.get(driver, 0) + count > limit[driver]
    )


def must_be_registered(driver: CSIDriver | None) -> bool:
    """Whether pods with this driver's volumes wait for nodes that have registered it."""
    return driver is not None and bool(driver.spec.prevent_pod_scheduling_if_missing)


def key(driver: str, handle: str) -> str:
    """What makes two volumes one: driver and handle."""
    return f"{driver}/{handle}"


def _volume_slot(volume: PersistentVolume, *, migrated: bool) -> tuple[str, str] | None:
    csi = volume.spec.csi
    if csi is None:
        if not migrated or plugin_of(volume.spec) is None:
            return None
        try:
            csi = csi_source(volume.spec, volume.labels)
        except TranslationError:
            return None
    return (key(csi.driver, csi.volume_handle), csi.driver) if csi.driver and csi.volume_handle else None


def _class_slot(
    claim: PersistentVolumeClaim, storage_class: StorageClass | None, *, migrated: bool
) -> tuple[str, str] | None:
    if storage_class is None or not storage_class.provisioner:
        return None
    driver = storage_class.provisioner
    plugin = BY_PROVISIONER.get(driver)
    if plugin is not None:
        if not (migrated and plugin.attachable):
            return None
        driver = plugin.driver
    return key(driver, f"{UNBOUND}{claim.key}"), driver
