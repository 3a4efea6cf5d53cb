"""The claims that wait for a volume, in the order in which a new one is offered to them: the smallest wish first."""

from bisect import bisect_left, insort
from typing import Final

from controllers.binding.free import Kind, Modes, kind_of
from model import names
from model.quantity import QuantityError
from model.volumes import PersistentVolume, PersistentVolumeClaim
from storage.binding import suits, takeable

Order = tuple[int, str, str]
"""Requested size, age, key: who comes first, of claims that wait together."""

_NEVER: Final = "Z"


def waits(claim: PersistentVolumeClaim) -> bool:
    """Whether the binder is to find a volume for the claim."""
    if claim.spec.volume_name or names.BIND_COMPLETED in claim.annotations:
        return False
    try:
        return claim.requested_nanos >= 0
    except QuantityError:
        return False


def order_of(claim: PersistentVolumeClaim) -> Order:
    """Where the claim stands among those that wait."""
    return (claim.requested_nanos, claim.metadata.creation_timestamp or _NEVER, claim.key)


class WaitingClaims:
    """Claims without a volume that none has been found for."""

    def __init__(self) -> None:
        self._claims: dict[str, PersistentVolumeClaim] = {}
        self._lines: dict[Kind, dict[Modes, list[Order]]] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def get(self, key: str) -> PersistentVolumeClaim | None:
        """The claim, if it waits."""
        return self._claims.get(key)

    def put(self, key: str, claim: PersistentVolumeClaim | None) -> bool:
        """This is how a claim is now; whether it waits."""
        self.take(key)
        if claim is None or not waits(claim):
            return False
        self._claims[key] = claim
        insort(self._lines.setdefault(kind_of(claim), {}).setdefault(claim.access_modes, []), order_of(claim))
        return True

    def take(self, key: str) -> None:
        """The claim does not wait any more."""
        claim = self._claims.pop(key, None)
        if claim is None:
            return
        kind, order = kind_of(claim), order_of(claim)
        lines = self._lines[kind]
        line = lines[claim.access_modes]
        del line[bisect_left(line, order)]
        if not line:
            del lines[claim.access_modes]
        if not lines:
            del self._lines[kind]

    def choose(self, volume: PersistentVolume) -> PersistentVolumeClaim | None:
        """The claim that gets a volume which has become free: the smallest wish, of equal ones the pickiest."""
        best: tuple[int, int, str, PersistentVolumeClaim] | None = None
        for modes, line in self._lines.get(kind_of(volume), {}).items():
            claim = self._first(volume, line) if modes <= volume.access_modes else None
            if claim is not None:
                size, age, _ = order_of(claim)
                rank = (size, -len(modes), age, claim)
                best = rank if best is None or rank[:3] < best[:3] else best
        return best[3] if best else None

    def _first(self, volume: PersistentVolume, line: list[Order]) -> PersistentVolumeClaim | None:
        for size, _, key in line:
            if size > volume.capacity_nanos:
                return None
            claim = self._claims[key]
            if suits(volume, claim) and takeable(volume, claim):
                return claim
        return None
