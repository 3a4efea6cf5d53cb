"""The cluster as plain JSON, and what every filter reads of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
Verdict = tuple[str, tuple[str, ...]]

LABELS = (
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
)
DISKS = ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd")
IN_TREE = {  # source: plugin, driver, topology key
    "awsElasticBlockStore": ("kubernetes.io/aws-ebs", "ebs.csi.aws.com", "topology.ebs.csi.aws.com/zone"),
    "gcePersistentDisk": ("kubernetes.io/gce-pd", "pd.csi.storage.gke.io", "topology.gke.io/zone"),
    "azureDisk": ("kubernetes.io/azure-disk", "disk.csi.azure.com", ""),
    "cinder": ("kubernetes.io/cinder", "cinder.csi.openstack.org", "topology.cinder.csi.openstack.org/zone"),
    "portworxVolume": ("kubernetes.io/portworx-volume", "pxd.portworx.com", ""),
}


class FailedError(Exception):
    """E: the whole attempt fails."""


class RejectedError(Exception):
    """A verdict of PreFilter on every node: status, reason."""


@dataclass
class State:
    """Objects by kind and key."""

    objects: dict[str, dict[str, Object]] = field(default_factory=dict)

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        return self.objects.get(kind, {}).get(f"{namespace}/{name}")

    def all(self, kind: str) -> list[Object]:
        return list(self.objects.get(kind, {}).values())

    def pods_on(self, node: str) -> list[Object]:
        return [pod for pod in self.placed() if pod["spec"]["nodeName"] == node]

    def placed(self) -> list[Object]:
        return [
            pod
            for pod in self.all("Pod")
            if pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]


def state(objects: Iterable[Object]) -> State:
    made = State()
    for obj in objects:
        metadata = obj["metadata"]
        made.objects.setdefault(obj["kind"], {})[f"{metadata.get('namespace', '')}/{metadata['name']}"] = obj
    return made


def labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def volumes(pod: Object) -> list[Object]:
    return pod["spec"].get("volumes") or []


def class_name(obj: Object) -> str:
    beta = annotations(obj).get("volume.beta.kubernetes.io/storage-class")
    return beta if beta is not None else obj["spec"].get("storageClassName") or ""


def claims(pod: Object) -> Iterator[tuple[str, bool]]:
    for volume in volumes(pod):
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"], False
        elif "ephemeral" in volume:
            yield f"{pod['metadata']['name']}-{volume['name']}", True


def controlled(claim: Object, pod: Object) -> bool:
    owners = claim["metadata"].get("ownerReferences") or []
    controllers = [owner for owner in owners if owner.get("controller")]
    return bool(controllers) and controllers[0]["uid"] == pod["metadata"].get("uid", "")
