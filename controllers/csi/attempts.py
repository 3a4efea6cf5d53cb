"""What is remembered of attempts to grow or change volumes: by claims' UIDs, for as long as the process lives."""

import time
from collections.abc import Callable

from controllers.csi.memory import Memory
from model.volumes import PersistentVolumeClaim
from plugins.errors import InDoubt, PluginError, StillInUse


class Attempts:
    """The last attempt of each claim whose volume could not be grown or changed."""

    def __init__(self, slow_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`slow_seconds` is how long what can never be is let rest."""
        self._slow_seconds = slow_seconds
        self._clock = clock
        self._failed: set[str] = set()
        self._in_use: set[str] = set()
        self._rests_until: dict[str, float] = {}

    def failed(self, claim: PersistentVolumeClaim, error: PluginError, *, infeasible: bool) -> None:
        """The driver was asked and did not do it, or it is in doubt whether it did."""
        self.forget(claim)
        if not isinstance(error, InDoubt):
            self._failed.add(claim.uid)
        if isinstance(error, StillInUse):
            self._in_use.add(claim.uid)
        if infeasible:
            self._rests_until[claim.uid] = self._clock() + self._slow_seconds

    def forget(self, claim: PersistentVolumeClaim) -> None:
        """It is done, or the claim is gone."""
        self._failed.discard(claim.uid)
        self._in_use.discard(claim.uid)
        self._rests_until.pop(claim.uid, None)

    def waits_for_pods(self, claim: PersistentVolumeClaim) -> bool:
        """Whether the driver answered that the volume is in use."""
        return claim.uid in self._in_use

    def rest_seconds(self, claim: PersistentVolumeClaim) -> float:
        """How long it is let rest yet; 0 where it is not."""
        return max(self._rests_until.get(claim.uid, 0.0) - self._clock(), 0.0)

    def of(self, claim: PersistentVolumeClaim, *, used: bool) -> Memory:
        """What counts for the next one. `used`: whether a pod uses the volume, as far as that matters."""
        return Memory(
            failed_for_good=claim.uid in self._failed,
            infeasible=self.rest_seconds(claim) > 0,
            in_use=used and self.waits_for_pods(claim),
        )
