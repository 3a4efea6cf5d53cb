"""Claims and volumes to be bound, on a real API server: made, followed until they are bound, and removed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from kube.cache import Cache
from kube.client import Client
from model import names
from model.meta import JSON
from model.resources import CLAIMS, NAMESPACES, VOLUMES
from model.volumes import ClaimPhase, PersistentVolumeClaim

LARGEST_GI: Final = 7
AT_ONCE: Final = 32


class Followed:
    """Claims of one namespace, and when each of them was bound."""

    def __init__(self, cache: Cache[PersistentVolumeClaim]) -> None:
        self.times: dict[str, float] = {}
        """By name, on the clock of `time.perf_counter`."""
        self._changed = asyncio.Event()
        cache.subscribe(self._on_claim)

    async def bound(self, count: int) -> None:
        """Return when so many are."""
        while len(self.times) < count:
            self._changed.clear()
            await self._changed.wait()

    def _on_claim(self, _: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is None or new.name in self.times:
            return
        if new.status.phase == ClaimPhase.BOUND and names.BIND_COMPLETED in new.annotations:
            self.times[new.name] = time.perf_counter()
            self._changed.set()


@asynccontextmanager
async def followed(client: Client, namespace: str) -> AsyncIterator[Followed]:
    """The claims of a namespace while the block runs."""
    cache = Cache(client, CLAIMS, namespace=namespace)
    task = asyncio.create_task(cache.run())
    try:
        await cache.wait_synced()
        yield Followed(cache)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def make_volumes(client: Client, namespace: str, count: int) -> None:
    """Volumes of 1 to 7 Gi in turn, Available, as a binder has left them before."""
    await all_of(_volume(client, f"{namespace}-{number}", number) for number in range(count))


async def make_claims(client: Client, namespace: str, count: int) -> None:
    """As many claims of as many sizes, and their namespace."""
    await client.create(NAMESPACES, {"metadata": {"name": namespace}})
    await all_of(make_claim(client, namespace, number) for number in range(count))


async def make_claim(client: Client, namespace: str, number: int) -> None:
    """One of them."""
    spec = {**_modes(), "resources": {"requests": _size(number)}}
    await client.create(CLAIMS, {"metadata": {"name": f"claim-{number}"}, "spec": spec}, namespace)


async def remove(client: Client, namespace: str, count: int) -> None:
    """All that was made; the namespace stays, which would need a controller to go."""
    await all_of(client.delete(CLAIMS, f"claim-{number}", namespace) for number in range(count))
    await all_of(client.delete(VOLUMES, f"{namespace}-{number}") for number in range(count))


async def all_of(work: Iterable[Awaitable[Any]]) -> None:
    """Do it all, a few at a time."""
    few = asyncio.Semaphore(AT_ONCE)

    async def bounded(each: Awaitable[Any]) -> None:
        async with few:
            await each

    await asyncio.gather(*(bounded(each) for each in work))


async def _volume(client: Client, name: str, number: int) -> None:
    source = {"path": f"/somewhere/{name}"}
    spec = {**_modes(), "capacity": _size(number), "hostPath": source, "persistentVolumeReclaimPolicy": "Retain"}
    await client.create(VOLUMES, {"metadata": {"name": name}, "spec": spec})
    await client.patch(VOLUMES, name, {"status": {"phase": "Available"}}, subresource="status")


def _modes() -> JSON:
    """What is alike on both sides; the class is none, by choice."""
    return {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}


def _size(number: int) -> JSON:
    return {"storage": f"{number % LARGEST_GI + 1}Gi"}
