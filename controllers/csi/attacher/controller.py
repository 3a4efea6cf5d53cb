"""csi-attacher: what it watches, what its keys are, and one pass over each.

Its keys are the names of VolumeAttachments of the driver, and of volumes that its finalizer holds. Every so often what
the driver says is attached is compared with what the attachments say, where the driver is able to tell.
"""

from collections.abc import Iterable
from typing import Final

import structlog

from controllers.csi.attacher.compare import disagreeing, published
from controllers.csi.attacher.decide import Around, decide, may_go, node_id_of, wakes
from controllers.csi.attacher.decide import Attacher as Who
from controllers.csi.attacher.execute import Executor
from controllers.csi.attacher.requests import PublishOptions
from controllers.csi.context import SidecarContext
from controllers.csi.races import lost
from controllers.finalizers import holds_up, take_off
from controllers.runtime import Loop
from kube.cache import Cache
from model.csi import CSINode, VolumeAttachment
from model.resources import VOLUMES
from model.volumes import PersistentVolume
from plugins.errors import PluginError

log = structlog.get_logger()

QUEUE: Final = "csi-attacher"
VOLUME_QUEUE: Final = "csi-attacher-volumes"
COMPARISON_QUEUE: Final = "csi-attacher-comparison"
_LISTS: Final = frozenset({"LIST_VOLUMES", "LIST_VOLUMES_PUBLISHED_NODES"})


class Attacher:
    """The controller."""

    def __init__(self, context: SidecarContext) -> None:
        base, driver, settings = context.base, context.driver, context.settings
        self._controller = driver.controller
        self._who = Who(driver.name, "PUBLISH_UNPUBLISH_VOLUME" in driver.calls)
        self._writer = base.writer
        self._attachments: Cache[VolumeAttachment] = base.caches.attachments
        self._volumes: Cache[PersistentVolume] = base.caches.volumes
        self._csi_nodes: Cache[CSINode] = base.caches.csi_nodes
        options = PublishOptions(driver.tells_pods_apart, "PUBLISH_READONLY" in driver.calls, settings.default_fs_type)
        self._executor = Executor(self._writer, context.secrets, driver.controller, self._who, options)
        self._again: set[str] = set()
        """The UIDs of attachments of which the driver said otherwise."""
        first, longest = settings.backoff_seconds
        self._queue = base.queue(QUEUE, base_seconds=first, max_seconds=longest)
        self._volume_queue = base.queue(VOLUME_QUEUE, base_seconds=first, max_seconds=longest)
        self._attachments.subscribe(self._on_attachment)
        self._volumes.subscribe(self._on_volume)
        self._csi_nodes.subscribe(self._on_csi_node)
        workers, resync = settings.attach_workers, settings.resync_seconds
        self.loops: tuple[Loop, ...] = (
            Loop(QUEUE, self._queue, self._reconcile, workers, self._unsettled, resync),
            Loop(VOLUME_QUEUE, self._volume_queue, self._reconcile_volume, workers, self._going, resync),
        )
        if self._who.publishes and driver.calls >= _LISTS and settings.reconcile_attachments_seconds:
            queue = base.queue(COMPARISON_QUEUE, base_seconds=first, max_seconds=longest)
            pause = settings.reconcile_attachments_seconds
            self.loops += (Loop(COMPARISON_QUEUE, queue, self._compare, 1, lambda: (driver.name,), pause),)

    async def _reconcile(self, key: str) -> float | None:
        attachment = self._attachments.get(key)
        if attachment is None or not self._is_ours(attachment):
            return None
        again = attachment.uid in self._again
        action = decide(attachment, self._around(attachment), self._who, again=again)
        soon = await lost(self._executor.execute(action))
        if soon is None:
            self._again.discard(attachment.uid)
        return soon

    async def _reconcile_volume(self, key: str) -> float | None:
        volume = self._volumes.get(key)
        if volume is None or not may_go(volume, self._attachments.by("volume", key), self._who.finalizer):
            return None
        return await lost(self._let_go(volume))

    async def _let_go(self, volume: PersistentVolume) -> None:
        await self._writer.patch(VOLUMES, volume, take_off(volume, self._who.finalizer))
        log.info("volume let go", volume=volume.name)

    async def _compare(self, _key: str) -> None:
        before = {each.name: each for each in self._attachments.values() if self._is_ours(each)}
        try:
            said = await published(self._controller)
        except PluginError as error:
            log.warning("driver does not tell what is attached", error=str(error))
            return
        # Of what has changed meanwhile the driver may have told the state before or after.
        unchanged = [each for each in before.values() if self._is_unchanged(each)]
        found = disagreeing([(each, self._around(each)) for each in unchanged], said, self._who.finalizer)
        for attachment in found:
            log.warning("driver says otherwise", attachment=attachment.name, attached=attachment.status.attached)
            self._again.add(attachment.uid)
            self._queue.add(attachment.name)
        self._again &= {each.uid for each in self._attachments.values()}

    def _around(self, attachment: VolumeAttachment) -> Around:
        volume = attachment.spec.source.persistent_volume_name
        return Around(
            self._volumes.get(volume) if volume else None,
            self._csi_nodes.get(attachment.spec.node_name),
        )

    def _is_ours(self, attachment: VolumeAttachment) -> bool:
        return attachment.spec.attacher == self._who.driver

    def _is_unchanged(self, attachment: VolumeAttachment) -> bool:
        now = self._attachments.get(attachment.name)
        return now is not None and now.metadata.resource_version == attachment.metadata.resource_version

    # --- what happens ---

    def _on_attachment(self, old: VolumeAttachment | None, new: VolumeAttachment | None) -> None:
        if new is not None:
            if self._is_ours(new) and wakes(old, new):
                self._queue.add(new.name)
        elif old is not None and old.spec.source.persistent_volume_name:
            self._volume_queue.add(old.spec.source.persistent_volume_name)

    def _on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is None:
            return
        if holds_up(new, self._who.finalizer):
            self._volume_queue.add(new.name)
        if old is None:
            self._wake(self._attachments.by("volume", new.name))

    def _on_csi_node(self, old: CSINode | None, new: CSINode | None) -> None:
        driver = self._who.driver
        if new is not None and node_id_of(old, driver) != node_id_of(new, driver):
            self._wake(self._attachments.by("node", new.name))

    def _wake(self, waiting: Iterable[VolumeAttachment]) -> None:
        """Look at those that may wait for what has come."""
        for attachment in waiting:
            if self._is_ours(attachment) and (attachment.deleting or not attachment.status.attached):
                self._queue.add(attachment.name)

    # --- resync ---

    def _unsettled(self) -> Iterable[str]:
        ours = [each for each in self._attachments.values() if self._is_ours(each)]
        waiting = [each.name for each in ours if each.deleting or not each.status.attached]
        return [each for each in waiting if not self._queue.failures(each)]

    def _going(self) -> Iterable[str]:
        return [each.name for each in self._volumes.values() if holds_up(each, self._who.finalizer)]
