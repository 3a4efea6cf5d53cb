"""Claims, volumes and pods as the API shows them, with just what decides."""

from collections.abc import Sequence
from typing import Any

import msgspec

from model import names
from model.meta import JSON
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Pod

GOING = "2026-01-02T03:04:05Z"
"""A deletion timestamp."""


def claim(name: str = "data", *, metadata: JSON | None = None, **parts: Any) -> PersistentVolumeClaim:
    """A protected claim of namespace `ns`."""
    whole = {
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "finalizers": [names.CLAIM_PROTECTION],
            **(metadata or {}),
        },
        **parts,
    }
    return msgspec.convert(whole, PersistentVolumeClaim)


def volume(name: str = "disk", *, metadata: JSON | None = None, **parts: Any) -> PersistentVolume:
    """A protected volume."""
    whole = {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "finalizers": [names.VOLUME_PROTECTION],
            **(metadata or {}),
        },
        **parts,
    }
    return msgspec.convert(whole, PersistentVolume)


def pod(
    name: str = "web",
    *volumes: JSON,
    node: str = "n1",
    metadata: JSON | None = None,
    phase: str = "Running",
    containers: Sequence[JSON] = (),
) -> Pod:
    """A pod of namespace `ns`, on a node unless `node` is empty."""
    whole = {
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", **(metadata or {})},
        "spec": {"nodeName": node, "volumes": list(volumes)},
        "status": {"phase": phase, "containerStatuses": list(containers)},
    }
    return msgspec.convert(whole, Pod)


def names_claim(claim_name: str) -> JSON:
    """A pod's volume that names a claim."""
    return {"name": f"of-{claim_name}", "persistentVolumeClaim": {"claimName": claim_name}}


def makes_claim(volume_name: str, **template: Any) -> JSON:
    """A generic ephemeral volume."""
    return {"name": volume_name, "ephemeral": {"volumeClaimTemplate": template}}


def owned_by(uid: str, *, controller: bool = True) -> JSON:
    """Metadata of a claim that a pod of this UID owns."""
    return {
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid, "controller": controller}]
    }
