"""Recycling: emptying a released volume, so that it can serve another claim."""

from controllers.binding.execute import Executor
from controllers.binding.scrubbing import Scrubbers, ScrubFailed
from controllers.claims import is_released
from controllers.phases import fail
from controllers.references import claim_key
from controllers.runtime import Context, Retry
from kube.errors import NotFound
from kube.events import EventRecorder
from model.resources import VOLUMES
from model.volumes import PersistentVolume


class Recycling:
    """One volume at a time for each key; a failure is written on the volume and tried again later."""

    def __init__(self, context: Context, executor: Executor, recorder: EventRecorder) -> None:
        self._client = context.client
        self._caches = context.caches
        self._writer = context.writer
        self._plugins = context.plugins
        self._executor = executor
        self._recorder = recorder
        self._scrubbers = Scrubbers(context.client, context.caches, context.writer, recorder, context.settings)

    async def reconcile(self, name: str) -> float | None:
        """Recycle the volume, if it still is to be."""
        volume = await self._still_released(name)
        if volume is None:
            return None
        if users := self._users(volume):
            self._say(volume, "VolumeFailedRecycle", f"the volume is used by pods {', '.join(users)}")
            return None
        recycler = self._plugins.recycler(volume)
        if recycler is None:
            await fail(self._writer, self._recorder, volume, "VolumeFailedRecycle", "no plugin can recycle the volume")
            return None
        try:
            await self._scrubbers.scrub(volume, recycler.scrub_seconds(volume))
        except ScrubFailed as error:
            await fail(self._writer, self._recorder, volume, "VolumeFailedRecycle", str(error))
            raise Retry(str(error)) from error
        self._say(volume, "VolumeRecycled", "the volume was emptied")
        await self._executor.unbind(volume)
        return None

    async def _still_released(self, name: str) -> PersistentVolume | None:
        """The volume as it is now, if its claim is gone and its policy is Recycle."""
        try:
            volume = await self._client.get(VOLUMES, name)
        except NotFound:
            return None
        if volume.spec.persistent_volume_reclaim_policy != "Recycle":
            return None
        return volume if await is_released(self._client, volume) else None

    def _users(self, volume: PersistentVolume) -> list[str]:
        """Pods that may still write to the volume although its claim is gone."""
        key = claim_key(volume)
        if self._caches.claims.get(key) is not None:
            return []
        return sorted(pod.name for pod in self._caches.pods.by("claim", key) if not pod.terminated)

    def _say(self, volume: PersistentVolume, reason: str, message: str) -> None:
        self._recorder.event(volume, VOLUMES, "Normal", reason, message)
