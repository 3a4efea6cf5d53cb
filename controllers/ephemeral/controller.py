"""ephemeral-volume-controller: makes the claims of pods with generic ephemeral volumes."""

from typing import Final

from controllers.ephemeral.decide import decide, wants_claims
from controllers.ephemeral.execute import Metrics, execute
from controllers.runtime import Context, Loop
from model.resources import CLAIMS, PODS
from model.volumes import PersistentVolumeClaim
from model.workloads import Pod

QUEUE: Final = "ephemeral_volume"
COMPONENT: Final = "ephemeral_volume"
"""Who reports its events."""
WORKERS: Final = 5
CACHES: Final = (PODS, CLAIMS)


class Ephemeral:
    """Keys are those of pods."""

    def __init__(self, context: Context) -> None:
        self._writer = context.writer
        self._recorder = context.recorder(COMPONENT)
        self._metrics = Metrics(context.registry)
        self._pods, self._claims = context.caches.pods, context.caches.claims
        self._queue = context.queue(QUEUE)
        self._pods.subscribe(self._on_pod)
        self._claims.subscribe(self._on_claim)
        self.loops = (Loop(QUEUE, self._queue, self._reconcile, WORKERS),)

    async def _reconcile(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is not None:
            actions = decide(pod, lambda name: self._claims.get(f"{pod.namespace}/{name}"))
            await execute(actions, self._writer, self._recorder, self._metrics)

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        # A pod's volumes never change: an update tells nothing new.
        if old is None and new is not None and wants_claims(new):
            self._queue.add(new.key)

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is None and old is not None:
            for pod in self._pods.by("claim", old.key):
                if wants_claims(pod):
                    self._queue.add(pod.key)
