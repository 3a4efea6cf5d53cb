"""persistentvolume-expander-controller: tells for whom growing claims wait, and gives FlexVolumes their new size."""

from typing import Final

from controllers.expander.decide import decide, wakes
from controllers.expander.execute import execute
from controllers.runtime import Context, Loop
from model.resources import CLAIMS, VOLUMES
from model.volumes import ClaimPhase, PersistentVolumeClaim

QUEUE: Final = "volume_expand"
COMPONENT: Final = "volume_expand"
"""Who reports its events."""
WORKERS: Final = 10
CACHES: Final = (CLAIMS, VOLUMES)


class Expander:
    """Keys are those of claims."""

    def __init__(self, context: Context) -> None:
        self._writer = context.writer
        self._recorder = context.recorder(COMPONENT)
        self._claims, self._volumes = context.caches.claims, context.caches.volumes
        self._queue = context.queue(QUEUE)
        self._claims.subscribe(self._on_claim)
        self.loops = (Loop(QUEUE, self._queue, self._reconcile, WORKERS),)

    async def _reconcile(self, key: str) -> None:
        claim = self._claims.get(key)
        if claim is not None and claim.status.phase == ClaimPhase.BOUND:
            volume = self._volumes.get(claim.spec.volume_name)
            await execute(decide(claim, volume), self._writer, self._recorder)

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is not None and wakes(old, new):
            self._queue.add(new.key)
