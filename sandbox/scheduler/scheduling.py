"""The scheduler: it decides over one pod after another, and binds in the background.

Between its decision and the word of the API server a pod is assumed to be on its node; a binding that fails is
forgotten, and the pod is tried again after back-off.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final, NoReturn

import structlog

from model.meta import JSON
from sandbox.api import Api
from sandbox.errors import ApiError
from sandbox.following import Seen, follow
from sandbox.scheduler.attempt import Attempts, Refusal
from sandbox.scheduler.cluster import Cluster
from sandbox.scheduler.configuration import read_configuration
from sandbox.scheduler.extender import Extender, ExtenderError, connected
from sandbox.scheduler.queue import SchedulingQueue
from sandbox.scheduler.reports import ERROR, UNSCHEDULABLE
from sandbox.scheduler.views import Pod, read_node, read_pod
from sandbox.scheduler.writer import Writer

log = structlog.get_logger()

FLUSH_SECONDS: Final = 30.0
"""How often what was missed is looked for: pods that wait too long, objects that went unseen."""
_STORAGE: Final = (
    ("v1", "PersistentVolume"),
    ("v1", "PersistentVolumeClaim"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("storage.k8s.io/v1", "CSINode"),
    ("storage.k8s.io/v1", "CSIDriver"),
    ("storage.k8s.io/v1", "CSIStorageCapacity"),
    ("storage.k8s.io/v1", "VolumeAttachment"),
)
"""Kinds whose changes may let a pod fit, by an extender's rules."""


class Scheduler:
    """The least scheduler; `configuration` is a KubeSchedulerConfiguration.

    Raises:
        ConfigurationError: it can not be used; the message names the field.
    """

    def __init__(self, api: Api, configuration: JSON) -> None:
        self._api, self._configuration = api, read_configuration(configuration)
        self._pods, self._nodes = api.kind("v1", "Pod"), api.kind("v1", "Node")
        self._cluster, self._queue, self._writer = Cluster(), SchedulingQueue(), Writer(api)
        self._woken = asyncio.Event()

    async def run(self) -> NoReturn:
        """Schedule for ever.

        Raises:
            ConfigurationError: the TLS material of an extender can not be used.
        """
        kinds = [self._pods, self._nodes, *(self._api.kind(*each) for each in _STORAGE)]
        async with connected(self._configuration.extenders) as extenders, follow(self._api, kinds) as events:
            # All at once, and first: who is where must be known before anything is decided.
            for kind in (self._nodes, self._pods):
                for record in self._api.store.records(kind.stored_resource):
                    self._see(Seen(kind, record.value, gone=False))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._observe(events))
                group.create_task(self._flush())
                await self._schedule(extenders, group)
        raise AssertionError("scheduling never ends")

    # --- what happens in the cluster ---

    async def _observe(self, events: AsyncIterator[Seen]) -> None:
        async for seen in events:
            self._see(seen)

    def _see(self, seen: Seen) -> None:
        if seen.kind is self._pods:
            helps = self._see_pod(read_pod(seen.obj), gone=seen.gone)
        elif seen.kind is self._nodes:
            helps = self._see_node(seen)
        else:
            helps = True
        if helps:
            self._queue.move(time.monotonic())
        self._woken.set()

    def _see_pod(self, pod: Pod, *, gone: bool) -> bool:
        if gone:
            self._queue.forget(pod.uid)
            return self._cluster.remove_pod(pod.uid)
        if pod.waits_for_a_node and pod.spec.scheduler_name in self._configuration.names:
            self._queue.offer(pod, time.monotonic())
        else:
            self._queue.forget(pod.uid)
        return self._cluster.put_pod(pod)

    def _see_node(self, seen: Seen) -> bool:
        node = read_node(seen.obj)
        if not seen.gone:
            return self._cluster.put_node(node)
        self._cluster.remove_node(node.name)
        return False

    async def _flush(self) -> NoReturn:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            uids = {record.value["metadata"]["uid"] for record in self._api.store.records("pods")}
            names = {record.key[1] for record in self._api.store.records("nodes")}
            if self._cluster.keep_only(uids, names):
                self._queue.move(time.monotonic())
            self._queue.flush(time.monotonic())
            self._woken.set()

    # --- what is done about it ---

    async def _schedule(self, extenders: list[Extender], group: asyncio.TaskGroup) -> NoReturn:
        attempts = Attempts(self._api.store, self._cluster, extenders, self._configuration.ignored_resources)
        binders = [each for each in extenders if each.settings.bind_verb]
        while True:
            self._woken.clear()
            pod = self._queue.pop(time.monotonic())
            if pod is None:
                await self._wait()
                continue
            obj = self._waiting(pod.uid, pod)
            if obj is None:
                self._queue.forget(pod.uid)
            else:
                await self._attempt(attempts, read_pod(obj), obj, binders, group)
            await asyncio.sleep(0)

    async def _attempt(
        self, attempts: Attempts, pod: Pod, obj: JSON, binders: list[Extender], group: asyncio.TaskGroup
    ) -> None:
        try:
            found = await attempts.place(pod, obj)
        except ExtenderError as error:
            await self._failed(pod, ERROR, str(error))
            return
        if isinstance(found, Refusal):
            await self._refused(pod, found)
        else:
            self._cluster.assume(pod, found)
            group.create_task(self._bind(pod, found, binders), name=f"bind {pod.key}")

    async def _refused(self, pod: Pod, refusal: Refusal) -> None:
        try:
            for victim in refusal.victims:
                await self._writer.evict(victim, pod, refusal.nominated or "")
        except ApiError as error:
            await self._failed(pod, ERROR, f"preemption: {error}")
            return
        await self._failed(pod, UNSCHEDULABLE, refusal.message, refusal.nominated)

    async def _bind(self, pod: Pod, node: str, binders: list[Extender]) -> None:
        try:
            if not await self._bound_by_extender(pod, node, binders):
                await self._writer.bind(pod, node)
        except (ExtenderError, ApiError) as error:
            self._cluster.forget(pod.uid)
            # Its place is free again, for others too.
            self._queue.move(time.monotonic())
            await self._failed(pod, ERROR, str(error))
        else:
            self._queue.forget(pod.uid)
            await self._writer.scheduled(pod, node)

    async def _bound_by_extender(self, pod: Pod, node: str, binders: list[Extender]) -> bool:
        for extender in binders:
            if extender.interested_in(pod):
                try:
                    await extender.bind(pod, node)
                except ExtenderError as error:
                    if not extender.settings.ignorable:
                        raise
                    log.info("extender ignored", extender=extender.settings.url, error=str(error))
                    return False
                return True
        return False

    async def _failed(self, pod: Pod, reason: str, message: str, nominated: str | None = None) -> None:
        """Try again later and say why; but not a pod that has gone, or that was bound although the call failed."""
        obj = self._waiting(pod.uid, pod)
        if obj is None:
            self._queue.forget(pod.uid)
        else:
            self._queue.failed(pod.uid, time.monotonic(), retry=reason == ERROR)
            await self._writer.refused(pod, reason, message, nominated)
        self._woken.set()

    def _waiting(self, uid: str, pod: Pod) -> JSON | None:
        """The pod as it is now, if it still waits for a node."""
        record = self._api.store.get("pods", (pod.namespace, pod.name))
        if record is None or record.value["metadata"]["uid"] != uid or not read_pod(record.value).waits_for_a_node:
            return None
        return record.value

    async def _wait(self) -> None:
        """Until something happens, or a back-off ends."""
        try:
            async with asyncio.timeout(self._queue.seconds_to_next(time.monotonic())):
                await self._woken.wait()
        except TimeoutError:
            return
