"""A large cluster as typed objects: nodes in three zones, pods with claims and volumes, attachments, limits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from model import names
from model.csi import CSINode, VolumeAttachment
from model.meta import JSON
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Node, Pod

DRIVER: Final = "disk.csi.example.com"
ZONES: Final = ("a", "b", "c")
LIMIT: Final = 39
NAMESPACE: Final = "bench"


@dataclass(frozen=True)
class Size:
    """How large: everything grows with the nodes."""

    nodes: int
    pods_per_node: int = 6
    volumes_per_node: int = 4

    @property
    def volumes(self) -> int:
        """Volumes in use, as many as claims and attachments."""
        return self.nodes * self.volumes_per_node


def objects(size: Size) -> dict[str, list[Any]]:
    """All objects by the name of their cache."""
    return {
        "nodes": [_as(Node, node(number)) for number in range(size.nodes)],
        "csi_nodes": [_as(CSINode, _csi_node(number)) for number in range(size.nodes)],
        "classes": [_as(StorageClass, each) for each in _classes()],
        "volumes": [_as(PersistentVolume, volume(number, size)) for number in range(size.volumes)],
        "claims": [
            *(_as(PersistentVolumeClaim, claim(number)) for number in range(size.volumes)),
            *(_as(PersistentVolumeClaim, each) for each in _wanted()),
        ],
        "pods": [_as(Pod, each) for each in _pods(size)],
        "attachments": [_as(VolumeAttachment, _attachment(number, size)) for number in range(size.volumes)],
        "csi_drivers": [],
        "capacities": [],
    }


def node_name(number: int) -> str:
    """As a cloud names them."""
    return f"ip-10-{number // 65536}-{number // 256 % 256}-{number % 256}.ec2.internal"


def node(number: int) -> JSON:
    """A node with the labels that decide."""
    name = node_name(number)
    labels = {names.HOSTNAME: name, names.ZONE: ZONES[number % 3], names.REGION: "r", names.OS: "linux"}
    return {"metadata": {**_named(name, number), "labels": labels}}


def claim(number: int) -> JSON:
    """A bound claim."""
    return {
        "metadata": {
            **_named(f"data-{number}", number),
            "namespace": NAMESPACE,
            "annotations": {names.BIND_COMPLETED: "yes"},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "zonal",
            "volumeName": f"pv-{number}",
            "resources": {"requests": {"storage": "10Gi"}},
        },
        "status": {"phase": "Bound"},
    }


def volume(number: int, size: Size) -> JSON:
    """Its volume, in the zone of the node where it is used."""
    expression = {"key": names.ZONE, "operator": "In", "values": [ZONES[_place(number, size) % 3]]}
    return {
        "metadata": _named(f"pv-{number}", number),
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "zonal",
            "csi": {"driver": DRIVER, "volumeHandle": f"vol-{number}"},
            "claimRef": {"namespace": NAMESPACE, "name": f"data-{number}", "uid": f"uid-data-{number}-{number}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
        "status": {"phase": "Bound"},
    }


def new_pod(kind: str, number: int = 0) -> JSON:
    """A pod to place.

    `none` has no volumes; `zonal` one claim to make and two bound in zone a, which two of three nodes can not reach;
    `anywhere` the same with volumes that every node reaches.
    """
    claims = {"none": (), "zonal": ("wanted", "fixed-0", "fixed-1"), "anywhere": ("wanted", "free-0", "free-1")}[kind]
    return _pod(f"new-{kind}-{number}", number, claims)


def bound_elsewhere() -> dict[str, list[Any]]:
    """The volumes and claims of the pods to place."""
    zone_a = {"key": names.ZONE, "operator": "In", "values": ["a"]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone_a]}]}}
    volumes, claims = list[PersistentVolume](), list[PersistentVolumeClaim]()
    for kind, more in (("fixed", {"nodeAffinity": affinity}), ("free", {})):
        for number in range(2):
            made = volume(number, Size(1))
            made["metadata"] = _named(f"pv-{kind}-{number}", number)
            made["spec"].pop("nodeAffinity")
            made["spec"] |= {"csi": {"driver": DRIVER, "volumeHandle": f"vol-{kind}-{number}"}, **more}
            bound = claim(number)
            bound["metadata"] |= {"name": f"{kind}-{number}"}
            bound["spec"]["volumeName"] = f"pv-{kind}-{number}"
            volumes.append(_as(PersistentVolume, made))
            claims.append(_as(PersistentVolumeClaim, bound))
    return {"volumes": volumes, "claims": claims}


def _classes() -> Iterator[JSON]:
    for name in ("zonal", "wait"):
        yield {
            "metadata": _named(name, 0),
            "provisioner": DRIVER,
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
        }


def _wanted() -> Iterator[JSON]:
    made = claim(0)
    made["metadata"] = {**_named("wanted", 0), "namespace": NAMESPACE}
    made["spec"] |= {"volumeName": "", "storageClassName": "wait"}
    made["status"] = {"phase": "Pending"}
    yield made


def _pods(size: Size) -> Iterator[JSON]:
    for number in range(size.nodes * size.pods_per_node):
        place, turn = number % size.nodes, number // size.nodes
        claims = (f"data-{turn * size.nodes + place}",) if turn < size.volumes_per_node else ()
        made = _pod(f"app-{number}", number, claims)
        made["spec"]["nodeName"] = node_name(place)
        made["status"] = {"phase": "Running"}
        yield made


def _pod(name: str, number: int, claims: tuple[str, ...]) -> JSON:
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    return {
        "metadata": {**_named(name, number), "namespace": NAMESPACE, "labels": {"app": f"app-{number % 100}"}},
        "spec": {"volumes": volumes, "containers": [{"name": "app", "image": "app:1"}]},
    }


def _attachment(number: int, size: Size) -> JSON:
    return {
        "metadata": _named(f"csi-{number}", number),
        "spec": {
            "attacher": DRIVER,
            "nodeName": node_name(_place(number, size)),
            "source": {"persistentVolumeName": f"pv-{number}"},
        },
    }


def _csi_node(number: int) -> JSON:
    driver = {"name": DRIVER, "nodeID": str(number), "allocatable": {"count": LIMIT}}
    return {"metadata": _named(node_name(number), number), "spec": {"drivers": [driver]}}


def _place(number: int, size: Size) -> int:
    return number % size.nodes


def _named(name: str, number: int) -> JSON:
    return {"name": name, "uid": f"uid-{name}-{number}", "resourceVersion": str(number + 1)}


def _as(view: type[Any], obj: JSON) -> Any:
    return msgspec.convert(obj, view)
