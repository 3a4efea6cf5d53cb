"""Kubernetes objects as JSON for tests, with just what decides."""

from typing import Any

from model.meta import JSON


def node(name: str, **labels: str) -> JSON:
    """A node; labels by their short names: zone, region, or with `_` for what a label may have."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": _labels(labels)}, "spec": {}}


def storage_class(name: str, provisioner: str = "csi.example.com", **more: Any) -> JSON:
    """A class, waiting for its consumer unless told otherwise."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": "WaitForFirstConsumer",
        **more,
    }


def claim(name: str, storage_class: str = "fast", size: str = "1Gi", *, volume: str = "", **annotations: str) -> JSON:
    """A claim, fully bound if a volume is named. Annotations with `_` for `/`, `-` and `.` are given by **{}."""
    bound = {"pv.kubernetes.io/bind-completed": "yes"} if volume else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", "annotations": {**bound, **annotations}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": storage_class,
            "volumeName": volume,
        },
        "status": {"phase": "Bound" if volume else "Pending"},
    }


def volume(name: str, storage_class: str = "fast", size: str = "1Gi", *, zone: str = "", **spec: Any) -> JSON:
    """An available CSI volume, in a zone if one is given."""
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [_in_zone(zone)]}}} if zone else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": size},
            "storageClassName": storage_class,
            "csi": {"driver": "csi.example.com", "volumeHandle": f"handle-{name}"},
            **affinity,
            **spec,
        },
        "status": {"phase": "Available"},
    }


def pod(name: str, *claims: str, node: str = "", **spec: Any) -> JSON:
    """A pod with claims, on a node if one is given."""
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}"},
        "spec": {"volumes": volumes, **({"nodeName": node} if node else {}), **spec},
        "status": {"phase": "Running" if node else "Pending"},
    }


def csi_node(name: str, migrated: str = "", **counts: int | None) -> JSON:
    """A CSINode with the limit of csi.example.com, or of drivers given by **{}; None is no limit."""
    drivers = [
        {"name": driver, "nodeID": name, **({} if count is None else {"allocatable": {"count": count}})}
        for driver, count in counts.items()
    ]
    annotations = {"storage.alpha.kubernetes.io/migrated-plugins": migrated} if migrated else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"drivers": drivers},
    }


def _labels(short: dict[str, str]) -> dict[str, str]:
    return {
        f"topology.kubernetes.io/{key}" if key in ("zone", "region") else key: value for key, value in short.items()
    }


def _in_zone(zone: str) -> JSON:
    return {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]}
