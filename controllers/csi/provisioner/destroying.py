"""Deleting a volume whose claim is gone: the storage first, then the object, then what held it; and what holds it.

The finalizer is kept right before that is due: a volume that a user deletes while it is bound must wait for its claim.
"""

from time import perf_counter

import structlog

from controllers.csi.context import SidecarContext
from controllers.csi.provisioner.decide import Fate, fate
from controllers.csi.provisioner.metrics import Metrics
from controllers.finalizers import holds, put_on, take_off
from controllers.runtime import Retry
from kube.events import EventRecorder
from model import names
from model.csi import VolumeAttachment
from model.resources import VOLUMES
from model.secrets import SecretReference
from model.volumes import PersistentVolume
from plugins.csi import parameters
from plugins.csi.secret_names import named
from plugins.errors import Failed, PluginError
from storage.migrated import as_csi
from storage.translation import TranslationError

log = structlog.get_logger()


class Destroying:
    """The volumes of one driver, by name."""

    def __init__(self, context: SidecarContext, recorder: EventRecorder, metrics: Metrics) -> None:
        self._client, self._writer = context.base.client, context.base.writer
        self._caches, self._secrets = context.base.caches, context.secrets
        self._driver = context.driver
        self._attaches = "PUBLISH_UNPUBLISH_VOLUME" in context.driver.calls
        self._recorder = recorder
        self._metrics = metrics
        first, longest = context.settings.backoff_seconds
        self.queue = context.base.queue("csi-volumes", base_seconds=first, max_seconds=longest)
        self._destroyed: set[str] = set()
        """By UID: volumes whose storage is gone, while their objects are not."""
        self._caches.volumes.subscribe(self._on_volume)
        self._caches.attachments.subscribe(self._on_attachment)

    def due(self) -> list[str]:
        """The volumes that something is to be done about."""
        return [each.name for each in self._caches.volumes.values() if fate(each, self._driver.name) != Fate.NOTHING]

    async def reconcile(self, name: str) -> float | None:
        """Do what is to be done about a volume."""
        volume = self._caches.volumes.get(name)
        if volume is None:
            return None
        match fate(volume, self._driver.name):
            case Fate.NOTHING:
                pass
            case Fate.HOLD:
                await self._writer.patch(VOLUMES, volume, put_on(volume, names.EXTERNAL_PROVISIONER))
            case Fate.LET_GO:
                await self._writer.patch(VOLUMES, volume, take_off(volume, names.EXTERNAL_PROVISIONER))
            case Fate.DESTROY:
                await self._destroy(volume)
        return None

    async def _destroy(self, volume: PersistentVolume) -> None:
        if volume.uid not in self._destroyed:
            # This can not be taken back, so the server is asked, not the cache.
            volume = await self._client.get(VOLUMES, volume.name)
            if fate(volume, self._driver.name) is not Fate.DESTROY:
                return
            self._check_detached(volume)
            await self._delete_storage(volume)
            self._destroyed.add(volume.uid)
        if not volume.deleting:
            # Deleted before it is let go: one that is going can not be given the finalizer again.
            await self._writer.delete(VOLUMES, volume)
        elif holds(volume, names.EXTERNAL_PROVISIONER):
            await self._writer.patch(VOLUMES, volume, take_off(volume, names.EXTERNAL_PROVISIONER))

    def _check_detached(self, volume: PersistentVolume) -> None:
        """Storage that a node has is not deleted. Raises Retry; the end of an attachment is noticed."""
        nodes = [each.spec.node_name for each in self._caches.attachments.by("volume", volume.name)]
        if self._attaches and nodes:
            why = f"is still attached to {', '.join(sorted(nodes))}"
            self._recorder.event(volume, VOLUMES, "Normal", "VolumeDelete", why)
            raise Retry(f"volume {volume.name} {why}")

    async def _delete_storage(self, volume: PersistentVolume) -> None:
        begun = perf_counter()
        try:
            handle = _handle(volume, self._driver.name)
            await self._driver.controller.delete_volume(handle, await self._credentials(volume))
        except PluginError as error:
            self._metrics.not_deleted(volume.storage_class)
            self._recorder.event(volume, VOLUMES, "Warning", "VolumeFailedDelete", str(error))
            raise Retry(str(error)) from error
        self._metrics.deleted(volume.storage_class, perf_counter() - begun)
        log.info("storage deleted", volume=volume.name, handle=handle, driver=self._driver.name)

    async def _credentials(self, volume: PersistentVolume) -> dict[str, str]:
        """The secret of the deletion; nothing where it can not be had, as drivers may do without."""
        try:
            return await self._secrets.read(self._secret(volume))
        except Failed as error:
            log.warning("volume is deleted without its secret", volume=volume.name, error=str(error))
            return {}

    def _secret(self, volume: PersistentVolume) -> SecretReference | None:
        """As the volume says; as its class says where the volume says nothing."""
        if names.DELETION_SECRET_NAME in volume.annotations:
            namespace = volume.annotations.get(names.DELETION_SECRET_NAMESPACE, "")
            name = volume.annotations[names.DELETION_SECRET_NAME]
            return SecretReference(namespace, name) if namespace and name else None
        storage_class = self._caches.classes.get(volume.storage_class) if volume.storage_class else None
        if storage_class is None:
            return None
        templates = parameters.read(storage_class.parameters or {}).secrets
        claim = volume.spec.claim_ref
        known = {"pv.name": volume.name, **({"pvc.namespace": claim.namespace} if claim else {})}
        in_name = {**known, **({"pvc.name": claim.name} if claim else {})}
        return named(templates, "provisioner", known, in_name) if templates else None

    # --- what happens ---

    def _on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is None:
            self._destroyed.discard(old.uid if old else "")
        elif fate(new, self._driver.name) is not Fate.NOTHING:
            self.queue.add(new.name)

    def _on_attachment(self, old: VolumeAttachment | None, new: VolumeAttachment | None) -> None:
        if new is None and old is not None and old.spec.source.persistent_volume_name:
            self.queue.add(old.spec.source.persistent_volume_name)


def _handle(volume: PersistentVolume, driver: str) -> str:
    """What the driver calls the volume, in-tree ones too that it took over.

    Raises:
        Failed: it has no name for it.
    """
    try:
        csi = as_csi(volume).csi
    except TranslationError as error:
        raise Failed(f"volume {volume.name} has no handle: {error}") from error
    if csi is None or csi.driver != driver or not csi.volume_handle:
        raise Failed(f"volume {volume.name} is none of driver {driver}")
    return csi.volume_handle
