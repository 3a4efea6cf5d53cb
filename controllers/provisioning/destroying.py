"""Destroying a volume whose claim is gone: the storage first, then the object, then what held it."""

import structlog

from controllers.claims import is_released
from controllers.phases import fail
from controllers.provisioning.decide import held, let_go, may_destroy
from controllers.provisioning.metrics import Metrics
from controllers.provisioning.outcome import word_for
from controllers.provisioning.reporting import Reporters
from controllers.reclaim import Destroyer, destroyer_of
from controllers.runtime import Context, Retry
from kube.errors import NotFound
from model import names
from model.resources import VOLUMES
from model.volumes import PersistentVolume
from plugins.errors import InDoubt, PluginError, StillInUse
from plugins.protocol import Deleter

log = structlog.get_logger()


class Destroying:
    """One volume at a time for each key; asking a plugin again for what is gone already is a success."""

    def __init__(self, context: Context, reporters: Reporters, metrics: Metrics) -> None:
        self._client = context.client
        self._writer = context.writer
        self._plugins = context.plugins
        self._reporters = reporters
        self._metrics = metrics

    def deleter_of(self, volume: PersistentVolume) -> Deleter | None:
        """The plugin that is to destroy the volume, as far as the volume tells; None if it is not our turn."""
        if not may_destroy(volume):
            return None
        destroyer = destroyer_of(volume, self._plugins)
        return None if isinstance(destroyer, Destroyer) else destroyer

    async def reconcile(self, name: str) -> float | None:
        """Destroy the volume, if it still is to be: asked of the server, as this can not be taken back."""
        try:
            volume = await self._client.get(VOLUMES, name)
            deleter = self.deleter_of(volume)
            if deleter is not None and await is_released(self._client, volume):
                await self._destroy(volume, deleter)
                await self._remove(volume)
        except NotFound:
            return None
        return None

    async def _destroy(self, volume: PersistentVolume, deleter: Deleter) -> None:
        plugin = volume.annotations.get(names.PROVISIONED_BY, "")
        try:
            await deleter.delete(volume)
        except PluginError as error:
            self._metrics.ended("delete", plugin, word_for(error))
            reporter = self._reporters.of(plugin)
            if isinstance(error, StillInUse):
                reporter.event(volume, VOLUMES, "Normal", "VolumeDelete", str(error))
            elif not isinstance(error, InDoubt):
                await fail(self._writer, reporter, volume, "VolumeFailedDelete", str(error))
            raise Retry(str(error)) from error
        self._metrics.ended("delete", plugin, "success")
        log.info("storage destroyed", volume=volume.name, plugin=plugin)

    async def _remove(self, volume: PersistentVolume) -> None:
        """Delete the object before it is let go: one that is going can not be given the finalizer again."""
        await self._writer.delete(VOLUMES, volume)
        going = await self._client.get(VOLUMES, volume.name)
        if going.uid == volume.uid and held(going):
            await self._writer.patch(VOLUMES, going, let_go(going))
