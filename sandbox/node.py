"""Stand-in for the kubelets: a pod on a node runs once its claims are bound, and ends when it is deleted.

Nothing is executed and nothing mounted: what others read of a pod's status is all there is.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final, NoReturn

from model.meta import JSON
from sandbox.api import Api
from sandbox.deletion import DeleteOptions
from sandbox.errors import ApiError
from sandbox.following import follow
from sandbox.pipeline import timestamp

_RUNNING: Final = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
_BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"


class Nodes:
    """All the kubelets of the cluster."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._pods, self._claims = api.kind("v1", "Pod"), api.kind("v1", "PersistentVolumeClaim")
        self._addresses = 0

    async def run(self) -> NoReturn:
        """Follow pods and claims for ever."""
        async with follow(self._api, [self._pods, self._claims]) as events:
            async for seen in events:
                if seen.kind is self._pods:
                    if not seen.gone:
                        await self._attend(seen.obj)
                elif _bound(seen.obj) and not seen.gone:
                    await self._attend_users(seen.obj["metadata"])
        raise AssertionError("following never ends")

    async def _attend_users(self, claim: JSON) -> None:
        for record in list(self._api.store.records("pods", claim["namespace"])):
            if claim["name"] in _claim_names(record.value):
                await self._attend(record.value)

    async def _attend(self, pod: JSON) -> None:
        metadata, status = pod["metadata"], pod.get("status") or {}
        if not pod["spec"].get("nodeName"):
            return
        key = (metadata["namespace"], metadata["name"])
        try:
            if "deletionTimestamp" in metadata:
                options = DeleteOptions(uid=metadata["uid"], grace_seconds=0)
                if metadata.get("deletionGracePeriodSeconds"):
                    await self._api.delete(self._pods, key, options)
            elif status.get("phase", "Pending") == "Pending" and self._can_start(pod):
                await self._api.change(self._pods, key, self._started, "status")
        except ApiError:
            # It has changed or gone meanwhile, and is seen again if anything is left to do.
            await asyncio.sleep(0)

    def _can_start(self, pod: JSON) -> bool:
        namespace = pod["metadata"]["namespace"]
        claims = [self._api.store.get("persistentvolumeclaims", (namespace, name)) for name in _claim_names(pod)]
        return all(claim is not None and _bound(claim.value) for claim in claims)

    def _started(self, pod: JSON) -> JSON:
        self._addresses += 1
        now = timestamp(datetime.now(UTC))
        address = f"10.244.{self._addresses // 250 % 250}.{self._addresses % 250 + 1}"
        kept = [each for each in (pod.get("status") or {}).get("conditions") or () if each["type"] not in _RUNNING]
        conditions = [{"type": each, "status": "True", "lastTransitionTime": now} for each in _RUNNING]
        status = {
            **(pod.get("status") or {}),
            "phase": "Running",
            "startTime": now,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [*kept, *conditions],
            "containerStatuses": [_running(container, now) for container in pod["spec"].get("containers") or ()],
        }
        return {**pod, "status": status}


def _running(container: JSON, now: str) -> JSON:
    return {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
        "lastState": {},
    }


def _claim_names(pod: JSON) -> list[str]:
    names = []
    for volume in pod["spec"].get("volumes") or ():
        if source := volume.get("persistentVolumeClaim"):
            names.append(source["claimName"])
        elif "ephemeral" in volume:
            names.append(f"{pod['metadata']['name']}-{volume['name']}")
    return names


def _bound(claim: JSON) -> bool:
    annotations = claim["metadata"].get("annotations") or {}
    return bool(claim.get("spec", {}).get("volumeName")) and _BIND_COMPLETED in annotations
