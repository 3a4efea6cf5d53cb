"""Volumes and requests, short to write."""

from pathlib import Path
from typing import Any

import msgspec

from model.volumes import PersistentVolume, TopologyRequirement, TopologyTerm
from plugins.protocol import ProvisionRequest

GI = 2**30


def volume(name: str = "pv-a", size: str = "1Gi", **spec: Any) -> PersistentVolume:
    spec = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], **spec}
    return msgspec.convert({"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": spec}, PersistentVolume)


def at(path: str | Path, name: str = "pv-a", size: str = "1Gi") -> PersistentVolume:
    return volume(name, size, hostPath={"path": str(path)})


def request(name: str = "pvc-1", **more: Any) -> ProvisionRequest:
    return ProvisionRequest(name=name, size_bytes=GI, **more)


def allowed(**keys: tuple[str, ...]) -> TopologyTerm:
    """A term of allowedTopologies; `zone` and `host` stand for the well-known keys."""
    known = {"zone": "topology.kubernetes.io/zone", "host": "kubernetes.io/hostname"}
    return TopologyTerm(tuple(TopologyRequirement(known.get(key, key), values) for key, values in keys.items()))
