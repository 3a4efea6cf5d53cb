"""The scheduler's writes to the API server."""

from datetime import UTC, datetime

import structlog

from model.meta import JSON
from sandbox.api import Api
from sandbox.attributes import Call, User
from sandbox.bodies import Body
from sandbox.deletion import DeleteOptions
from sandbox.errors import ApiError
from sandbox.history import Key
from sandbox.pipeline import Change, timestamp
from sandbox.scheduler import reports
from sandbox.scheduler.views import Pod

log = structlog.get_logger()

_USER = User("system:kube-scheduler", groups=("system:authenticated",))


class Writer:
    """What fails in telling is logged: the next attempt tells it again."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._pods, self._events = api.kind("v1", "Pod"), api.kind("events.k8s.io/v1", "Event")

    async def bind(self, pod: Pod, node: str) -> None:
        """Put the pod on the node.

        Raises:
            ApiError: the pod is gone, is another one, or has a node.
        """
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        metadata = {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
        await self._api.bind(self._pods, _key(pod), Body({"metadata": metadata, "target": target}), _call())

    async def scheduled(self, pod: Pod, node: str) -> None:
        """Say that the pod has got its node."""
        note = f"Successfully assigned {pod.key} to {node}"
        await self._tell(reports.event(pod, "Normal", "Scheduled", "Binding", note, _now()))

    async def refused(self, pod: Pod, reason: str, message: str, nominated: str | None) -> None:
        """Say why the pod has none."""
        await self._tell(reports.event(pod, "Warning", "FailedScheduling", "Scheduling", message, _now()))
        now = timestamp(_now())
        await self._change(pod, lambda old: reports.refused(old, reason, message, nominated, now))

    async def evict(self, victim: Pod, preemptor: Pod, node: str) -> None:
        """Delete a pod that has to make room.

        Raises:
            ApiError: it can not be deleted.
        """
        now = timestamp(_now())
        await self._change(victim, lambda old: reports.disrupted(old, preemptor, now))
        try:
            await self._api.delete(self._pods, _key(victim), DeleteOptions(uid=victim.uid), _call())
        except ApiError as error:
            if error.code != 404:
                raise
        note = f"Preempted by pod {preemptor.uid} on node {node}"
        await self._tell(reports.event(victim, "Normal", "Preempted", "Preempting", note, _now()))

    async def _change(self, pod: Pod, change: Change) -> None:
        def changed(old: JSON) -> JSON:
            # Another pod of that name is none of our business.
            return change(old) if old["metadata"]["uid"] == pod.uid else dict(old)

        try:
            await self._api.change(self._pods, _key(pod), changed, "status")
        except ApiError as error:
            log.info("pod status not written", pod=pod.key, error=str(error))

    async def _tell(self, event: JSON) -> None:
        metadata = event["metadata"]
        key = (metadata["namespace"], metadata["name"])
        try:
            if self._api.store.get(self._events.stored_resource, key) is None:
                await self._api.create(self._events, key[0], event, _call())
            else:
                await self._api.change(self._events, key, lambda old: reports.repeated(old, _now()))
        except ApiError as error:
            log.info("event not written", reason=event["reason"], about=event["regarding"]["name"], error=str(error))


def _key(pod: Pod) -> Key:
    return (pod.namespace, pod.name)


def _call() -> Call:
    return Call(_USER, manager="kube-scheduler", validation="Ignore")


def _now() -> datetime:
    return datetime.now(UTC)
