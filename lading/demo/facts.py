"""The cluster as the demo's audience sees it: pods with what the scheduler says of them, claims, volumes, nodes."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kube.cache import Cache
from kube.client import Client
from lading.demo.story import NAMESPACE
from model.meta import Object
from model.resources import CLAIMS, NODES, PODS, VOLUMES, Resource
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Node, Pod, PodStatus


class Condition(msgspec.Struct, frozen=True, gc=False):
    """One of a pod's conditions."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class ToldStatus(PodStatus, frozen=True, gc=False):
    """A pod's status with its conditions."""

    conditions: tuple[Condition, ...] | None = None


class ToldPod(Pod, frozen=True, gc=False):
    """A pod with what the scheduler says of it."""

    status: ToldStatus = ToldStatus()

    @property
    def refusal(self) -> str:
        """Why it has no node, in the scheduler's words; "" where it has one, or was not looked at yet."""
        listed = self.status.conditions or ()
        refused = (each for each in listed if each.type == "PodScheduled" and each.status == "False")
        return next((each.message for each in refused if each.reason == "Unschedulable"), "")


_TOLD_PODS: Final = Resource(PODS.group, PODS.version, PODS.plural, PODS.kind, namespaced=PODS.namespaced, view=ToldPod)

Told = Callable[[Object | None, Object | None], None]
"""Called with what an object was and what it is now; None where it was not, or is not."""


@dataclass(frozen=True)
class Mounted:
    """A claim of a pod, and its volume once it is bound."""

    claim: str
    volume: PersistentVolume | None


class Facts:
    """What is there now, kept current by watches."""

    def __init__(self, client: Client) -> None:
        self._pods = Cache(client, _TOLD_PODS, namespace=NAMESPACE)
        self._claims = Cache(client, CLAIMS, namespace=NAMESPACE)
        self._volumes, self._nodes = Cache(client, VOLUMES), Cache(client, NODES)
        self._changed = asyncio.Event()
        for cache in self._all:
            cache.subscribe(lambda _old, _new: self._changed.set())

    @property
    def _all(self) -> tuple[Cache[Any], ...]:
        return self._nodes, self._volumes, self._claims, self._pods

    def subscribe(self, told: Told) -> None:
        """Tell of every change."""
        for cache in self._all:
            cache.subscribe(told)

    async def run(self) -> None:
        """Follow for ever."""
        async with asyncio.TaskGroup() as group:
            for cache in self._all:
                group.create_task(cache.run())

    async def wait_synced(self) -> None:
        """Return when all that was there is known."""
        for cache in self._all:
            await cache.wait_synced()

    async def changed(self) -> None:
        """Return at the next change."""
        self._changed.clear()
        await self._changed.wait()

    def pods(self) -> list[ToldPod]:
        """All pods, by name."""
        return sorted(self._pods.values(), key=lambda pod: pod.name)

    def pod(self, name: str) -> ToldPod | None:
        """One pod."""
        return self._pods.get(f"{NAMESPACE}/{name}")

    def mounts(self, pod: Pod) -> Iterator[Mounted]:
        """The pod's claims and their volumes."""
        for each in pod.volumes:
            name = pod.claim_name(each)
            claim = self._claims.get(f"{NAMESPACE}/{name}") if name else None
            if claim is not None:
                yield Mounted(claim.name, self._volume_of(claim))

    def node(self, name: str) -> Node | None:
        """One node."""
        return self._nodes.get(name)

    def nodes(self) -> list[Node]:
        """All nodes, by name."""
        return sorted(self._nodes.values(), key=lambda node: node.name)

    def _volume_of(self, claim: PersistentVolumeClaim) -> PersistentVolume | None:
        bound = claim.spec.volume_name if claim.fully_bound else ""
        volume = self._volumes.get(bound) if bound else None
        reference = volume.spec.claim_ref if volume else None
        return volume if reference is not None and reference.uid == claim.uid else None
