"""The pod that empties a volume: what it is, and waiting for its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from controllers.settings import ControllerSettings
from controllers.writes import Writer
from kube.caches import Caches
from kube.client import Client
from kube.decode import Shown
from kube.errors import AlreadyExists, KubeError, NotFound
from kube.events import EventRecorder, EventType
from model.meta import JSON
from model.resources import EVENTS, PODS, VOLUMES
from model.volumes import PersistentVolume
from model.workloads import Event, Pod

log = structlog.get_logger()

MARGIN_SECONDS: Final = 120.0
"""How long beyond its own deadline a pod is waited for: it must be placed, and its image pulled."""
_SCRUB: Final = 'test -e /scrub && find /scrub -mindepth 1 -delete && test -z "$(ls -A /scrub)"'


class ScrubFailed(Exception):  # noqa: N818 - named by what happened
    """The volume was not emptied; the message says why."""


def scrub_pod(volume: PersistentVolume, seconds: int, image: str) -> JSON:
    """The pod that mounts the volume's storage and empties it."""
    return {
        "metadata": {"name": f"recycler-for-{volume.name}"},
        "spec": {
            "activeDeadlineSeconds": seconds,
            "restartPolicy": "Never",
            "volumes": [{"name": "vol", **_source(volume)}],
            "containers": [
                {
                    "name": "recycler",
                    "image": image,
                    "command": ["/bin/sh", "-c", _SCRUB],
                    "volumeMounts": [{"name": "vol", "mountPath": "/scrub"}],
                }
            ],
        },
    }


def _source(volume: PersistentVolume) -> JSON:
    spec = volume.spec
    if spec.nfs is not None:
        return {"nfs": spec.nfs}
    assert spec.host_path is not None, "only volumes that a plugin can recycle come here"
    kind = {"type": spec.host_path.type} if spec.host_path.type is not None else {}
    return {"hostPath": {"path": spec.host_path.path, **kind}}


class Scrubbers:
    """The pods that empty volumes, one a volume."""

    def __init__(
        self, client: Client, caches: Caches, writer: Writer, recorder: EventRecorder, settings: ControllerSettings
    ) -> None:
        self._client = client
        self._pods = caches.pods
        self._writer = writer
        self._recorder = recorder
        self._settings = settings
        self._changed: dict[str, asyncio.Event] = {}
        caches.pods.subscribe(self._on_pod)

    async def scrub(self, volume: PersistentVolume, seconds: int) -> None:
        """Empty the volume.

        Raises:
            ScrubFailed: it was not.
            KubeError: the pod could not be made.
        """
        body = scrub_pod(volume, seconds, self._settings.recycler_image)
        async with self._running(body) as pod, asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell(volume, pod))
            try:
                ended = await self._ended(pod, seconds + MARGIN_SECONDS)
            finally:
                telling.cancel()
        if ended is None or ended.status.phase != "Succeeded":
            raise ScrubFailed(f"pod {pod.name} {'has failed' if ended else 'went away or did not end in time'}")

    @asynccontextmanager
    async def _running(self, body: JSON) -> AsyncIterator[Pod]:
        """The pod while the block runs. One that is there already is of an attempt that was broken off."""
        namespace = self._settings.recycler_namespace
        try:
            pod = await self._writer.create(PODS, body, namespace)
        except AlreadyExists:
            name = body["metadata"]["name"]
            await self._remove(await self._client.get(PODS, name, namespace))
            raise ScrubFailed(f"pod {name} of an earlier attempt was in the way") from None
        self._changed[pod.key] = asyncio.Event()
        try:
            yield pod
        finally:
            del self._changed[pod.key]
            await self._remove(pod)

    async def _remove(self, pod: Pod) -> None:
        with suppress(NotFound):
            await self._writer.delete(PODS, pod, grace_seconds=0)

    async def _ended(self, pod: Pod, seconds: float) -> Pod | None:
        """The pod when it has run to its end; None if it went away or the time is up."""
        changed = self._changed[pod.key]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    changed.clear()
                    now = self._pods.get(pod.key)
                    if now is None or now.uid != pod.uid:
                        return None
                    if now.terminated:
                        return now
                    await changed.wait()
        return None

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        if pod is not None and pod.key in self._changed:
            self._changed[pod.key].set()

    async def _tell(self, volume: PersistentVolume, pod: Pod) -> None:
        """Repeat about the volume what is said about its pod."""
        told: set[tuple[str, int | None]] = set()
        with suppress(KubeError):
            fields = f"involvedObject.name={pod.name}"
            async with self._client.watch(EVENTS, pod.namespace, version="", fields=fields) as events:
                async for each in events:
                    if isinstance(each, Shown) and _is_news(each.object, pod, told):
                        self._repeat(volume, each.object)

    def _repeat(self, volume: PersistentVolume, event: Event) -> None:
        kind: EventType = "Warning" if event.type == "Warning" else "Normal"
        self._recorder.event(volume, VOLUMES, kind, "RecyclerPod", f"recycler pod: {event.message}")


def _is_news(event: Event, pod: Pod, told: set[tuple[str, int | None]]) -> bool:
    mark = (event.name, event.count)
    if event.involved_object.uid != pod.uid or mark in told:
        return False
    told.add(mark)
    return True
