"""csi-resizer: what it watches, what its keys are, and one pass over each.

Its keys are those of claims. persistentvolume-expander-controller only says that the driver's resizer is waited for,
and for volumes of in-tree plugins that a driver took over, which one that is; all the rest of growing is done here.
"""

from collections.abc import Iterable
from typing import Final

import structlog

from controllers.csi.attempts import Attempts
from controllers.csi.context import SidecarContext
from controllers.csi.races import lost
from controllers.csi.resizer.decide import Resizer, Slowly, decide, serves, wakes, wants_more
from controllers.csi.resizer.execute import Executor
from controllers.csi.resizer.expansion import Expansion
from controllers.references import claim_key
from controllers.runtime import Loop
from kube.cache import Cache
from model.resources import PODS
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Pod

log = structlog.get_logger()

QUEUE: Final = "csi-resizer"
COMPONENT: Final = "external-resizer {driver}"
"""Who reports its events."""


class CsiResizer:
    """The controller."""

    def __init__(self, context: SidecarContext) -> None:
        base, driver, settings = context.base, context.driver, context.settings
        self._claims: Cache[PersistentVolumeClaim] = base.caches.claims
        self._volumes: Cache[PersistentVolume] = base.caches.volumes
        self._pods: Cache[Pod] | None = base.caches.pods if PODS in base.caches else None
        first, longest = settings.backoff_seconds
        self._queue = base.queue(QUEUE, base_seconds=first, max_seconds=longest)
        self._attempts = Attempts(longest)
        expansion = Expansion(driver, context.secrets, settings.default_fs_type)
        self._who = Resizer(driver.name, expansion.in_controller)
        recorder = base.recorder(COMPONENT.format(driver=driver.name))
        self._executor = Executor(base.writer, recorder, expansion, self._attempts)
        self.loops: tuple[Loop, ...] = ()
        if not expansion.in_controller and not expansion.on_node:
            log.warning("driver grows no volumes, so none are grown", driver=driver.name)
            return
        self._claims.subscribe(self._on_claim)
        self._volumes.subscribe(self._on_volume)
        if self._pods is not None:
            self._pods.subscribe(self._on_pod)
        workers, resync = settings.resize_workers, settings.resync_seconds
        self.loops = (Loop(QUEUE, self._queue, self._reconcile, workers, self._growing, resync),)

    async def _reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or not wants_more(claim):
            return None
        memory = self._attempts.of(claim, used=self._is_used(key))
        action = decide(claim, self._volumes.get(claim.spec.volume_name), self._who, memory)
        if isinstance(action, Slowly):
            return self._attempts.rest_seconds(claim)
        return await lost(self._executor.execute(action))

    def _is_used(self, key: str) -> bool:
        return self._pods is not None and any(not pod.over for pod in self._pods.by("claim", key))

    # --- what happens ---

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is None:
            if old is not None:
                self._attempts.forget(old)
        elif wants_more(new) and wakes(old, new):
            self._queue.add(new.key)

    def _on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is None or (old is not None and old.spec.claim_ref == new.spec.claim_ref):
            return
        claim = self._claims.get(claim_key(new))
        if claim is not None and wants_more(claim):
            self._queue.add(claim.key)

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        if pod is None or (new is not None and not new.over):
            return
        for volume in pod.volumes:
            name = pod.claim_name(volume)
            claim = self._claims.get(f"{pod.namespace}/{name}") if name else None
            if claim is not None and self._attempts.waits_for_pods(claim):
                self._queue.add(claim.key)

    # --- resync ---

    def _growing(self) -> Iterable[str]:
        waiting = [each for each in self._claims.values() if wants_more(each) and self._is_ours(each)]
        return [each.key for each in waiting if not self._queue.failures(each.key)]

    def _is_ours(self, claim: PersistentVolumeClaim) -> bool:
        volume = self._volumes.get(claim.spec.volume_name)
        return volume is not None and serves(claim, volume, self._who.driver)
