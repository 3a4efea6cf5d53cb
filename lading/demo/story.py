"""The demo's story as data: a small cluster, what is asked of it, and what must come of it.

Two zones with two nodes each; every node takes two volumes of one CSI driver. Everything that decides where a pod may
run is a volume: no pod asks for a node.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from model import names
from model.meta import JSON

NAMESPACE: Final = "harbor"
DRIVER: Final = "disk.csi.example.com"
SLOTS: Final = 2
ZONES: Final = {"east": ("east-1", "east-2"), "west": ("west-1", "west-2")}
HOST_PATH: Final = "kubernetes.io/host-path"


@dataclass(frozen=True)
class Outcome:
    """What must be true of a pod in the end. `nodes` empty: it stays pending, and `told` must be in the reason."""

    pod: str
    nodes: tuple[str, ...]
    shows: str
    volume: str = ""
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Act:
    """One step: what is applied (in order) and deleted (pods, by name), and what must come of it."""

    title: str
    objects: tuple[JSON, ...] = ()
    delete_pods: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


def cluster() -> Iterator[JSON]:
    """The nodes and what kubelet would have registered of CSI on them."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    for zone, nodes in ZONES.items():
        for name in nodes:
            yield _node(name, zone)
            yield _csi_node(name)
    yield {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": DRIVER},
        "spec": {"attachRequired": True, "podInfoOnMount": False},
    }


def acts() -> tuple[Act, ...]:
    """The story, in order."""
    return (
        _classes(),
        _zonal_set(),
        _smallest_match(),
        _pre_bound(),
        _attach_limit(),
        _one_too_many(),
        _stranded(),
        _slot_freed(),
    )


def one_more() -> list[JSON]:
    """A claim and a pod for whoever goes on after the story."""
    return [_claim("stores", "zonal", 2), _pod("cook", "stores")]


def _classes() -> Act:
    zonal = {**_class("zonal", HOST_PATH, "WaitForFirstConsumer"), "allowedTopologies": [_allowed_zones(ZONES)]}
    return Act(
        "an admin makes three classes of storage",
        objects=(
            zonal,
            _class("shelf", names.NO_PROVISIONER, "Immediate"),
            _class("disk", names.NO_PROVISIONER, "Immediate"),
        ),
    )


def _zonal_set() -> Act:
    pods = tuple(f"ledger-{number}" for number in range(3))
    made = tuple(each for pod in pods for each in (_claim(f"data-{pod}", "zonal", 1), _pod(pod, f"data-{pod}")))
    everywhere = tuple(node for nodes in ZONES.values() for node in nodes)
    return Act(
        "a set of three, each with a volume that is made where its pod is placed",
        objects=made,
        outcomes=tuple(Outcome(pod, everywhere, "made for it, in the zone of its node") for pod in pods),
    )


def _smallest_match() -> Act:
    volumes = tuple(_shelf_volume(size) for size in (5, 10, 50))
    return Act(
        "a claim for 8Gi finds 5, 10 and 50Gi on the shelf",
        objects=(*volumes, _claim("charts", "shelf", 8), _pod("atlas", "charts")),
        outcomes=(Outcome("atlas", ZONES["west"], "the smallest volume that is large enough", volume="shelf-10"),),
    )


def _pre_bound() -> Act:
    sealed: JSON = _host_volume("sealed-hold", 3, "shelf")
    sealed["metadata"]["labels"] = {names.ZONE: "east"}
    claim = _claim("manifest", "shelf", 1)
    claim["spec"]["volumeName"] = "sealed-hold"
    return Act(
        "a claim that names its volume, which is in zone east by its label",
        objects=(sealed, claim, _pod("purser", "manifest")),
        outcomes=(Outcome("purser", ZONES["east"], "the volume that its claim names", volume="sealed-hold"),),
    )


def _attach_limit() -> Act:
    disks = tuple(_disk(number) for number in range(5))
    # Claims first: only a bound one counts against the limit of its driver, as its class has none.
    claims = tuple(_claim(f"crate-{number}", "disk", 1) for number in range(5))
    pods = tuple(_pod(f"cargo-{number}", f"crate-{number}") for number in range(4))
    return Act(
        f"four disks in zone west, whose nodes take {SLOTS} each",
        objects=(*disks, *claims, *pods),
        outcomes=tuple(Outcome(f"cargo-{n}", ZONES["west"], "a disk of zone west and a free slot") for n in range(4)),
    )


def _one_too_many() -> Act:
    refused = Outcome("cargo-4", (), "every slot of zone west is taken", told=("exceed max volume count",))
    return Act("a fifth disk is one too many", objects=(_pod("cargo-4", "crate-4"),), outcomes=(refused,))


def _stranded() -> Act:
    anchors = tuple(_anchor(zone) for zone in ZONES)
    claims = tuple(_claim(f"anchor-{zone}", "shelf", 2, volume=f"anchor-{zone}") for zone in ZONES)
    return Act(
        "a pod with one volume in each zone",
        objects=(*anchors, *claims, _pod("stowaway", *(f"anchor-{zone}" for zone in ZONES))),
        outcomes=(Outcome("stowaway", (), "its volumes are in different zones", told=("node affinity",)),),
    )


def _slot_freed() -> Act:
    return Act(
        "cargo-0 leaves and frees a slot: cargo-4 can board",
        delete_pods=("cargo-0",),
        outcomes=(Outcome("cargo-4", ZONES["west"], "the slot that cargo-0 left"),),
    )


def _node(name: str, zone: str) -> JSON:
    amounts = {"cpu": "8", "memory": "16Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {names.HOSTNAME: name, names.ZONE: zone, names.REGION: "coast"}},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]},
    }


def _csi_node(name: str) -> JSON:
    driver = {"name": DRIVER, "nodeID": name, "topologyKeys": [names.ZONE], "allocatable": {"count": SLOTS}}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": name},
        "spec": {"drivers": [driver]},
    }


def _class(name: str, provisioner: str, mode: str) -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": mode,
    }


def _allowed_zones(zones: Iterable[str]) -> JSON:
    return {"matchLabelExpressions": [{"key": names.ZONE, "values": list(zones)}]}


def _claim(name: str, class_name: str, gib: int, volume: str = "") -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": class_name,
            "resources": {"requests": {"storage": f"{gib}Gi"}},
            **({"volumeName": volume} if volume else {}),
        },
    }


def _volume(name: str, gib: int, class_name: str, source: JSON, zone: str | None = None) -> JSON:
    expression = {"key": names.ZONE, "operator": "In", "values": [zone]}
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": f"{gib}Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": class_name,
            **source,
            **(affinity if zone else {}),
        },
    }


def _host_volume(name: str, gib: int, class_name: str, zone: str | None = None) -> JSON:
    return _volume(name, gib, class_name, {"hostPath": {"path": f"/srv/{name}"}}, zone)


def _shelf_volume(gib: int) -> JSON:
    return _host_volume(f"shelf-{gib}", gib, "shelf", "west")


def _anchor(zone: str) -> JSON:
    return _host_volume(f"anchor-{zone}", 2, "shelf", zone)


def _disk(number: int) -> JSON:
    source = {"csi": {"driver": DRIVER, "volumeHandle": f"disk-{number}"}}
    return _volume(f"disk-{number}", 1, "disk", source, "west")


def _pod(name: str, *claims: str) -> JSON:
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    mounts = [{"name": claim, "mountPath": f"/data/{claim}"} for claim in claims]
    container = {"name": "app", "image": "app:1", "volumeMounts": mounts}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0},
    }
