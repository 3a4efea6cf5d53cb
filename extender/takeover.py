"""What a replica waits for that takes over from another: that its caches show what that one wrote.

Caches that are followed all the while may be behind. Whoever binds by them would give away again what was just taken.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

import structlog

from kube.cache import Cache
from kube.caches import Caches
from kube.client import Client
from kube.errors import KubeError
from kube.store import as_number
from model.meta import Object
from model.resources import CLAIMS, PODS, VOLUMES, Resource

log = structlog.get_logger()

WRITTEN: Final[tuple[Resource[Any], ...]] = (PODS, CLAIMS, VOLUMES)
"""What an extender writes."""
AGAIN_SECONDS: Final = 1.0
"""Until the server is asked again that could not be."""


async def caught_up(client: Client, caches: Caches) -> None:
    """Return once the caches show all that the server has by now."""
    async with asyncio.TaskGroup() as group:
        for resource in WRITTEN:
            group.create_task(_caught_up(client, resource, caches.of(resource)))


async def _caught_up(client: Client, resource: Resource[Any], cache: Cache[Any]) -> None:
    behind = Behind()
    with cache.subscriptions():
        cache.subscribe(behind.on_change)
        behind.compare(await _listed(client, resource), cache.get)
        if behind.versions:
            log.info("waiting for the cache to catch up", resource=resource.plural, objects=len(behind.versions))
        await behind.is_none.wait()


async def _listed(client: Client, resource: Resource[Any]) -> list[Object]:
    """All objects as the server has them now."""
    while True:
        try:
            return list(await client.list(resource))
        except KubeError as fault:
            log.warning("not listed", resource=resource.plural, error=str(fault))
            await asyncio.sleep(AGAIN_SECONDS)


def age_seconds(now: datetime, time: str | None) -> float:
    """How long ago a time of the API was; infinite for none, and for what is not of a server's making."""
    try:
        return (now - datetime.fromisoformat(time or "")).total_seconds()
    except (ValueError, TypeError):
        return float("inf")


class Behind:
    """The objects that a cache does not show as they were listed, from before the list was asked for."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        """The version that is waited for, by uid."""
        self.is_none = asyncio.Event()
        self._gone: set[str] = set()

    def compare(self, listed: Iterable[Object], shown: Callable[[str], Object | None]) -> None:
        """What was listed, and how to ask for what the cache shows of it."""
        for obj in listed:
            there, version = shown(obj.key), as_number(obj.metadata.resource_version)
            is_shown = (
                there is not None and there.uid == obj.uid and as_number(there.metadata.resource_version) >= version
            )
            if not is_shown and obj.uid not in self._gone:
                self.versions[obj.uid] = version
        if not self.versions:
            self.is_none.set()

    def on_change(self, old: Object | None, new: Object | None) -> None:
        """The cache shows something."""
        obj = new or old
        assert obj is not None
        if new is None:
            self._gone.add(obj.uid)
        if obj.uid not in self.versions:
            return
        if new is None or as_number(new.metadata.resource_version) >= self.versions[obj.uid]:
            del self.versions[obj.uid]
            if not self.versions:
                self.is_none.set()
