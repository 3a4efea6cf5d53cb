"""Whether a claim's volume is to be grown, and to what size. Pure.

What the claim asks for may change while a growth is under way. One of which nobody knows how it ended is driven to its
end before another size is tried; one that has failed for good gives way to what the claim asks for now, be it less.
Rule: "Recovering from failure when expanding volumes" in the Kubernetes documentation, as external-resizer plays it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controllers.csi.conditions import holds_true
from controllers.csi.memory import Memory
from model import quantity
from model.names import NODE_EXPANSION_NOT_REQUIRED, STORAGE_RESIZER
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim, VolumeSpec
from storage.migrated import as_csi, driver_of
from storage.translation import TranslationError

STORAGE: Final = "storage"


class Status(StrEnum):
    """How far a growth is: status.allocatedResourceStatuses of a claim."""

    NONE = ""
    CONTROLLER_IN_PROGRESS = "ControllerResizeInProgress"
    CONTROLLER_INFEASIBLE = "ControllerResizeInfeasible"
    NODE_PENDING = "NodeResizePending"
    NODE_IN_PROGRESS = "NodeResizeInProgress"
    NODE_INFEASIBLE = "NodeResizeInfeasible"


class Condition(StrEnum):
    """The conditions of a claim that tell of growing."""

    RESIZING = "Resizing"
    FILE_SYSTEM_PENDING = "FileSystemResizePending"
    CONTROLLER_ERROR = "ControllerResizeError"
    NODE_ERROR = "NodeResizeError"


@dataclass(frozen=True)
class Resizer:
    """Who grows volumes."""

    driver: str
    expands: bool = True
    """Whether the driver does so itself; if not, all of it is the node's."""


@dataclass(frozen=True)
class Nothing:
    """There is nothing to grow, or it is another's to do."""


@dataclass(frozen=True)
class NotThere:
    """The claim's volume is not there: to be looked at again."""

    why: str


@dataclass(frozen=True)
class CannotGrow:
    """Say why, and try again."""

    claim: PersistentVolumeClaim
    why: str


@dataclass(frozen=True)
class InUse:
    """Say that it waits until no pod uses the volume."""

    claim: PersistentVolumeClaim


@dataclass(frozen=True)
class Slowly:
    """Try again after a long while: the driver can not, and nobody has asked for another size."""


@dataclass(frozen=True)
class Grow:
    """Grow the volume."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume
    spec: VolumeSpec
    """The volume as the driver's."""
    size: str
    anew: bool
    """Whether it is another size than that of the last attempt."""


Action = Nothing | NotThere | CannotGrow | InUse | Slowly | Grow


def decide(claim: PersistentVolumeClaim, volume: PersistentVolume | None, resizer: Resizer, memory: Memory) -> Action:
    """What to do about a claim; `volume` is the one that it names."""
    if not wants_more(claim):
        return Nothing()
    if volume is None:
        return NotThere(f"there is no volume {claim.spec.volume_name!r}")
    if not serves(claim, volume, resizer.driver) or not volume.belongs_to(claim):
        return Nothing()
    size = target(claim, volume, resizer, failed_for_good=memory.failed_for_good)
    if size is None:
        return Nothing()
    anew = allocated(claim) is None or quantity.nanos(size) != quantity.nanos(allocated(claim) or "0")
    if memory.in_use:
        return InUse(claim)
    if memory.infeasible and not anew:
        return Slowly()
    try:
        spec = as_csi(volume)
    except TranslationError as error:
        return CannotGrow(claim, str(error))
    return Grow(claim, volume, spec, size, anew)


def wants_more(claim: PersistentVolumeClaim) -> bool:
    """Whether a claim has a volume and asks for more than it has."""
    bound = claim.status.phase == ClaimPhase.BOUND and bool(claim.spec.volume_name)
    return bound and claim.requested_nanos > claim.capacity_nanos


def serves(claim: PersistentVolumeClaim, volume: PersistentVolume, driver: str) -> bool:
    """Whether the volume is the driver's: by its source or, of an in-tree plugin that it took over, by the claim."""
    if driver_of(volume) != driver:
        return False
    return volume.spec.csi is not None or claim.annotations.get(STORAGE_RESIZER) == driver


def target(
    claim: PersistentVolumeClaim, volume: PersistentVolume, resizer: Resizer, *, failed_for_good: bool = False
) -> str | None:
    """The size to grow to; None where the rest is the node's to do."""
    requested = (claim.spec.resources.requests or {})[STORAGE]
    before = allocated(claim) or requested
    enough = volume.capacity_nanos >= claim.requested_nanos
    match status(claim):
        case Status.NODE_PENDING | Status.NODE_IN_PROGRESS:
            done = enough or volume.capacity_nanos >= quantity.nanos(before)
            return None if done else before
        case Status.NODE_INFEASIBLE:
            return before if not enough or resizer.expands else requested
        case Status.CONTROLLER_IN_PROGRESS:
            return requested if failed_for_good and not enough else before
        case Status.CONTROLLER_INFEASIBLE:
            return before if enough else requested
        case _:
            return _target_of_unmarked(claim, requested, enough=enough)


def _target_of_unmarked(claim: PersistentVolumeClaim, requested: str, *, enough: bool) -> str | None:
    """The same where nothing says that a growth is under way."""
    if not enough:
        return requested
    if (before := allocated(claim)) is not None:
        return before
    return None if has_condition(claim, Condition.FILE_SYSTEM_PENDING) else requested


def allocated(claim: PersistentVolumeClaim) -> str | None:
    """The size of the last attempt."""
    return (claim.status.allocated_resources or {}).get(STORAGE)


def status(claim: PersistentVolumeClaim) -> str:
    """How far it is; "" where nothing is under way."""
    return (claim.status.allocated_resource_statuses or {}).get(STORAGE, Status.NONE)


def has_condition(claim: PersistentVolumeClaim, condition: Condition) -> bool:
    """Whether the claim has it, and it is true."""
    return holds_true(claim.status.conditions, condition)


def wakes(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim) -> bool:
    """Whether a change of a claim is worth a look; what we ourselves write of our progress is not."""
    if old is None or new.requested_nanos != old.requested_nanos or new.capacity_nanos > old.capacity_nanos:
        return True
    if status(new) != status(old) and status(new) in (Status.NONE, Status.NODE_INFEASIBLE):
        return True
    return _facts(new) != _facts(old)


def _facts(claim: PersistentVolumeClaim) -> tuple[str, str, str | None]:
    return claim.status.phase, claim.spec.volume_name, claim.annotations.get(STORAGE_RESIZER)


def needs_no_mark(grow: Grow) -> bool:
    """Whether the claim says already all that is to be said before the driver is asked."""
    claim = grow.claim
    return (
        not grow.anew
        and has_condition(claim, Condition.RESIZING)
        and NODE_EXPANSION_NOT_REQUIRED not in claim.annotations
    )
