"""Who gets which volume: the free ones on one side, those who wait on the other, and who has been promised what.

Claims that came together are matched together, the smallest first, so that none takes a volume that only a larger one
could not do without; for the same reason volumes that are about to be Available are waited for, for a moment. A volume
that becomes free is offered to the claims that wait for such a one. What is promised is out of the game until the
claim's pass has ended, which then shows what came of it: passes of different claims may so run side by side and never
want the same volume.

Decides only. Reads the objects as they are now through the functions it is given, and remembers names.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from operator import attrgetter

from controllers.binding.free import FreeVolumes, Kind, kind_of
from controllers.binding.waiting import WaitingClaims, order_of
from model.volumes import PersistentVolume, PersistentVolumeClaim, VolumePhase
from storage.binding import reserved_for, suits, takeable


class Matcher:
    """All matching of one binder. Claims go by key, volumes by name."""

    def __init__(
        self,
        *,
        claim: Callable[[str], PersistentVolumeClaim | None],
        volume: Callable[[str], PersistentVolume | None],
        reserved: Callable[[str], Iterable[PersistentVolume]],
        delays: Callable[[str], bool],
        wake: Callable[[str], None],
    ) -> None:
        """`reserved` gives the volumes whose claimRef has the claim's key.

        `delays` tells whether a class leaves its choice to whoever schedules; `wake` is told of a claim that a volume
        was promised to, and that is to be worked on.
        """
        self._claim = claim
        self._volume = volume
        self._reserved = reserved
        self._delays = delays
        self._wake = wake
        self._free = FreeVolumes()
        self._waiting = WaitingClaims()
        self._fresh: dict[Kind, set[str]] = {}
        """By kind: claims that came or changed and were not matched since; each is about to be worked on."""
        self._fresh_kinds: dict[str, Kind] = {}
        """The same by the claim's key."""
        self._offered: dict[Kind, set[str]] = {}
        """By kind: volumes that became free and that nobody was asked about since."""
        self._coming: dict[str, Kind] = {}
        """By name: volumes that their own pass is about to make Available."""
        self._awaited: Counter[Kind] = Counter()
        """How many of them are of a kind."""
        self._put_off: set[str] = set()
        """Claims that wait for those."""
        self._promised: dict[str, str] = {}
        """By the claim's key."""
        self._taken: dict[str, str] = {}
        """The same by the volume's name."""

    @property
    def has_offers(self) -> bool:
        """Whether a volume has become free that may be for somebody who waits."""
        return bool(self._offered)

    @property
    def waiting(self) -> int:
        """How many claims wait."""
        return len(self._waiting)

    def see_claim(self, key: str) -> None:
        """A claim was added, changed or deleted, and is about to be worked on."""
        claim = self._claim(key)
        if claim is None:
            self._put_off.discard(key)
        if key in self._promised:
            return
        self._age(key)
        if self._waiting.put(key, claim) and claim is not None:
            self._fresh.setdefault(kind_of(claim), set()).add(key)
            self._fresh_kinds[key] = kind_of(claim)

    def see_volume(self, name: str) -> None:
        """A volume was added, changed or deleted."""
        if name in self._taken:
            return
        volume = self._volume(name)
        self._await(name, volume)
        if self._free.put(name, volume) and volume is not None:
            self._offered.setdefault(kind_of(volume), set()).add(name)

    def puts_off(self, claim: PersistentVolumeClaim) -> bool:
        """Whether the claim is to be looked at again in a moment, as volumes alike are about to be there; only once."""
        put_off = claim.key in self._put_off
        self._put_off.discard(claim.key)
        if put_off or not self._awaited[kind_of(claim)] or self._delays(claim.storage_class):
            return False
        if claim.key in self._promised or any(self._reserved(claim.key)):
            return False
        self._put_off.add(claim.key)
        return True

    def choice(self, claim: PersistentVolumeClaim) -> PersistentVolume | None:
        """The volume for a claim that is being worked on, promised to it until `done`."""
        if claim.key in self._fresh.get(kind_of(claim), ()):
            self.match(kind_of(claim))
        name = self._promised.get(claim.key)
        volume = self._volume(name) if name else None
        reserved = volume is not None and any(each.name != name for each in self._reserved(claim.key))
        if volume is not None and not reserved and self._fits(volume, claim):
            return volume
        self._break(claim.key)
        return self._find(claim)

    def done(self, key: str) -> None:
        """The work on a claim has ended, well or not: look at what came of it."""
        self._break(key)
        if not self._waiting.put(key, self._claim(key)):
            self._age(key)

    def offer(self, *, at_once: bool = False) -> None:
        """Match what came together, of all kinds; those of which more is coming only if `at_once`."""
        for kind in [kind for kind in self._offered if at_once or not self._awaited[kind]]:
            self.match(kind)

    def match(self, kind: Kind) -> None:
        """Match what came together, of one kind."""
        keys = self._fresh.pop(kind, set())
        for key in keys:
            del self._fresh_kinds[key]
        came = (self._waiting.get(key) for key in keys)
        for claim in sorted((claim for claim in came if claim is not None), key=order_of):
            if self._find(claim) is not None and claim.key in self._put_off:
                self._wake(claim.key)
        offered = self._offered.pop(kind, ())
        if self._delays(kind[0]):
            return
        free = (self._free.get(name) for name in offered)
        for volume in sorted((volume for volume in free if volume is not None), key=attrgetter("capacity_nanos")):
            taker = self._waiting.choose(volume)
            if taker is not None:
                self._promise(taker.key, volume.name)
                self._wake(taker.key)

    def _age(self, key: str) -> None:
        """The claim is not fresh any more."""
        kind = self._fresh_kinds.pop(key, None)
        if kind is not None:
            self._fresh[kind].discard(key)
            if not self._fresh[kind]:
                del self._fresh[kind]

    def _find(self, claim: PersistentVolumeClaim) -> PersistentVolume | None:
        reserved = (volume for volume in self._reserved(claim.key) if volume.name not in self._taken)
        volume = self._free.choose(claim, reserved, delay_binding=self._delays(claim.storage_class))
        if volume is not None:
            self._promise(claim.key, volume.name)
        return volume

    def _await(self, name: str, volume: PersistentVolume | None) -> None:
        """Whether the volume is about to be Available: new, and nobody's."""
        before = self._coming.pop(name, None)
        if before is not None:
            self._awaited[before] -= 1
            if not self._awaited[before]:
                del self._awaited[before]
        if volume is None or volume.deleting or volume.spec.claim_ref is not None:
            return
        if volume.status.phase == VolumePhase.PENDING:
            self._coming[name] = kind_of(volume)
            self._awaited[kind_of(volume)] += 1

    def _promise(self, key: str, name: str) -> None:
        self._age(key)
        self._promised[key], self._taken[name] = name, key
        self._free.take(name)
        self._waiting.take(key)

    def _break(self, key: str) -> None:
        name = self._promised.pop(key, None)
        if name is not None:
            del self._taken[name]
            self.see_volume(name)

    def _fits(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
        """Whether a volume that was promised is still one for the claim, both as they are now."""
        if not suits(volume, claim) or not volume.access_modes >= claim.access_modes:
            return False
        if volume.spec.claim_ref is not None:
            return reserved_for(volume, claim)
        alike = takeable(volume, claim) and kind_of(volume) == kind_of(claim)
        return alike and not self._delays(claim.storage_class)
