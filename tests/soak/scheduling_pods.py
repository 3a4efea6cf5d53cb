"""Pods that come and go: each is bound within its time, runs for a while, and leaves nothing behind."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any, Final

from kube.caches import Caches
from kube.client import Client
from model.meta import JSON
from model.resources import CLAIMS, EVENTS, PODS, VOLUMES
from model.workloads import Pod
from tests.soak.scheduling_cluster import NAMESPACE, PLACES, ZONES, disk

KINDS: Final = ("named", "disk", "made", "pool", "two", "exclusive", "adopted")
"""A claim that names its volume; that takes a free one; a directory; room of a pool, once and twice; a claim for one
pod alone that two want; a directory for a pod that names its node itself."""
DEADLINE_SECONDS: Final = 240.0
"""Until a pod must be bound, or what it leaves be gone: more than a pool's last room may be offered late."""
RUNS_SECONDS: Final = (3.0, 8.0)


class StuckError(AssertionError):
    """Something did not come about in time."""


class Pods:
    """All pods of one run."""

    def __init__(self, client: Client, caches: Caches, random: Random) -> None:
        self._client = client
        self._caches = caches
        self._random = random
        self._number = 0
        self.waited: dict[str, list[float]] = defaultdict(list)
        """Seconds until they were bound, by kind."""

    @property
    def bound(self) -> int:
        """How many were bound so far."""
        return sum(map(len, self.waited.values()))

    async def one(self, kind: str) -> None:
        """From its creation until nothing is left of it."""
        self._number += 1
        name = f"{kind}-{self._number}"
        claims = list(self._claims(kind, name))
        if kind in ("named", "exclusive"):
            await self._client.create(VOLUMES, self._volume(kind, name))
        for each in claims:
            await self._client.create(CLAIMS, each, NAMESPACE)
        keys = [each["metadata"]["name"] for each in claims]
        twins = (f"{name}-a", f"{name}-b") if kind == "exclusive" else (name,)
        async with asyncio.TaskGroup() as group:
            for each in twins:
                group.create_task(self._run(kind, each, keys))
        for each in keys:
            await self._client.delete(CLAIMS, each, NAMESPACE)
        gone = f"claims of {name} gone"
        await self._until(gone, lambda: not any(self._claim(each) for each in keys), lambda: self._why(name, keys))

    async def _run(self, kind: str, name: str, claims: list[str]) -> None:
        began = time.monotonic()
        spec = {"nodeName": self._random.choice([*PLACES])} if kind == "adopted" else {}
        await self._client.create(PODS, _pod(name, claims, **spec), NAMESPACE)
        await self._until(f"pod {name} bound", lambda: self._is_bound(name, claims), lambda: self._why(name, claims))
        self.waited[kind].append(time.monotonic() - began)
        await asyncio.sleep(self._random.uniform(*RUNS_SECONDS))
        await self._client.delete(PODS, name, NAMESPACE, grace_seconds=0)

    def _claims(self, kind: str, name: str) -> Iterator[JSON]:
        match kind:
            case "named" | "exclusive":
                modes = ["ReadWriteOncePod"] if kind == "exclusive" else ["ReadWriteOnce"]
                yield _claim(name, "named", 1, volumeName=name, accessModes=modes)
            case "disk":
                yield _claim(name, "disk", 1)
            case "made" | "adopted":
                yield _claim(name, "made", 1)
            case "pool":
                yield _claim(name, "pool", self._random.randint(1, 4))
            case "two":
                yield _claim(f"{name}-0", "pool", self._random.randint(1, 3))
                yield _claim(f"{name}-1", "pool", self._random.randint(1, 2))

    def _volume(self, kind: str, name: str) -> JSON:
        modes = ["ReadWriteOncePod"] if kind == "exclusive" else ["ReadWriteOnce"]
        return disk(name, "named", self._random.choice(ZONES), accessModes=modes)

    def _is_bound(self, name: str, claims: list[str]) -> bool:
        pod = self._pod(name)
        has = [self._claim(each) for each in claims]
        return pod is not None and bool(pod.spec.node_name) and all(each and each.fully_bound for each in has)

    async def _why(self, name: str, claims: list[str]) -> str:
        """What is said of it, and how far its claims are."""
        pod, has = self._pod(name), [self._claim(each) for each in claims]
        told = await self._client.list(EVENTS, NAMESPACE, fields=f"involvedObject.name={name}")
        said = "; ".join(f"{each.reason} ({each.count}): {each.message}" for each in told)
        states = ", ".join(f"{each.name} {each.selected_node} {each.spec.volume_name}" for each in has if each)
        return f"on node {pod.spec.node_name or 'none'}, claims {states}, told {said}" if pod else "gone"

    def _pod(self, name: str) -> Pod | None:
        return self._caches.pods.get(f"{NAMESPACE}/{name}")

    def _claim(self, name: str) -> Any:
        return self._caches.claims.get(f"{NAMESPACE}/{name}")

    async def _until(self, what: str, so: Callable[[], bool], why: Callable[[], Awaitable[str]]) -> None:
        ends = time.monotonic() + DEADLINE_SECONDS
        while not so():
            if time.monotonic() > ends:
                raise StuckError(f"not within {DEADLINE_SECONDS:g} s: {what}: {await why()}")
            await asyncio.sleep(0.1)


async def left_over(client: Client) -> list[str]:
    """Pods, claims, and volumes that are no free disks, as the server has them."""
    objects = [*await client.list(PODS), *await client.list(CLAIMS), *await client.list(VOLUMES)]
    return [each.key for each in objects if not each.name.startswith(("disk-east-", "disk-west-"))]


def _pod(name: str, claims: list[str], **spec: Any) -> JSON:
    volumes = [{"name": f"v{n}", "persistentVolumeClaim": {"claimName": each}} for n, each in enumerate(claims)]
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "app", "image": "app:1"}], "volumes": volumes, **spec},
    }


def _claim(name: str, storage_class: str, gib: int, **spec: Any) -> JSON:
    return {
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": f"{gib}Gi"}},
            **spec,
        },
    }
