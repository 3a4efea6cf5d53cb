"""Whether a volume is to get other attributes, and those of which class. Pure.

What the claim asks for may change while a change is under way. One of which nobody knows how it ended is driven to its
end before another class is tried. Rule: "Volume Attributes Classes" in the Kubernetes documentation, as the
external-resizer plays it.
"""

from dataclasses import dataclass
from enum import StrEnum

from controllers.csi.conditions import holds_true
from controllers.csi.memory import Memory
from model.names import MODIFY_SECRET_NAME, MODIFY_SECRET_NAMESPACE
from model.secrets import SecretReference
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim


class Status(StrEnum):
    """How far a change is: status.modifyVolumeStatus.status of a claim."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    INFEASIBLE = "Infeasible"


class Condition(StrEnum):
    """The conditions of a claim that tell of a change."""

    MODIFYING = "ModifyingVolume"
    ERROR = "ModifyVolumeError"


@dataclass(frozen=True)
class Nothing:
    """There is nothing to change, or it is another's to do."""


@dataclass(frozen=True)
class NotThere:
    """The claim's volume is not there: to be looked at again."""

    why: str


@dataclass(frozen=True)
class GiveUp:
    """Nothing is asked for any more, and nothing is under way: say so."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True)
class Slowly:
    """Try again after a long while: the driver can not, and nobody has asked for another class."""


@dataclass(frozen=True)
class Modify:
    """Give the volume the attributes of a class."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume
    class_name: str
    anew: bool
    """Whether it is what the claim asks for now, and not what is under way already."""


Action = Nothing | NotThere | GiveUp | Slowly | Modify


def decide(claim: PersistentVolumeClaim, volume: PersistentVolume | None, driver: str, memory: Memory) -> Action:
    """What to do about a claim; `volume` is the one that it names."""
    if not wants_change(claim):
        return Nothing()
    if volume is None:
        return NotThere(f"there is no volume {claim.spec.volume_name!r}")
    if volume.spec.csi is None or volume.spec.csi.driver != driver or not volume.belongs_to(claim):
        return Nothing()
    wanted, under_way = wanted_class(claim), claim.status.modify_volume_status
    target = under_way.target_volume_attributes_class_name if under_way else ""
    in_progress = under_way is not None and under_way.status == Status.IN_PROGRESS and bool(target)
    if in_progress and (not memory.failed_for_good or not wanted):
        return Modify(claim, volume, target, anew=False)
    if not wanted:
        return GiveUp(claim) if holds_true(claim.status.conditions, Condition.MODIFYING) else Nothing()
    if memory.infeasible and target == wanted:
        return Slowly()
    return Modify(claim, volume, wanted, anew=True)


def wants_change(claim: PersistentVolumeClaim) -> bool:
    """Whether a claim has a volume, and a change is asked for or not brought to its end."""
    if claim.status.phase != ClaimPhase.BOUND or not claim.spec.volume_name:
        return False
    current = claim.status.current_volume_attributes_class_name or ""
    return claim.status.modify_volume_status is not None or wanted_class(claim) != current


def wanted_class(claim: PersistentVolumeClaim) -> str:
    """The class that the claim asks for; "" where it does not care."""
    return claim.spec.volume_attributes_class_name or ""


def secret_of(volume: PersistentVolume) -> SecretReference | None:
    """The secret of the call."""
    name, namespace = (volume.annotations.get(key, "") for key in (MODIFY_SECRET_NAME, MODIFY_SECRET_NAMESPACE))
    return SecretReference(namespace, name) if name and namespace else None


def wakes(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim) -> bool:
    """Whether a change of a claim is worth a look; what we ourselves write of our progress is not."""
    return old is None or _facts(old) != _facts(new)


def _facts(claim: PersistentVolumeClaim) -> tuple[str, str, str, bool]:
    return claim.status.phase, claim.spec.volume_name, wanted_class(claim), claim.status.modify_volume_status is None
