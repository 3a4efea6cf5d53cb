"""The guard against a second binder: no object may have two owners.

Phases, and the mark that a claim is bound for good, are written by a binder alone. When one changes, and not by us, the
server is asked who did it; if it was kube-controller-manager, we stop writing, for good, and say so.
"""

from typing import Final

from controllers.binding.owners import OWNED_CLAIMS, OWNED_VOLUMES, STOCK, stock_binder_wrote_last
from controllers.runtime import Context, Loop
from kube.errors import NotFound
from kube.events import EventRecorder
from model import names
from model.meta import split_key
from model.resources import CLAIMS, VOLUMES
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim, VolumePhase

PATIENCE_SECONDS: Final = 1.0
"""How long an answer to a write of our own may come after the watch that shows it."""
WHY: Final = (
    f"{STOCK} binds volumes too: start it with --controllers=*,-persistentvolume-binder-controller (and without the "
    "others that run here), or run Lading without them; then restart this process"
)


class SecondBinder:
    """Watches for writes of another binder, from when `watch` is called."""

    def __init__(self, context: Context, recorder: EventRecorder) -> None:
        self._client = context.client
        self._writer = context.writer
        self._gate = context.gate
        self._recorder = recorder
        self._queue = context.queue("second-binder")
        self._guarded = context.settings.guarded
        self._watching = False
        self._suspects: dict[str, PersistentVolume | PersistentVolumeClaim] = {}
        context.caches.claims.subscribe(self._on_claim)
        context.caches.volumes.subscribe(self._on_volume)
        self.loop = Loop("second-binder", self._queue, self._reconcile)

    def watch(self) -> None:
        """We write from now on, and nobody else should."""
        self._watching = self._guarded

    async def _reconcile(self, key: str) -> float | None:
        suspect = self._suspects.pop(key, None)
        if suspect is None or self._writer.is_own(suspect):
            return None
        namespace, name = split_key(key)
        try:
            owned = await self._client.get(OWNED_CLAIMS if namespace else OWNED_VOLUMES, name, namespace)
        except NotFound:
            return None
        if stock_binder_wrote_last(owned.metadata.managed_fields or ()):
            self._gate.shut(f"{WHY} (seen on {key})")
            kind = CLAIMS if namespace else VOLUMES
            self._recorder.event(suspect, kind, "Warning", "SecondVolumeBinder", WHY)
        return None

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is None:
            return
        before = _claim_state(old) if old else (ClaimPhase.PENDING, False)
        if _claim_state(new) != before:
            self._suspect(new)

    def _on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is not None and new.status.phase != (old.status.phase if old else VolumePhase.PENDING):
            self._suspect(new)

    def _suspect(self, obj: PersistentVolume | PersistentVolumeClaim) -> None:
        if self._watching and not self._writer.is_own(obj):
            self._suspects[obj.key] = obj
            self._queue.add_after(obj.key, PATIENCE_SECONDS)


def _claim_state(claim: PersistentVolumeClaim) -> tuple[str, bool]:
    return (claim.status.phase, names.BIND_COMPLETED in claim.annotations)
