"""What the binder can do about a claim or a volume: one of these a pass."""

from dataclasses import dataclass
from typing import Literal

from controllers.reclaim import Reclaim
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim, VolumePhase


@dataclass(frozen=True)
class Said:
    """An event: its type, reason and message."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Nothing:
    """All is as it should be, or somebody else's turn."""


# --- about a claim ---


@dataclass(frozen=True)
class Bind:
    """Join the two, or mend what is missing of their link."""

    claim: PersistentVolumeClaim
    volume: PersistentVolume


@dataclass(frozen=True)
class Unsettle:
    """Let the claim be Pending or Lost, and say why."""

    claim: PersistentVolumeClaim
    phase: Literal[ClaimPhase.PENDING, ClaimPhase.LOST]
    said: Said | None


@dataclass(frozen=True)
class AssignClass:
    """Give the claim the default class."""

    claim: PersistentVolumeClaim
    storage_class: str


@dataclass(frozen=True)
class HandOver:
    """Ask a provisioner to make a volume for the claim; `said` is repeated at every pass."""

    claim: PersistentVolumeClaim
    provisioner: str
    said: Said | None


@dataclass(frozen=True)
class Tell:
    """Say why nothing is done about the claim."""

    claim: PersistentVolumeClaim
    said: Said


@dataclass(frozen=True)
class Broken:
    """The claim is in a state that no program should have brought about."""

    claim: PersistentVolumeClaim
    said: Said


ClaimAction = Nothing | Bind | Unsettle | AssignClass | HandOver | Tell | Broken


# --- about a volume ---


@dataclass(frozen=True)
class SetPhase:
    """Let the volume be Available or Bound."""

    volume: PersistentVolume
    phase: Literal[VolumePhase.AVAILABLE, VolumePhase.BOUND]


@dataclass(frozen=True)
class LookAtClaim:
    """The volume is for a claim that does not know it yet: the claim's pass binds them."""

    key: str


@dataclass(frozen=True)
class TellBoth:
    """The two can not be joined: say so about both."""

    volume: PersistentVolume
    about_volume: Said
    claim: PersistentVolumeClaim
    about_claim: Said


@dataclass(frozen=True)
class Unbind:
    """Take back what the binder wrote; what the user wrote becomes a reservation again."""

    volume: PersistentVolume


@dataclass(frozen=True)
class Release:
    """The claim is gone: Released, unless it was before, and then what the policy asks."""

    volume: PersistentVolume
    reclaim: Reclaim


VolumeAction = Nothing | SetPhase | LookAtClaim | TellBoth | Unbind | Release
