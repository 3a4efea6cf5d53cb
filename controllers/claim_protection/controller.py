"""persistentvolumeclaim-protection-controller: claims stay while pods use them."""

from collections.abc import Sequence
from typing import Final

from controllers.claim_protection.decide import decide, marked_unused, may_free
from controllers.claim_protection.execute import execute
from controllers.claim_protection.live import LivePods
from controllers.finalizers import holds_up, wants
from controllers.runtime import Context, Loop
from model.names import CLAIM_PROTECTION
from model.resources import CLAIMS, PODS
from model.volumes import ClaimPhase, PersistentVolumeClaim
from model.workloads import Pod

QUEUE: Final = "pvcprotection"
WORKERS: Final = 4
"""A namespace that is deleted takes many claims along."""
CACHES: Final = (CLAIMS, PODS)

_GOING: Final = "going"
"""The index of claims that wait for us to go, by namespace."""


class ClaimProtection:
    """Keys are those of claims."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._marks_unused = context.settings.marks_unused
        self._writer = context.writer
        self._claims, self._pods = context.caches.claims, context.caches.pods
        self._claims.add_index(_GOING, _going)
        self._live = LivePods(self._list_pods, lambda namespace: self._claims.by(_GOING, namespace))
        self._queue = context.queue(QUEUE)
        self._claims.subscribe(self._on_claim)
        self._pods.subscribe(self._on_pod)
        self.loops = (Loop(QUEUE, self._queue, self._reconcile, WORKERS),)

    async def _reconcile(self, key: str) -> None:
        claim = self._claims.get(key)
        if claim is not None:
            action = decide(claim, self._pods.by("claim", key), marks_unused=self._marks_unused)
            await execute(action, self._writer, self._live)

    async def _list_pods(self, namespace: str) -> Sequence[Pod]:
        return await self._client.list(PODS, namespace)

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is None:
            return
        bound = new.status.phase == ClaimPhase.BOUND
        news = marked_unused(new) is None or old is None or old.status.phase != ClaimPhase.BOUND
        if (self._marks_unused and bound and news) or wants(new, CLAIM_PROTECTION) or holds_up(new, CLAIM_PROTECTION):
            self._queue.add(new.key)

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        if pod is None or not (new is None or may_free(new) or (old is None and self._marks_unused)):
            return
        for volume in pod.volumes:
            name = pod.claim_name(volume)
            if name is not None:
                self._queue.add(f"{pod.namespace}/{name}")


def _going(claim: PersistentVolumeClaim) -> tuple[str, ...]:
    return (claim.namespace,) if holds_up(claim, CLAIM_PROTECTION) else ()
