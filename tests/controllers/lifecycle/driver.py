"""The part of the driver `hostpath.csi.test`: its provisioner and resizer, on objects alone, without any storage.

They make the moves that the external-provisioner and the external-resizer are documented to make, one step at a time
and only when the controllers rest; so the controllers meet the objects that such a driver leaves.
"""

from typing import Any, Final

from model import names
from model.meta import JSON
from model.quantity import nanos
from tests.controllers.api import Api

NAME: Final = "hostpath.csi.test"
_VOLUME: Final = "PersistentVolume"
_CLAIM: Final = "PersistentVolumeClaim"
_SECRET: Final = "volume.kubernetes.io/provisioner-deletion-secret-"


class Driver:
    """Looks at everything there is and does one thing."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.acted = False
        """Whether it ever did anything."""

    async def step(self) -> bool:
        """Do one thing; whether there was one."""
        claims = await self._api.all(_CLAIM)
        volumes = {each["metadata"]["name"]: each for each in await self._api.all(_VOLUME)}
        classes = {each["metadata"]["name"]: each for each in await self._api.all("StorageClass")}
        for claim in claims:
            if await self._provision(claim, classes, volumes) or await self._expand(claim, volumes):
                self.acted = True
                return True
        for volume in volumes.values():
            if volume["spec"].get("csi", {}).get("driver") == NAME and await self._delete(volume):
                self.acted = True
                return True
        return False

    async def _provision(self, claim: JSON, classes: dict[str, JSON], volumes: dict[str, JSON]) -> bool:
        spec, annotations = claim["spec"], claim["metadata"].get("annotations", {})
        storage_class = classes.get(spec.get("storageClassName", ""))
        name = f"pvc-{claim['metadata']['uid']}"
        if (
            spec.get("volumeName")
            or annotations.get(names.STORAGE_PROVISIONER) != NAME
            or storage_class is None
            or name in volumes
        ):
            return False
        if storage_class["volumeBindingMode"] == "WaitForFirstConsumer" and not annotations.get(names.SELECTED_NODE):
            return False
        await self._api.tell(claim, "Provisioning", f"{NAME}_test")
        await self._api.create(_volume(name, claim, storage_class))
        await self._api.tell(claim, "ProvisioningSucceeded", f"{NAME}_test")
        return True

    async def _delete(self, volume: JSON) -> bool:
        metadata, spec = volume["metadata"], volume["spec"]
        finalizers, phase = metadata.get("finalizers", []), volume["status"]["phase"]
        policy, going = spec["persistentVolumeReclaimPolicy"], "deletionTimestamp" in metadata
        ours = names.EXTERNAL_PROVISIONER in finalizers
        others = [each for each in finalizers if each != names.EXTERNAL_PROVISIONER]
        if policy != "Delete":
            return ours and await self._hold(volume, others)
        if phase == "Bound" and not going and not ours:
            return await self._hold(volume, [*finalizers, names.EXTERNAL_PROVISIONER])
        if phase != "Released" or (going and not ours):
            return False
        if not going:
            await self._api.delete(_VOLUME, "", metadata["name"])
            return True
        return await self._hold(volume, others)

    async def _hold(self, volume: JSON, finalizers: list[str]) -> bool:
        """Write the finalizers; whoever was faster makes it a step for another time."""
        version = volume["metadata"]["resourceVersion"]
        await self._api.merge(volume, {"metadata": {"finalizers": finalizers, "resourceVersion": version}})
        return True

    async def _expand(self, claim: JSON, volumes: dict[str, JSON]) -> bool:
        """Grow at once and leave the file system to the node."""
        volume, status = volumes.get(claim["spec"].get("volumeName", "")), claim["status"]
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        if (
            volume is None
            or status["phase"] != "Bound"
            or volume["spec"].get("csi", {}).get("driver") != NAME
            or nanos(wanted) <= nanos(status["capacity"]["storage"])
            or "storage" in status.get("allocatedResourceStatuses", {})
        ):
            return False
        await self._api.merge(claim, _resizing("ControllerResizeInProgress", wanted, "Resizing"), "status")
        await self._api.tell(claim, "Resizing", f"external-resizer {NAME}")
        await self._api.merge(volume, {"spec": {"capacity": {"storage": wanted}}})
        await self._api.merge(claim, _resizing("NodeResizePending", wanted, "FileSystemResizePending"), "status")
        return True


def _volume(name: str, claim: JSON, storage_class: JSON) -> JSON:
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": _VOLUME,
        "metadata": {
            "name": name,
            "annotations": {
                names.PROVISIONED_BY: NAME,
                f"{_SECRET}name": "",
                f"{_SECRET}namespace": "",
            },
            "finalizers": [names.EXTERNAL_PROVISIONER],
        },
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "persistentVolumeReclaimPolicy": storage_class["reclaimPolicy"],
            "storageClassName": storage_class["metadata"]["name"],
            "csi": {
                "driver": NAME,
                "volumeHandle": f"handle-of-{name}",
                "volumeAttributes": {"storage.kubernetes.io/csiProvisionerIdentity": "test"},
            },
            "claimRef": {
                "apiVersion": "v1",
                "kind": _CLAIM,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
        },
    }


def _resizing(status: str, size: str, condition: str) -> dict[str, Any]:
    return {
        "status": {
            "allocatedResources": {"storage": size},
            "allocatedResourceStatuses": {"storage": status},
            "conditions": [{"type": condition, "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}],
        }
    }
