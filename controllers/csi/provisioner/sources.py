"""What claims are filled from: looked up for one, and held while it is used.

The claim that is copied and the snapshot that is restored get a finalizer before the driver is asked. A claim keeps it
until it is itself deleted, as copies tend to be made again; a snapshot is let go as soon as no claim waits for it.
"""

from collections.abc import Iterable
from typing import Final

import structlog

from controllers.csi.context import SidecarContext
from controllers.finalizers import holds, holds_up, put_on, take_off, wants
from controllers.runtime import Loop
from kube.errors import Forbidden, NotFound
from model import names
from model.meta import split_key
from model.resources import CLAIMS, SNAPSHOT_CONTENTS, SNAPSHOTS, ObjectT, Resource
from model.snapshots import VolumeSnapshot, VolumeSnapshotContent
from model.volumes import DataSource, PersistentVolumeClaim
from storage.data_source import FromClaim, FromSnapshot, Known, source_of

log = structlog.get_logger()

SWEEP_SECONDS: Final = 300.0
"""How often snapshots are looked for that a process that is gone held."""
_SWEEP: Final = "sweep"
_INDEX: Final = "waits for source"


class Sources:
    """The sources of one driver's claims. A key of its queue is a kind and an object's key."""

    def __init__(self, context: SidecarContext) -> None:
        self._client, self._caches, self._writer = context.base.client, context.base.caches, context.base.writer
        self._queue = context.base.queue("csi-sources", base_seconds=1.0, max_seconds=300.0)
        self._caches.claims.add_index(_INDEX, _waits_for)
        self._caches.claims.subscribe(self._on_claim)
        restores = "CREATE_DELETE_SNAPSHOT" in context.driver.calls
        resync = (lambda: [_SWEEP]) if restores else tuple[str, ...]
        self.loop = Loop("csi-sources", self._queue, self._reconcile, 1, resync, SWEEP_SECONDS)
        if restores:
            self._queue.add(_SWEEP)

    async def known(self, claim: PersistentVolumeClaim) -> Known:
        """What there is of what the claim names: snapshots live, as few claims have any; the rest from the caches."""
        source = source_of(claim)
        snapshot: VolumeSnapshot | None = None
        content: VolumeSnapshotContent | None = None
        if source is not None and source.kind == SNAPSHOTS.kind and source.namespace == claim.namespace:
            snapshot = await self._found(SNAPSHOTS, source.name, claim.namespace)
            if snapshot is not None and snapshot.bound_content:
                content = await self._found(SNAPSHOT_CONTENTS, snapshot.bound_content)
        return Known(
            snapshot=lambda _: snapshot,
            content=lambda _: content,
            claim=self._caches.claims.get,
            volume=self._caches.volumes.get,
        )

    async def hold(self, source: FromSnapshot | FromClaim) -> None:
        """Let the source stay while it is used. Who may not write snapshots does without.

        Raises:
            KubeError: it could not be written.
        """
        if isinstance(source, FromClaim):
            if wants(source.claim, names.CLONE_SOURCE_PROTECTION):
                change = put_on(source.claim, names.CLONE_SOURCE_PROTECTION)
                await self._writer.patch(CLAIMS, source.claim, change)
            return
        if wants(source.snapshot, names.SNAPSHOT_RESTORE_PROTECTION):
            try:
                change = put_on(source.snapshot, names.SNAPSHOT_RESTORE_PROTECTION)
                await self._writer.patch(SNAPSHOTS, source.snapshot, change)
            except Forbidden as error:
                log.warning("snapshot is not protected while it is restored", error=str(error))

    async def _found(self, resource: Resource[ObjectT], name: str, namespace: str = "") -> ObjectT | None:
        try:
            return await self._client.get(resource, name, namespace)
        except (NotFound, ValueError):
            return None

    # --- letting go ---

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        claim = new or old
        if claim is None:
            return
        if new is None or new.spec.volume_name:
            for key in _sources(claim):
                self._queue.add(key)
        if new is not None and holds_up(new, names.CLONE_SOURCE_PROTECTION):
            self._queue.add(_key(CLAIMS.kind, new.key))

    async def _reconcile(self, key: str) -> float | None:
        if key == _SWEEP:
            await self._sweep()
            return None
        kind, _, name = key.partition(" ")
        if self._caches.claims.by(_INDEX, key):
            return None
        if kind == CLAIMS.kind:
            claim = self._caches.claims.get(name)
            if claim is not None and holds_up(claim, names.CLONE_SOURCE_PROTECTION):
                await self._writer.patch(CLAIMS, claim, take_off(claim, names.CLONE_SOURCE_PROTECTION))
            return None
        namespace, name = split_key(name)
        snapshot = await self._found(SNAPSHOTS, name, namespace)
        if snapshot is not None:
            await self._let_go(snapshot)
        return None

    async def _let_go(self, snapshot: VolumeSnapshot) -> None:
        if not holds(snapshot, names.SNAPSHOT_RESTORE_PROTECTION):
            return
        try:
            await self._writer.patch(SNAPSHOTS, snapshot, take_off(snapshot, names.SNAPSHOT_RESTORE_PROTECTION))
        except Forbidden as error:
            log.warning("snapshot can not be let go", snapshot=snapshot.key, error=str(error))

    async def _sweep(self) -> None:
        try:
            snapshots = await self._client.list(SNAPSHOTS)
        except (NotFound, Forbidden):  # no such kind here, or none of our business
            return
        for each in snapshots:
            if holds(each, names.SNAPSHOT_RESTORE_PROTECTION):
                self._queue.add(_key(SNAPSHOTS.kind, each.key))


def _key(kind: str, key: str) -> str:
    return f"{kind} {key}"


def _sources(claim: PersistentVolumeClaim) -> Iterable[str]:
    source: DataSource | None = source_of(claim)
    if source is not None and source.kind in (CLAIMS.kind, SNAPSHOTS.kind):
        yield _key(source.kind, f"{source.namespace}/{source.name}")


def _waits_for(claim: PersistentVolumeClaim) -> Iterable[str]:
    """The index: what claims that have no volume yet are to be filled from."""
    return () if claim.spec.volume_name else _sources(claim)
