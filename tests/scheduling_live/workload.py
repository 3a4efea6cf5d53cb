"""Two hundred pods with three hundred claims of every kind, on ten nodes in two zones: what is made, what must come.

All but two groups of pods can be placed: there are fewer slots for disks than pods that want one, and some claims are
larger than any volume. No group stands in another's way, so what must come does not depend on who is first.
"""

from collections.abc import Iterator
from typing import Any, Final

from model import names
from model.meta import JSON

NAMESPACE: Final = "crowd"
ZONES: Final = ("east", "west")
NODES: Final = tuple(f"{zone}-{number}" for zone in ZONES for number in range(5))
DISK, TAPE = "disk.csi.example.com", "tape.csi.example.com"
LIMITS: Final = {DISK: 6, TAPE: 20}
"""Volumes of each driver that a node takes."""
NAMED, ZONAL, DISKS, MADE, TOO_LARGE = 30, 50, 65, 50, 5
"""Pods with a volume that their claim names; two of one zone; a disk; two made for them; a claim that is too large."""
UNPLACED: Final = DISKS - LIMITS[DISK] * len(NODES)
"""Pods with a disk for which there is no slot."""
BOUND: Final = NAMED + ZONAL + DISKS - UNPLACED + MADE
SPARE: Final = 20
"""Volumes of the largest size that are not needed: while a smaller one is held, a claim may take a larger."""


def nodes() -> Iterator[JSON]:
    """Nodes, and what is registered of CSI on them."""
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "110"}
    for name in NODES:
        labels = {names.HOSTNAME: name, names.ZONE: name.partition("-")[0]}
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "status": {"capacity": amounts, "allocatable": amounts},
        }
        drivers = [{"name": each, "nodeID": name, "allocatable": {"count": count}} for each, count in LIMITS.items()]
        yield _storage("CSINode", name, spec={"drivers": drivers})


def classes() -> Iterator[JSON]:
    """A class for each kind of claim."""
    for name in ("named", "disk", *(f"zonal-{zone}" for zone in ZONES)):
        mode = "Immediate" if name == "named" else "WaitForFirstConsumer"
        yield _storage("StorageClass", name, provisioner=names.NO_PROVISIONER, volumeBindingMode=mode)
    yield _storage(
        "StorageClass",
        "made",
        provisioner="kubernetes.io/host-path",
        reclaimPolicy="Delete",
        volumeBindingMode="WaitForFirstConsumer",
    )


def volumes() -> Iterator[JSON]:
    """All volumes that exist beforehand. Those that claims name are of either kind: reserved for them, or free."""
    for number in range(NAMED):
        claim = {"namespace": NAMESPACE, "name": f"named-{number}-0"}
        reserved = {"claimRef": claim} if number % 2 else {}
        yield _volume(f"named-{number}", "named", 1, _csi(TAPE, f"tape-{number}"), ZONES[number % 2], **reserved)
    for zone in ZONES:
        for number in range(ZONAL + SPARE):
            size = 1 + number % 3 if number < ZONAL else 3
            source = {"hostPath": {"path": f"/srv/{zone}-{number}"}}
            yield _volume(f"{zone}-{number}", f"zonal-{zone}", size, source, zone)
    for number in range(DISKS):
        yield _volume(f"disk-{number}", "disk", 1, _csi(DISK, f"disk-{number}"))


def pods() -> Iterator[tuple[JSON, list[JSON]]]:
    """Every pod with its claims."""
    for number in range(NAMED):
        yield pod(f"named-{number}", "named", [1], volumeName=f"named-{number}")
    for number in range(ZONAL):
        yield pod(f"zonal-{number}", f"zonal-{ZONES[number % 2]}", [1 + number % 3, 1 + (number + 1) % 3])
    for number in range(DISKS):
        yield pod(f"disk-{number}", "disk", [1])
    for number in range(MADE):
        yield pod(f"made-{number}", "made", [1, 2])
    for number in range(TOO_LARGE):
        yield pod(f"large-{number}", "zonal-east", [100])


def pod(name: str, storage_class: str, sizes: list[int], **spec: Any) -> tuple[JSON, list[JSON]]:
    """A pod with a claim of each size, in Gi."""
    claims = [_claim(f"{name}-{number}", storage_class, size, **spec) for number, size in enumerate(sizes)]
    volumes = [
        {"name": f"v{number}", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
        for number, claim in enumerate(claims)
    ]
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "app", "image": "app:1"}], "volumes": volumes},
    }
    return made, claims


def _claim(name: str, storage_class: str, size: int, **spec: Any) -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": f"{size}Gi"}},
            **spec,
        },
    }


def _volume(name: str, storage_class: str, size: int, source: JSON, zone: str = "", **spec: Any) -> JSON:
    term = {"matchExpressions": [{"key": names.ZONE, "operator": "In", "values": [zone]}]}
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}} if zone else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": f"{size}Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": storage_class,
            **source,
            **affinity,
            **spec,
        },
    }


def _csi(driver: str, handle: str) -> JSON:
    return {"csi": {"driver": driver, "volumeHandle": handle}}


def _storage(kind: str, name: str, **more: Any) -> JSON:
    return {"apiVersion": "storage.k8s.io/v1", "kind": kind, "metadata": {"name": name}, **more}
