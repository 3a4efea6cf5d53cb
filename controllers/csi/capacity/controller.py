"""csi-capacity: what it watches, what its keys are, and one pass over each.

A key is a class and a place; one more stands for all of them, looked at anew, and one with a mark in front for an
object that is about none.
"""

from collections.abc import Iterable
from typing import Final

import structlog
from prometheus_client import Gauge

from controllers.csi.capacity.decide import (
    Known,
    Pair,
    Room,
    Segment,
    body,
    change,
    is_ours,
    pair_of,
    pairs,
    touched,
)
from controllers.csi.capacity.owner import OwnerError, owners
from controllers.csi.context import SidecarContext
from controllers.csi.places import Places
from controllers.runtime import Loop, Retry
from kube.errors import NotFound
from model.csi import CSINode, CSIStorageCapacity
from model.meta import JSON
from model.resources import CAPACITIES
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Node
from plugins.csi import csi_pb2 as pb
from plugins.csi import parameters
from plugins.csi.driver import TOPOLOGY
from plugins.errors import PluginError

log = structlog.get_logger()

WORKERS: Final = 4
SOON_SECONDS: Final = 0.5
"""What changes in heaps is asked for once."""
_ALL: Final = "*"
_STRAY: Final = "!"


class Capacity:
    """The controller."""

    def __init__(self, context: SidecarContext) -> None:
        base, self._settings = context.base, context.settings
        self._client, self._caches, self._writer = base.client, base.caches, base.writer
        self._driver = context.driver
        self._places = Places(base.caches, context.driver.name)
        self._wanted = Known()
        self._owners: tuple[JSON, ...] | None = None
        first, longest = self._settings.backoff_seconds
        self._queue = base.queue("csi-capacity", base_seconds=first, max_seconds=longest)
        self._count(context)
        self._caches.nodes.subscribe(self._on_node)
        self._caches.csi_nodes.subscribe(self._on_csi_node)
        self._caches.classes.subscribe(self._on_class)
        self._caches.capacities.subscribe(self._on_capacity)
        self._caches.volumes.subscribe(self._on_volume)
        self._caches.claims.subscribe(self._on_claim)
        # Only now, as the volumes that there are need not be looked at one by one: all pairs are asked for at once.
        self._look()
        poll = self._settings.capacity_poll_seconds
        self.loops = (Loop("csi-capacity", self._queue, self._reconcile, WORKERS, self._poll, poll),)

    async def _reconcile(self, key: str) -> float | None:
        if key == _ALL:
            self._look()
        elif key.startswith(_STRAY):
            await self._drop(key.removeprefix(_STRAY))
        else:
            await self._publish(Pair.read(key))
        return None

    def _look(self) -> None:
        """Find out which pairs there are to be, and queue those that are new or are not to be any more."""
        before, self._wanted = self._wanted, Known(self._pairs())
        for pair in before.pairs ^ self._wanted.pairs:
            self._queue.add(str(pair))
        for found in self._ours():
            if pair_of(found) not in self._wanted.pairs:
                self._queue.add(_key(found))

    def _pairs(self) -> frozenset[Pair]:
        segments: list[Segment] = [()]
        if TOPOLOGY in self._driver.services:
            segments = [tuple(each.items()) for each in self._places.segments()]
        immediate = self._settings.capacity_for_immediate
        return pairs(self._caches.classes.values(), segments, self._driver.name, immediate=immediate)

    async def _publish(self, pair: Pair) -> None:
        """Say what is left of a pair, in one object; in none if there is to be none."""
        there = sorted((each for each in self._ours(pair.storage_class) if pair_of(each) == pair), key=_age)
        storage_class = self._caches.classes.get(pair.storage_class)
        if (pair not in self._wanted.pairs and pair not in self._pairs()) or storage_class is None:
            for each in there:
                await self._writer.delete(CAPACITIES, each)
            return
        for surplus in there[1:]:
            await self._writer.delete(CAPACITIES, surplus)
        room = await self._room(pair, storage_class)
        if not there:
            await self._create(body(pair, room, self._driver.name, await self._owned()))
        elif (changes := change(there[0], room, await self._owned())) is not None:
            await self._writer.patch(CAPACITIES, there[0], changes)

    async def _create(self, new: JSON) -> None:
        try:
            await self._writer.create(CAPACITIES, new, self._settings.namespace)
        except NotFound as error:  # the namespace: no lost race, which nobody would be told of
            raise Retry(str(error)) from error

    async def _room(self, pair: Pair, storage_class: StorageClass) -> Room:
        try:
            request = pb.GetCapacityRequest(parameters=parameters.read(storage_class.parameters or {}).driver)
            if pair.segment:
                request.accessible_topology.segments.update(dict(pair.segment))
            answer = await self._driver.controller.capacity(request)
        except PluginError as error:
            raise Retry(str(error)) from error
        largest = answer.maximum_volume_size.value if answer.HasField("maximum_volume_size") else None
        return Room(answer.available_capacity, largest)

    async def _owned(self) -> tuple[JSON, ...]:
        if self._owners is None:
            settings = self._settings
            try:
                self._owners = await owners(self._client, settings.namespace, settings.pod_name, settings.owner_level)
            except OwnerError as error:
                raise Retry(str(error)) from error
        return self._owners

    async def _drop(self, key: str) -> None:
        found = self._caches.capacities.get(key)
        if found is not None and self._is_ours(found) and pair_of(found) is None:
            await self._writer.delete(CAPACITIES, found)

    def _ours(self, storage_class: str | None = None) -> list[CSIStorageCapacity]:
        cache = self._caches.capacities
        found = cache.values() if storage_class is None else cache.by("class", storage_class)
        return [each for each in found if self._is_ours(each)]

    def _is_ours(self, found: CSIStorageCapacity) -> bool:
        return is_ours(found, self._driver.name, self._settings.namespace)

    def _poll(self) -> Iterable[str]:
        return [_ALL, *map(str, self._wanted.pairs)]

    # --- what happens ---

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if old is None or new is None or old.labels != new.labels:
            self._queue.add_after(_ALL, SOON_SECONDS)

    def _on_csi_node(self, old: CSINode | None, new: CSINode | None) -> None:
        if old is None or new is None or old.spec != new.spec:
            self._queue.add_after(_ALL, SOON_SECONDS)

    def _on_class(self, old: StorageClass | None, new: StorageClass | None) -> None:
        if any(each is not None and each.provisioner == self._driver.name for each in (old, new)):
            self._queue.add_after(_ALL, SOON_SECONDS)

    def _on_capacity(self, old: CSIStorageCapacity | None, new: CSIStorageCapacity | None) -> None:
        """What others did to our objects is put right; what we did is as it should be."""
        if new is not None and self._writer.is_own(new):
            return
        for each in (old, new):
            if each is not None and self._is_ours(each):
                self._queue.add(_key(each))

    def _on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        """A volume that came, grew or went took or gave room."""
        if old is not None and new is not None and old.spec.capacity == new.spec.capacity:
            return
        volume = new or old
        if volume is not None and volume.spec.csi is not None and volume.spec.csi.driver == self._driver.name:
            for pair in touched(volume, self._wanted):
                self._queue.add_after(str(pair), SOON_SECONDS)

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        """A claim that is sent to another node found less than we had said."""
        if old is None or new is None or not old.selected_node or new.selected_node or new.spec.volume_name:
            return
        for pair in self._wanted.of_class(new.storage_class):
            self._queue.add(str(pair))

    def _count(self, context: SidecarContext) -> None:
        registry = context.base.registry
        goal = Gauge("csistoragecapacities_desired_goal", "Objects that there are to be.", registry=registry)
        current = Gauge("csistoragecapacities_desired_current", "Those of them that there are.", registry=registry)
        obsolete = Gauge("csistoragecapacities_obsolete", "Objects that are to go.", registry=registry)
        goal.set_function(lambda: len(self._wanted.pairs))
        current.set_function(lambda: len(self._wanted.pairs & {pair_of(each) for each in self._ours()}))
        obsolete.set_function(lambda: sum(pair_of(each) not in self._wanted.pairs for each in self._ours()))


def _key(found: CSIStorageCapacity) -> str:
    """The key of what an object is about."""
    pair = pair_of(found)
    return _STRAY + found.key if pair is None else str(pair)


def _age(found: CSIStorageCapacity) -> tuple[str, str]:
    """The oldest first."""
    return found.metadata.creation_timestamp or "", found.name
