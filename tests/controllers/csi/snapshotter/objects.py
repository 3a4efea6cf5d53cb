"""Objects of a story about snapshots, and servers that know their kinds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from deploy.snapshot_crds import definitions
from model import names
from model.meta import JSON
from tests.controllers.csi.beside import NAME
from tests.controllers.inprocess import World, world

GROUP = "snapshot.storage.k8s.io/v1"
BOTH = ("snapshot-controller", "csi-snapshotter")


def snapshot(name: str = "snap", *, claim: str = "data", content: str = "", **parts: Any) -> JSON:
    """A snapshot of a claim, or of a content that was there before."""
    source = {"volumeSnapshotContentName": content} if content else {"persistentVolumeClaimName": claim}
    spec = {"source": source, "volumeSnapshotClassName": "fast", **parts.pop("spec", {})}
    return {
        "apiVersion": GROUP,
        "kind": "VolumeSnapshot",
        "metadata": {"name": name, "namespace": "default", **parts.pop("metadata", {})},
        "spec": {key: value for key, value in spec.items() if value is not None},
        **parts,
    }


def content(name: str = "kept", handle: str = "s-0", *, policy: str = "Delete", **parts: Any) -> JSON:
    """A content that was there before, for the snapshot `snap`."""
    return {
        "apiVersion": GROUP,
        "kind": "VolumeSnapshotContent",
        "metadata": {"name": name, **parts.pop("metadata", {})},
        "spec": {
            "driver": NAME,
            "deletionPolicy": policy,
            "source": {"snapshotHandle": handle},
            "volumeSnapshotRef": {"namespace": "default", "name": "snap"},
            **parts.pop("spec", {}),
        },
        **parts,
    }


def snapshot_class(
    name: str = "fast", *, policy: str = "Delete", default: bool = False, driver: str = NAME, **parameters: str
) -> JSON:
    """A class of our driver's snapshots."""
    annotations = {names.DEFAULT_SNAPSHOT_CLASS: "true"} if default else {}
    return {
        "apiVersion": GROUP,
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": name, "annotations": annotations},
        "driver": driver,
        "deletionPolicy": policy,
        "parameters": parameters,
    }


def secret_named(by: str, name: str) -> dict[str, str]:
    """The parameters of a class that name a Secret of `default`."""
    prefix = f"csi.storage.k8s.io/{by}-secret"
    return {f"{prefix}-name": name, f"{prefix}-namespace": "default"}


def claim(name: str = "data", volume: str = "disk", **parts: Any) -> JSON:
    """A claim that is Bound."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default", **parts.pop("metadata", {})},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}},
            "volumeName": volume,
            **parts.pop("spec", {}),
        },
        "status": parts.pop("status", {"phase": "Bound"}),
    }


def volume(name: str = "disk", claim: str = "data", *, uid: str = "", driver: str = NAME, **spec: Any) -> JSON:
    """A volume of our driver that is bound to the claim of this UID."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": "default", "name": claim, "uid": uid},
            "csi": {"driver": driver, "volumeHandle": f"handle-of-{name}"},
            **spec,
        },
        "status": {"phase": "Bound"},
    }


@asynccontextmanager
async def snapshot_world(*objects: JSON, bound: bool = True) -> AsyncIterator[World]:
    """A server with the kinds of snapshots and these objects; the claim `data` is bound to the volume `disk`."""
    async with world() as made:
        kind = made.api.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        for each in definitions():
            await made.api.create(kind, "", each)
        if bound:
            await made.create(claim())
            await made.create(volume(uid=made.claim("data")["metadata"]["uid"]))
        await made.create(*objects)
        yield made
