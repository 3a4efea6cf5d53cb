"""Claims that come and go in waves: some take volumes that are there, some have theirs made and destroyed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final

from kube.caches import Caches
from kube.client import Client
from model.meta import JSON
from model.resources import CLAIMS, CLASSES, NAMESPACES, VOLUMES
from plugins import host_path
from tests.waiting import eventually

NAMESPACE: Final = "soak"
CLASS: Final = "made"
PATIENCE_SECONDS: Final = 120.0
"""A step of a wave that takes longer is stuck."""
AT_ONCE: Final = 16


class Waves:
    """Waves of claims on one cluster, one after the other in each lane. What goes wrong ends the wave with an error."""

    def __init__(self, client: Client, caches: Caches, storage: Path, size: int) -> None:
        self._client = client
        self._caches = caches
        self._storage = storage
        self._size = size
        self.bound = 0
        """Claims, of all waves."""

    async def prepare(self) -> None:
        """The namespace and the class."""
        await self._client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        made = {"metadata": {"name": CLASS}, "provisioner": host_path.NAME, "reclaimPolicy": "Delete"}
        await self._client.create(CLASSES, made)

    async def wave(self, name: str) -> None:
        """One wave, from its first claim until nothing is left of it."""
        static = [f"{name}-static-{number}" for number in range(self._size)]
        made = [f"{name}-made-{number}" for number in range(self._size)]
        await self._all(self._client.create(VOLUMES, _volume(name, number)) for number in static)
        await self._all(self._client.create(CLAIMS, _claim(each, name), NAMESPACE) for each in static)
        await self._all(self._client.create(CLAIMS, _claim(each, CLASS), NAMESPACE) for each in made)
        await self._until("bound", lambda: [each for each in static + made if not self._is_joined(each)])
        self.bound += len(static) + len(made)
        volumes = [self._volume_of(each) for each in made]
        await self._all(self._client.delete(CLAIMS, each, NAMESPACE) for each in static + made)
        await self._until("gone", lambda: [each for each in static + made if self._claim(each) is not None])
        await self._until("released", lambda: [each for each in static if self._phase(each) != "Released"])
        await self._until("destroyed", lambda: [each for each in volumes if self._phase(each)])
        await self._all(self._client.delete(VOLUMES, each) for each in static)
        await self._until("away", lambda: [each for each in static if self._phase(each)])

    async def left_over(self) -> list[str]:
        """What is there although all waves are over, as the server and the disk have it."""
        objects = [*await self._client.list(CLAIMS), *await self._client.list(VOLUMES)]
        return [each.key for each in objects] + [str(each) for each in await asyncio.to_thread(self._directories)]

    def _directories(self) -> list[Path]:
        return [*self._storage.iterdir()] if self._storage.is_dir() else []

    def _is_joined(self, name: str) -> bool:
        """Whether the claim and its volume are each other's, both Bound. Raises where two have one volume."""
        claim = self._claim(name)
        if claim is None or not claim.fully_bound or claim.status.phase != "Bound":
            return False
        sharing = self._caches.claims.by("volume", claim.spec.volume_name)
        assert len(sharing) == 1, f"volume {claim.spec.volume_name} has {[each.key for each in sharing]}"
        volume = self._caches.volumes.get(claim.spec.volume_name)
        reference = volume.spec.claim_ref if volume else None
        return (
            volume is not None
            and reference is not None
            and reference.uid == claim.uid
            and volume.status.phase == "Bound"
        )

    def _claim(self, name: str) -> Any:
        return self._caches.claims.get(f"{NAMESPACE}/{name}")

    def _volume_of(self, name: str) -> str:
        return str(self._claim(name).spec.volume_name)

    def _phase(self, volume: str) -> str:
        """Of a volume; "" where there is none."""
        found = self._caches.volumes.get(volume)
        return found.status.phase if found else ""

    async def _until(self, what: str, lacking: Callable[[], list[str]]) -> None:
        try:
            _ = await eventually(lambda: not lacking(), within_seconds=PATIENCE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"not {what} after {PATIENCE_SECONDS:g} s: {', '.join(lacking())}") from None

    async def _all(self, work: Iterable[Awaitable[Any]]) -> None:
        few = asyncio.Semaphore(AT_ONCE)

        async def bounded(each: Awaitable[Any]) -> None:
            async with few:
                await each

        await asyncio.gather(*(bounded(each) for each in work))


def _volume(storage_class: str, name: str) -> JSON:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": f"/somewhere/{name}"},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": storage_class,
    }
    return {"metadata": {"name": name}, "spec": spec}


def _claim(name: str, storage_class: str) -> JSON:
    requests = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": requests}
    return {"metadata": {"name": name}, "spec": spec}
