"""snapshot-controller: ties VolumeSnapshots to contents, and holds what must not go meanwhile."""

import asyncio
from collections.abc import Iterator
from typing import Final

from controllers.csi.context import SidecarContext
from controllers.csi.snapshotter.references import claim_key, content_name, restored_key, snapshot_key
from controllers.csi.snapshotter.snapshots.decide import Known, decide, frees, wakes
from controllers.csi.snapshotter.snapshots.execute import Executor
from controllers.csi.snapshotter.snapshots.metrics import Metrics
from controllers.finalizers import holds, put_on, take_off, wants
from controllers.runtime import Loop
from model.csi import VolumeSnapshotClass
from model.names import CONTENT_PROTECTION, SNAPSHOT_CLAIM_PROTECTION
from model.resources import CLAIMS, SNAPSHOT_CLASSES, SNAPSHOT_CONTENTS, SNAPSHOTS
from model.snapshots import VolumeSnapshot, VolumeSnapshotContent
from model.volumes import PersistentVolumeClaim

COMPONENT: Final = "snapshot-controller"
"""Who reports its events."""
SNAPSHOT_QUEUE: Final = "snapshot-controller-snapshot"
CONTENT_QUEUE: Final = "snapshot-controller-content"
CLAIM_QUEUE: Final = "snapshot-controller-claim"
WORKERS: Final = 10
STEPS: Final = 10
"""How many writes a pass makes at most; a snapshot needs fewer from beginning to end."""

_OF_CLAIM: Final = "snapshots of claim"
_RESTORES: Final = "restores snapshot"


class SnapshotController:
    """Keys are those of snapshots, of contents, and of claims that snapshots are taken of."""

    def __init__(self, context: SidecarContext) -> None:
        base, caches = context.base, context.base.caches
        self._writer = base.writer
        self._executor = Executor(base.client, base.writer, base.recorder(COMPONENT))
        self._metrics = Metrics(base.registry, asyncio.get_running_loop().time)
        self._claims, self._volumes = caches.claims, caches.volumes
        self._snapshots, self._contents = caches.of(SNAPSHOTS), caches.of(SNAPSHOT_CONTENTS)
        self._classes = caches.of(SNAPSHOT_CLASSES)
        self._snapshots.add_index(_OF_CLAIM, lambda snapshot: _some(claim_key(snapshot)))
        self._claims.add_index(_RESTORES, lambda claim: _some(restored_key(claim)))
        self._known = Known(
            self._contents.get,
            self._claims.get,
            self._volumes.get,
            self._classes.values,
            lambda key: self._claims.by(_RESTORES, key),
        )
        first, longest = context.settings.backoff_seconds
        self._queue = base.queue(SNAPSHOT_QUEUE, base_seconds=first, max_seconds=longest)
        self._content_queue = base.queue(CONTENT_QUEUE, base_seconds=first, max_seconds=longest)
        self._claim_queue = base.queue(CLAIM_QUEUE, base_seconds=first, max_seconds=longest)
        self._snapshots.subscribe(self._on_snapshot)
        self._contents.subscribe(self._on_content)
        self._claims.subscribe(self._on_claim)
        self._classes.subscribe(self._on_class)
        resync = context.settings.resync_seconds
        self.loops = (
            Loop(SNAPSHOT_QUEUE, self._queue, self._reconcile, WORKERS, self._unsettled, resync),
            Loop(CONTENT_QUEUE, self._content_queue, self._reconcile_content, WORKERS),
            Loop(CLAIM_QUEUE, self._claim_queue, self._reconcile_claim, WORKERS),
        )

    # --- passes ---

    async def _reconcile(self, key: str) -> None:
        for _ in range(STEPS):
            snapshot = self._snapshots.get(key)
            if snapshot is None:
                return
            content = self._contents.get(content_name(snapshot))
            self._metrics.see(snapshot, content.spec.driver if content else "")
            if not await self._executor.execute(decide(snapshot, self._known)):
                return

    async def _reconcile_content(self, key: str) -> None:
        content = self._contents.get(key)
        if content is not None and wants(content, CONTENT_PROTECTION):
            await self._writer.patch(SNAPSHOT_CONTENTS, content, put_on(content, CONTENT_PROTECTION))

    async def _reconcile_claim(self, key: str) -> None:
        claim = self._claims.get(key)
        if claim is not None and frees(claim, self._snapshots.by(_OF_CLAIM, key), self._contents.get):
            await self._writer.patch(CLAIMS, claim, take_off(claim, SNAPSHOT_CLAIM_PROTECTION))

    # --- what wakes them ---

    def _on_snapshot(self, old: VolumeSnapshot | None, new: VolumeSnapshot | None) -> None:
        if new is None:
            if old is not None:
                self._metrics.gone(old)
        elif wakes(old, new):
            self._queue.add(new.key)
        snapshot = new or old
        if snapshot is not None and claim_key(snapshot):
            self._claim_queue.add(claim_key(snapshot))

    def _on_content(self, old: VolumeSnapshotContent | None, new: VolumeSnapshotContent | None) -> None:
        if new is not None and wants(new, CONTENT_PROTECTION):
            self._content_queue.add(new.key)
        for content in (old, new):
            if content is not None:
                self._queue.add(snapshot_key(content))

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        claim = new or old
        if claim is None:
            return
        if holds(claim, SNAPSHOT_CLAIM_PROTECTION):
            self._claim_queue.add(claim.key)
        for snapshot in self._snapshots.by(_OF_CLAIM, claim.key):
            if not snapshot.status.ready_to_use:
                self._queue.add(snapshot.key)
        for each in (old, new):
            if each is not None and restored_key(each):
                self._queue.add(restored_key(each))

    def _on_class(self, _: VolumeSnapshotClass | None, new: VolumeSnapshotClass | None) -> None:
        if new is not None:
            for key in self._unsettled():
                self._queue.add(key)

    def _unsettled(self) -> Iterator[str]:
        """The snapshots that wait for something."""
        for snapshot in self._snapshots.values():
            if snapshot.deleting or not snapshot.status.ready_to_use:
                yield snapshot.key


def _some(key: str) -> tuple[str, ...]:
    return (key,) if key else ()
