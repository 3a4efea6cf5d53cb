"""persistentvolume-protection-controller: volumes stay while they are Bound."""

from typing import Final

from controllers.finalizers import holds_up, wants
from controllers.runtime import Context, Loop
from controllers.volume_protection.decide import decide
from controllers.volume_protection.execute import execute
from model.names import VOLUME_PROTECTION
from model.resources import VOLUMES
from model.volumes import PersistentVolume

QUEUE: Final = "pvprotection"
CACHES: Final = (VOLUMES,)


class VolumeProtection:
    """Keys are the names of volumes."""

    def __init__(self, context: Context) -> None:
        self._writer = context.writer
        self._volumes = context.caches.volumes
        self._queue = context.queue(QUEUE)
        self._volumes.subscribe(self._on_volume)
        self.loops = (Loop(QUEUE, self._queue, self._reconcile),)

    async def _reconcile(self, key: str) -> None:
        volume = self._volumes.get(key)
        if volume is not None:
            await execute(decide(volume), self._writer)

    def _on_volume(self, _old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is not None and (wants(new, VOLUME_PROTECTION) or holds_up(new, VOLUME_PROTECTION)):
            self._queue.add(new.key)
