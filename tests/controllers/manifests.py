"""Objects as users write them, for tests with a server. Whatever has no namespace here is in `default`."""

from typing import Any

from model.meta import JSON


def claim(name: str, *, metadata: JSON | None = None, size: str = "1Gi", **spec: Any) -> JSON:
    """A claim without a class, unless one is given."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default", **(metadata or {})},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": "",
            **spec,
        },
    }


def volume(name: str, *, metadata: JSON | None = None, size: str = "1Gi", **spec: Any) -> JSON:
    """An NFS volume that is kept, unless another source is given."""
    source = (
        {}
        if spec.keys() & {"csi", "hostPath", "gcePersistentDisk", "flexVolume", "azureFile", "vsphereVolume"}
        else {"nfs": {"server": "s", "path": "/"}}
    )
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": size},
            "persistentVolumeReclaimPolicy": "Retain",
            **source,
            **spec,
        },
    }


def pod(name: str, *volumes: JSON, node: str = "") -> JSON:
    """A pod with these volumes, on a node if one is given."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "containers": [{"name": "main", "image": "app.example/it:1"}],
            "volumes": list(volumes),
            **({"nodeName": node} if node else {}),
        },
    }
