"""Objects as users and installers of drivers write them. Kind and version are the client's to add."""

from collections.abc import Iterable, Mapping
from typing import Any

from model.meta import JSON


def storage_class(name: str, driver: str, **more: Any) -> JSON:
    """A class of a driver: of the binding mode Immediate unless another is given, its claims may grow."""
    return {"metadata": {"name": name}, "provisioner": driver, "allowVolumeExpansion": True, **more}


def snapshot_class(name: str, driver: str, policy: str = "Delete") -> JSON:
    """A class of snapshots of a driver."""
    return {"metadata": {"name": name}, "driver": driver, "deletionPolicy": policy}


def claim(name: str, storage_class: str, size: str = "1Gi", source: JSON | None = None, **spec: Any) -> JSON:
    """A claim, to be filled from a source if one is given."""
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": size}},
        **({"dataSource": source} if source else {}),
        **spec,
    }
    return {"metadata": {"name": name}, "spec": wanted}


def of_snapshot(name: str) -> JSON:
    """The source of a claim that a snapshot is restored to."""
    return {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name}


def of_claim(name: str) -> JSON:
    """The source of a claim that is to be a copy of another one."""
    return {"kind": "PersistentVolumeClaim", "name": name}


def snapshot(name: str, claim: str, snapshot_class: str) -> JSON:
    """A snapshot of a claim."""
    source = {"persistentVolumeClaimName": claim}
    return {"metadata": {"name": name}, "spec": {"source": source, "volumeSnapshotClassName": snapshot_class}}


def attachment(name: str, driver: str, node: str, volume: str) -> JSON:
    """That a volume be attached to a node."""
    source = {"persistentVolumeName": volume}
    return {"metadata": {"name": name}, "spec": {"attacher": driver, "nodeName": node, "source": source}}


def node(name: str, labels: Mapping[str, str] | None = None) -> JSON:
    """A node that pods fit on, and whose volumes the attach/detach controller attaches; as kubelet makes it."""
    attached = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    return {
        "metadata": {"name": name, "annotations": attached, "labels": dict(labels or {})},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "100"}},
    }


def csi_node(name: str, driver: str, keys: Iterable[str], node_id: str = "") -> JSON:
    """That a driver is registered on a node, by kubelet."""
    return {
        "metadata": {"name": name},
        "spec": {"drivers": [{"name": driver, "nodeID": node_id or name, "topologyKeys": sorted(keys)}]},
    }


def csi_driver(name: str, **spec: Any) -> JSON:
    """A driver whose volumes are attached."""
    return {"metadata": {"name": name}, "spec": {"attachRequired": True, **spec}}


def pod(name: str, claim: str, node: str = "") -> JSON:
    """A pod with a claim's volume, on a node if one is given."""
    spec = {
        "containers": [{"name": "main", "image": "app.example/it:1"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        **({"nodeName": node} if node else {}),
    }
    return {"metadata": {"name": name}, "spec": spec}
