"""persistentvolume-binder-controller: what it watches, what its keys are, and one pass over each.

Claims and volumes have a queue each. A pass over a claim may write to a volume; the volume's own pass stands back
meanwhile, so that the writes of one object are in order. Claims of different namespaces take turns.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final
from zlib import crc32

from controllers.binding.actions import Bind, ClaimAction
from controllers.binding.decide import ClaimFacts, asks_for_claim, decide_claim, decide_volume
from controllers.binding.execute import Executor
from controllers.binding.matcher import Matcher
from controllers.binding.metrics import UNKNOWN, Census, Metrics
from controllers.binding.recycle import Recycling
from controllers.binding.second import SecondBinder
from controllers.binding.waiting import waits
from controllers.claims import live_claim
from controllers.migration import claim_marks, volume_marks
from controllers.reclaim import reclaim_of
from controllers.references import claim_key
from controllers.runtime import Context, Loop
from kube.client import PatchType
from model import names
from model.meta import split_key
from model.resources import CLAIMS, CLASSES, PODS, VOLUMES
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim, StorageClass, VolumePhase
from storage.classes import default_class, is_default

CACHES: Final = (CLAIMS, VOLUMES, CLASSES, PODS)
COMPONENT: Final = "persistentvolume-controller"
"""Who reports the events, as in kube-controller-manager."""
RECYCLERS: Final = 4
"""Volumes that are emptied at a time."""


class Binder:
    """The controller. Keys are those of claims and volumes."""

    def __init__(self, context: Context) -> None:
        self._caches = context.caches
        self._client = context.client
        self._plugins = context.plugins
        self._settings = context.settings
        self._claims = context.queue("claims", lane=lambda key: split_key(key)[0])
        self._volumes = context.queue("volumes")
        first, longest = context.settings.plugin_backoff_seconds
        self._recycles = context.queue("recycle", base_seconds=first, max_seconds=longest)
        self._metrics = Metrics(context.registry)
        context.registry.register(Census(self._caches.volumes.values, self._caches.claims.values, self._plugin_of))
        recorder = context.recorder(COMPONENT)
        self._executor = Executor(
            context.writer, recorder, self._metrics, look_at_claim=self._claims.add, recycle=self._queue_recycle
        )
        self._second = SecondBinder(context, recorder)
        self._recycling = Recycling(context, self._executor, recorder)
        self._matcher = Matcher(
            claim=self._caches.claims.get,
            volume=self._caches.volumes.get,
            reserved=lambda key: self._caches.volumes.by("claim", key),
            delays=self._delays,
            wake=self._claims.add,
        )
        self._offering: asyncio.Handle | None = None
        self._offering_at_last: asyncio.Handle | None = None
        self._bound: set[str] = set()
        """Volumes that a claim's pass is writing to."""
        self._deferred: set[str] = set()
        """Of those, the ones whose own pass came meanwhile."""
        self._claim_ticks, self._volume_ticks = count(), count()
        self._caches.claims.subscribe(self._on_claim)
        self._caches.volumes.subscribe(self._on_volume)
        self._caches.classes.subscribe(self._on_class)
        self._second.watch()
        workers, seconds = context.settings.binder_workers, context.settings.resync_seconds
        self.loops = (
            Loop("claims", self._claims, self._reconcile_claim, workers, self._unsettled, seconds),
            Loop("volumes", self._volumes, self._reconcile_volume, workers, self._unsettled_volumes, seconds),
            Loop("recycle", self._recycles, self._recycling.reconcile, RECYCLERS),
        )

    # --- a claim ---

    async def _reconcile_claim(self, key: str) -> float | None:
        claim = self._caches.claims.get(key)
        try:
            await self._second.check(key)
            if claim is not None:
                if waits(claim) and self._matcher.puts_off(claim):
                    return self._settings.batch_seconds
                claim = await self._executor.claim(claim, claim_marks(claim))
                action = decide_claim(claim, self._facts(claim))
                if isinstance(action, Bind):
                    await self._second.check(action.volume.name)
                with self._writing(action):
                    await self._executor.on_claim(action)
        finally:
            self._matcher.done(key)
            self._offer_soon()
            if claim is not None and self._caches.claims.get(key) is None:  # what it began after it went has no end
                self._metrics.ends("provision", claim.uid, well=False)
        return None

    def _facts(self, claim: PersistentVolumeClaim) -> ClaimFacts:
        named = claim.spec.volume_name
        volume = self._caches.volumes.get(named) if named else None
        if not waits(claim):
            return ClaimFacts(volume=volume)
        storage_class = self._caches.classes.get(claim.storage_class) if claim.storage_class else None
        return ClaimFacts(
            storage_class=storage_class,
            match=self._matcher.choice(claim),
            default=default_class(self._caches.classes.values()) if claim.spec.storage_class_name is None else None,
            waiting_pod=self._waiting_pod(claim),
            plugin=storage_class is not None and self._plugins.provisioner(storage_class.provisioner) is not None,
            provisions=self._settings.dynamic_provisioning,
        )

    def _waiting_pod(self, claim: PersistentVolumeClaim) -> str:
        pods = self._caches.pods.by("claim", claim.key)
        return min((pod.name for pod in pods if not pod.spec.node_name and not pod.terminated), default="")

    def _delays(self, storage_class: str) -> bool:
        found = self._caches.classes.get(storage_class) if storage_class else None
        return found is not None and found.waits_for_consumer

    # --- a volume ---

    async def _reconcile_volume(self, name: str) -> float | None:
        if name in self._bound:
            self._deferred.add(name)
            return None
        await self._second.check(name)
        volume = self._caches.volumes.get(name)
        if volume is None:
            return None
        volume = await self._executor.volume(volume, volume_marks(volume), content=PatchType.MERGE)
        claim = await self._claim_of(volume) if asks_for_claim(volume) else None
        await self._executor.on_volume(decide_volume(volume, claim, reclaim_of(volume, self._plugins)))
        self._see_volume(name)
        if self._caches.volumes.get(name) is None:
            self._metrics.ends("delete", volume.uid)
        return None

    async def _claim_of(self, volume: PersistentVolume) -> PersistentVolumeClaim | None:
        """The claim that has the volume. A cache that lags must not release it: the server is asked before that."""
        assert volume.spec.claim_ref is not None
        claim = self._caches.claims.get(claim_key(volume))
        if claim is not None and claim.uid == volume.spec.claim_ref.uid:
            return claim
        if claim is None and volume.status.phase in (VolumePhase.RELEASED, VolumePhase.FAILED):
            return None
        return await live_claim(self._client, volume)

    @contextmanager
    def _writing(self, action: ClaimAction) -> Iterator[None]:
        """Keep the passes of the volume that is about to be bound away while the block runs."""
        if not isinstance(action, Bind):
            yield
            return
        name = action.volume.name
        self._bound.add(name)
        try:
            yield
        finally:
            self._bound.discard(name)
            self._see_volume(name)
            if name in self._deferred:
                self._deferred.discard(name)
                self._volumes.add(name)

    def _queue_recycle(self, name: str) -> None:
        if not self._recycles.failures(name):  # else it waits for its next try already
            self._recycles.add(name)

    # --- what happens ---

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        claim = new or old
        assert claim is not None
        self._matcher.see_claim(claim.key)
        self._claims.add(claim.key)
        if new is None:
            self._metrics.ends("provision", claim.uid, well=False)
            pointing = {volume.name for volume in self._caches.volumes.by("claim", claim.key)}
            for name in pointing | {claim.spec.volume_name} - {""}:
                self._volumes.add(name)

    def _on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        volume = new or old
        assert volume is not None
        self._see_volume(volume.name)
        if new is None:
            self._metrics.ends("delete", volume.uid)
        if volume.name in self._bound:
            self._deferred.add(volume.name)
        else:
            self._volumes.add(volume.name)
        # Claims that this one names, and claims that name it: what they wait for may have come, or gone.
        keys = {claim_key(each) for each in (old, new) if each is not None} - {""}
        naming = {claim.key for claim in self._caches.claims.by("volume", volume.name)}
        for key in keys | naming:
            claim = self._caches.claims.get(key)
            if claim is not None and (new is None or not _is_settled(claim)):
                self._claims.add(key)

    def _on_class(self, old: StorageClass | None, new: StorageClass | None) -> None:
        storage_class = new or old
        assert storage_class is not None
        concerned = [*self._caches.claims.by("class", storage_class.name)]
        if new is not None and is_default(new):
            concerned += [each for each in self._caches.claims.by("class", "") if each.spec.storage_class_name is None]
        for claim in concerned:
            if waits(claim):
                self._matcher.see_claim(claim.key)
                self._claims.add(claim.key)

    def _see_volume(self, name: str) -> None:
        self._matcher.see_volume(name)
        self._offer_soon()

    def _offer_soon(self) -> None:
        """Match what came together, once all that comes now is here."""
        if self._offering is None and self._matcher.has_offers:
            self._offering = asyncio.get_running_loop().call_soon(self._offer)

    def _offer(self) -> None:
        self._offering = None
        self._matcher.offer()
        if self._matcher.has_offers and self._offering_at_last is None:
            later = asyncio.get_running_loop().call_later
            self._offering_at_last = later(self._settings.batch_seconds, self._offer_at_last)

    def _offer_at_last(self) -> None:
        self._offering_at_last = None
        self._matcher.offer(at_once=True)

    # --- resync ---

    def _unsettled(self) -> Iterable[str]:
        """Claims that wait for something, and a part of the others."""
        part = next(self._claim_ticks) % self._parts
        return [each.key for each in self._caches.claims.values() if not _is_settled(each) or self._in(part, each.key)]

    def _unsettled_volumes(self) -> Iterable[str]:
        part = next(self._volume_ticks) % self._parts
        settled = (VolumePhase.AVAILABLE, VolumePhase.BOUND)
        return [
            each.name
            for each in self._caches.volumes.values()
            if each.status.phase not in settled or self._in(part, each.name)
        ]

    @property
    def _parts(self) -> int:
        return max(1, round(self._settings.full_resync_seconds / self._settings.resync_seconds))

    def _in(self, part: int, key: str) -> bool:
        return crc32(key.encode()) % self._parts == part

    def _plugin_of(self, volume: PersistentVolume) -> str:
        if volume.spec.csi is not None:
            return volume.spec.csi.driver
        return volume.annotations.get(names.PROVISIONED_BY, UNKNOWN)


def _is_settled(claim: PersistentVolumeClaim) -> bool:
    return claim.status.phase == ClaimPhase.BOUND and names.BIND_COMPLETED in claim.annotations
