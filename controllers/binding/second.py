"""The guard against a second binder: no object may have two owners.

Phases, and the mark that a claim is bound for good, are written by a binder alone. When one changed, and not by us, the
server is asked who did it before we write to the object, which would blur the trace. If it was kube-controller-manager,
we stop writing, for good, and say so.
"""

from collections.abc import Sequence
from typing import Final

from controllers.binding.owners import OWNED_CLAIMS, OWNED_VOLUMES, STOCK, Owner, stock_binder_wrote_last
from controllers.runtime import Context
from kube.errors import NotFound
from kube.events import EventRecorder
from model import names
from model.meta import split_key
from model.resources import CLAIMS, VOLUMES
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim, VolumePhase

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
        self._guarded = context.settings.guarded
        self._watching = False
        self._suspects: dict[str, PersistentVolume | PersistentVolumeClaim] = {}
        context.caches.claims.subscribe(self._on_claim)
        context.caches.volumes.subscribe(self._on_volume)

    def watch(self) -> None:
        """We write from now on, and nobody else should."""
        self._watching = self._guarded

    async def check(self, key: str) -> None:
        """Make sure of an object before writing to it. To be called when no write of our own to it is under way.

        Raises:
            GateShut: another binder writes to it.
        """
        suspect = self._suspects.get(key)
        if suspect is None:
            return
        owners = () if self._writer.is_own(suspect) else await self._owners(key)
        if self._suspects.get(key) is suspect:
            del self._suspects[key]
        if stock_binder_wrote_last(owners):
            self._gate.shut(f"{WHY} (seen on {key})")
            kind = CLAIMS if isinstance(suspect, PersistentVolumeClaim) else VOLUMES
            self._recorder.event(suspect, kind, "Warning", "SecondVolumeBinder", WHY)
            self._gate.check()

    async def _owners(self, key: str) -> Sequence[Owner]:
        """Who wrote the object, as the server has it now."""
        namespace, name = split_key(key)
        try:
            owned = await self._client.get(OWNED_CLAIMS if namespace else OWNED_VOLUMES, name, namespace)
        except NotFound:
            return ()
        return owned.metadata.managed_fields or ()

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is None:
            if old is not None:
                self._suspects.pop(old.key, None)
            return
        before = _claim_state(old) if old else (ClaimPhase.PENDING, False)
        if _claim_state(new) != before:
            self._suspect(new)

    def _on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is None and old is not None:
            self._suspects.pop(old.key, None)
        elif new is not None and new.status.phase != (old.status.phase if old else VolumePhase.PENDING):
            self._suspect(new)

    def _suspect(self, obj: PersistentVolume | PersistentVolumeClaim) -> None:
        if self._watching and not self._writer.is_own(obj):
            self._suspects[obj.key] = obj


def _claim_state(claim: PersistentVolumeClaim) -> tuple[str, bool]:
    return (claim.status.phase, names.BIND_COMPLETED in claim.annotations)
