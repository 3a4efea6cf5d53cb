"""csi-modifier: what it watches, what its keys are, and one pass over each. Its keys are those of claims."""

from collections.abc import Iterable
from typing import Final

from controllers.csi.attempts import Attempts
from controllers.csi.context import SidecarContext
from controllers.csi.modifier.decide import Slowly, decide, wakes, wants_change
from controllers.csi.modifier.execute import Executor
from controllers.csi.races import lost
from controllers.csi.resizer.controller import COMPONENT
from controllers.runtime import Loop
from kube.cache import Cache
from model.volumes import PersistentVolume, PersistentVolumeClaim

QUEUE: Final = "csi-modifier"


class Modifier:
    """The controller. Its events are the external-resizer's, which does this for other drivers."""

    def __init__(self, context: SidecarContext) -> None:
        base, driver, settings = context.base, context.driver, context.settings
        self._driver = driver.name
        self._claims: Cache[PersistentVolumeClaim] = base.caches.claims
        self._volumes: Cache[PersistentVolume] = base.caches.volumes
        first, longest = settings.backoff_seconds
        self._queue = base.queue(QUEUE, base_seconds=first, max_seconds=longest)
        self._attempts = Attempts(longest)
        recorder = base.recorder(COMPONENT.format(driver=driver.name))
        self._executor = Executor(
            base.client,
            base.writer,
            recorder,
            context.secrets,
            driver.controller,
            driver.name,
            self._attempts,
            tells_names=settings.extra_modify_metadata,
        )
        self._claims.subscribe(self._on_claim)
        workers, resync = settings.resize_workers, settings.resync_seconds
        self.loops = (Loop(QUEUE, self._queue, self._reconcile, workers, self._changing, resync),)

    async def _reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or not wants_change(claim):
            return None
        memory = self._attempts.of(claim, used=False)
        action = decide(claim, self._volumes.get(claim.spec.volume_name), self._driver, memory)
        if isinstance(action, Slowly):
            return self._attempts.rest_seconds(claim)
        return await lost(self._executor.execute(action))

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is None:
            if old is not None:
                self._attempts.forget(old)
        elif wants_change(new) and wakes(old, new):
            self._queue.add(new.key)

    def _changing(self) -> Iterable[str]:
        waiting = [each.key for each in self._claims.values() if wants_change(each)]
        return [each for each in waiting if not self._queue.failures(each)]
