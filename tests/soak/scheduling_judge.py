"""What must never be, looked for all the time.

Watches of pods, claims and volumes are not in step, so what is wrong for a moment may be so in our eyes alone: it is
told once it has been wrong for longer than a watch lags, and less long than a pod runs.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from kube.caches import Caches
from tests.scheduling_live.cluster import faults
from tests.soak.scheduling_cluster import HOLDS, LIMITS, Driver

LAG_SECONDS: Final = 2.0


class Judge:
    """Looks on."""

    def __init__(self, caches: Caches, driver: Driver) -> None:
        self._caches = caches
        self._driver = driver
        self._since: dict[str, float] = {}
        self.violations: list[str] = []
        self.looks = 0

    async def run(self) -> None:
        """For ever."""
        while True:
            self._look(time.monotonic())
            await asyncio.sleep(0.25)

    def _look(self, now: float) -> None:
        self.looks += 1
        wrong = set(self._wrong())
        self._since = {each: self._since.get(each, now) for each in wrong}
        told = (each for each, since in self._since.items() if now - since >= LAG_SECONDS)
        self.violations += (each for each in told if each not in self.violations)

    def _wrong(self) -> Iterator[str]:
        # A pod that names its node itself is there before its volumes.
        yield from (each for each in faults(self._caches, LIMITS) if not each.startswith("pod soak/adopted-"))
        users = Counter[str]()
        for pod in self._caches.pods.values():
            for volume in pod.volumes if pod.spec.node_name else ():
                claim = self._caches.claims.get(f"{pod.namespace}/{pod.claim_name(volume)}")
                if claim is not None and "ReadWriteOncePod" in claim.access_modes:
                    users[claim.key] += 1
        yield from (f"claim {key} has {count} pods" for key, count in users.items() if count > 1)
        for zone, holds in HOLDS.items():
            if (taken := self._driver.taken(zone)) > holds:
                yield f"pool {zone} holds {holds}Gi, and {taken}Gi are placed on it"
