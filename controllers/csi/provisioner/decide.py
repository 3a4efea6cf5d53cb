"""Whether it is this driver's turn: for a claim to be given a volume, for a volume to be held or to be deleted. Pure.

Rule: external-provisioner and the library beneath it.
"""

from dataclasses import dataclass
from enum import Enum, auto

from controllers.finalizers import holds, wants
from controllers.migration import driver_of, expected_provisioner
from model import names
from model.meta import ObjectReference
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass, VolumePhase


@dataclass(frozen=True)
class Nothing:
    """Somebody else's, not yet, or done."""


@dataclass(frozen=True)
class Refuse:
    """This will never be made, as it is asked for."""

    why: str


@dataclass(frozen=True)
class Later:
    """What is needed is not there yet."""

    why: str


@dataclass(frozen=True)
class Make:
    """Make a volume by this class."""

    storage_class: StorageClass


Turn = Nothing | Refuse | Later | Make


def volume_name(prefix: str, claim_uid: str) -> str:
    """The name of a claim's volume: made of its UID, so that making it twice is making it once."""
    return f"{prefix}-{claim_uid}"


def is_asked(claim: PersistentVolumeClaim, driver: str) -> bool:
    """Whether the claim waits for a volume of the driver, as far as it tells itself."""
    asked = driver in (expected_provisioner(claim), claim.annotations.get(names.MIGRATED_TO))
    return asked and not claim.spec.volume_name and not claim.deleting


def turn(claim: PersistentVolumeClaim, storage_class: StorageClass | None, driver: str) -> Turn:
    """What to do about a claim whose volume is not there."""
    if not is_asked(claim, driver):
        return Nothing()
    if storage_class is None:
        return Later(f"storage class {claim.storage_class!r} not found")
    if storage_class.provisioner != driver:
        if driver_of(storage_class.provisioner) != driver:
            return Nothing()
        return Refuse(
            f"class {storage_class.name} names the in-tree plugin {storage_class.provisioner}: "
            f"no volumes of that kind are made any more, make a class with provisioner {driver}"
        )
    if storage_class.waits_for_consumer and not claim.selected_node:
        return Nothing()
    if claim.spec.selector is not None:
        return Refuse("a volume that is made has no labels: a claim with a selector gets none")
    return Make(storage_class)


class Fate(Enum):
    """What is to be done about a volume."""

    NOTHING = auto()
    HOLD = auto()
    """Put our finalizer on, so that it stays until its storage is deleted."""
    LET_GO = auto()
    """Take our finalizer off."""
    DESTROY = auto()
    """Delete the storage, then the volume."""


def fate(volume: PersistentVolume, driver: str) -> Fate:
    """What the driver's provisioner is to do about a volume."""
    if not _answers_for(volume, driver):
        return Fate.NOTHING
    held = holds(volume, names.EXTERNAL_PROVISIONER)
    if volume.spec.persistent_volume_reclaim_policy != "Delete":
        return Fate.LET_GO if held else Fate.NOTHING
    if volume.status.phase == VolumePhase.BOUND and wants(volume, names.EXTERNAL_PROVISIONER):
        return Fate.HOLD
    released = volume.status.phase == VolumePhase.RELEASED
    return Fate.DESTROY if released and (held or not volume.deleting) else Fate.NOTHING


def _answers_for(volume: PersistentVolume, driver: str) -> bool:
    """Whether the volume's storage is the driver's to delete; one that somebody wrote by hand, too."""
    maker, heir = volume.annotations.get(names.PROVISIONED_BY), volume.annotations.get(names.MIGRATED_TO)
    if maker:
        return driver in (maker, heir)
    return heir == driver or (volume.spec.csi is not None and volume.spec.csi.driver == driver)


@dataclass(frozen=True)
class Key:
    """A claim's key in our queue, with its UID: a claim of the same name that comes later is another one."""

    namespace: str
    name: str
    uid: str

    @classmethod
    def read(cls, text: str) -> "Key":
        """From its text."""
        return cls(*text.split("/"))

    @classmethod
    def of(cls, claim: PersistentVolumeClaim) -> "Key":
        """A claim's."""
        return cls(claim.namespace, claim.name, claim.uid)

    @classmethod
    def to(cls, reference: ObjectReference) -> "Key":
        """That of the claim which a claimRef means."""
        return cls(reference.namespace, reference.name, reference.uid)

    @property
    def claim(self) -> str:
        """The key of the cache."""
        return f"{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}/{self.uid}"
