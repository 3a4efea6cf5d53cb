"""Volumes and requests, short to write."""

from pathlib import Path
from typing import Any

import msgspec

from model.volumes import PersistentVolume, TopologyRequirement, TopologyTerm
from plugins.protocol import ProvisionRequest
from plugins.source import PodFacts, Source, of_volume

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


def affinity(host: str = "n1") -> dict[str, Any]:
    """A node affinity as it stands in a volume's spec."""
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def persistent(name: str = "pv-a", *, read_only: bool = False, **spec: Any) -> Source:
    return of_volume({"metadata": {"name": name}, "spec": spec}, claim_read_only=read_only)


def local(path: str | Path, name: str = "pv-a", *, read_only: bool = False, **spec: Any) -> Source:
    return persistent(name, read_only=read_only, **{"local": {"path": str(path)}, "nodeAffinity": affinity(), **spec})


def pod(uid: str = "uid-1", **more: Any) -> PodFacts:
    return PodFacts(name="web-0", namespace="shop", uid=uid, **more)
