"""Random small clusters, with volumes and claims in every state, that a server would accept. One seed, one cluster.

What the scheduler itself leaves to chance is kept out: of volumes alike in size it takes any, and of several that are
reserved for one claim, so sizes differ where a pod could choose twice, and a claim has one such volume at most; of
several missing drivers it names any, so one driver at most is to be waited for; of several pods that can not be
counted it names any, so one pod at most is such. Pods are on nodes that exist.
"""

from typing import Any, Final

from model.meta import JSON
from model.quantity import nanos
from tests.extender.dice import DRIVER, DRIVERS, KEYS, MIGRATED, OTHER, VALUES, ZONE_KEYS, ZONES, Dice

NODES = ("n1", "n2", "n3", "n4")
NAMESPACE, ELSEWHERE = "ns", "elsewhere"
CLAIMS = ("c1", "c2", "c3", "c4")
VOLUMES = ("v1", "v2", "v3", "v4", "v5", "v6")
PROVISIONERS: Final = {
    "waiting": (DRIVER,),
    "roomy": (OTHER,),
    "static": ("kubernetes.io/no-provisioner",),
    "in-tree": (*MIGRATED, "kubernetes.io/azure-file", "kubernetes.io/vsphere-volume"),
    "immediate": (DRIVER, "kubernetes.io/no-provisioner"),
}
WAITING = ("waiting", "waiting", "roomy", "static", "static", "in-tree")
CLASSES = (*WAITING, "immediate", "missing", "")
MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany")
EXCLUSIVE = ["ReadWriteOncePod"]
REQUESTS = ("1Gi", "1Gi", "2Gi", "1G", "1500M", "1.5Gi", "1e9", "1073741824001m")
SIZES = ("0.5Gi", "1G", "1Gi", "1073741825", "1500M", "1.5Gi", "2Gi", "2500M", "3Gi", "1Ti")
"""All of different value."""
DELETED: Final = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kubernetes.io/pv-protection"]}
GONE: Final = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"]}
CONTAINERS: Final = [{"name": "app", "image": "app:1"}]
INLINE: Final = {"any": 0.25, "disks": 0.85, "slots": 0.15, "places": 0.05, "migrated": 0.05, "matching": 0.05}
"""What a cluster is mostly about, and how often a pod's volume stands inline there."""
STATES: Final = {
    "any": (*4 * ("bound",), *6 * ("waiting",), "selected", "named", "odd"),
    "disks": (*9 * ("bound",), *9 * ("waiting",), "odd"),
    "slots": (*12 * ("bound",), *6 * ("waiting",), "selected", "odd"),
    "places": (*20 * ("bound",), *20 * ("waiting",), *4 * ("selected",), "named", "odd"),
    "migrated": (*15 * ("bound",), "waiting"),
    "matching": (*15 * ("waiting",), "bound"),
}
"""How often a claim is in which state."""


class Draw(Dice):
    """Draws objects and clusters."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.theme: str = self.one(*STATES)

    def node(self, name: str) -> JSON:
        least, values = (3, VALUES[:2]) if self.theme == "migrated" else (0, VALUES)
        labels = {key: self.one(*values) for key in self.some(*KEYS, least=least, most=6)}
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}

    def csi_node(self, name: str) -> JSON:
        least = len(DRIVERS) - 1 if self.theme == "slots" else 0
        drivers = [
            {
                "name": driver,
                "nodeID": name,
                **self.perhaps(0.9, allocatable=self.perhaps(0.9, count=self.one(0, 1, 1, 2, 2, 3))),
            }
            for driver in self.some(*DRIVERS, least=least, most=len(DRIVERS))
        ]
        migrated = self.theme == "migrated"
        plugins = ",".join(self.some(*MIGRATED, least=4 if migrated else 0, most=5))
        annotations = self.perhaps(
            0.8 if migrated else 0.5, annotations={"storage.alpha.kubernetes.io/migrated-plugins": plugins}
        )
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSINode",
            "metadata": {"name": name, **annotations},
            "spec": {"drivers": drivers},
        }

    def storage_class(self, name: str) -> JSON:
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": self.one(*PROVISIONERS[name]),
            "volumeBindingMode": "Immediate" if name == "immediate" else "WaitForFirstConsumer",
            **self.perhaps(0.3, allowedTopologies=self.topologies()),
        }

    def csi_drivers(self) -> list[JSON]:
        awaited = self.one(*DRIVERS, "")
        return [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "CSIDriver",
                "metadata": {"name": driver},
                "spec": {
                    **self.perhaps(0.8, storageCapacity=self.often(0.7)),
                    **({"preventPodSchedulingIfMissing": True} if driver == awaited else self._not_awaited()),
                },
            }
            for driver in (DRIVER, OTHER, "ebs.csi.aws.com", "kubernetes.io.aws-ebs")
        ]

    def capacity(self, name: str) -> JSON:
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIStorageCapacity",
            "metadata": {"name": name, "namespace": self.one(NAMESPACE, "kube-system")},
            "storageClassName": self.one("waiting", "waiting", "roomy", "missing"),
            **self.perhaps(0.9, nodeTopology=self.selector()),
            **self.perhaps(0.9, capacity=self.one(*SIZES, "0")),
            **self.perhaps(0.3, maximumVolumeSize=self.one(*SIZES)),
        }

    # --- volumes and claims ---

    def volumes(self, *, choices: int) -> list[JSON]:
        """So many claims may choose among them: sizes differ if there are two."""
        sizes = self.shuffled(list(SIZES)) if choices > 1 else [self.one(*SIZES[2:7]) for _ in VOLUMES]
        reserved = self.shuffled([*CLAIMS, "new-scratch"])
        return [self.volume(*each) for each in zip(VOLUMES, sizes, [*reserved, ""], strict=False)]

    def volume(self, name: str, size: str, reserved: str) -> JSON:
        uid = self.one("", f"uid-{reserved}", f"uid-{reserved}", "uid-other")
        reference = {"namespace": self.one(*3 * (NAMESPACE,), ELSEWHERE), "name": reserved, "uid": uid}
        source = self.in_tree() if self.theme == "migrated" and self.often(0.8) else self.source(name)
        labels = {key: self.one(*ZONES) for key in self.some(*ZONE_KEYS, least=int(self.theme == "migrated"))}
        annotations = {
            **self.perhaps(0.1, **{"volume.beta.kubernetes.io/storage-class": self.one("static", "waiting", "")}),
            **self.perhaps(0.3, **{"pv.kubernetes.io/bound-by-controller": "yes"}),
        }
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                **self.perhaps(0.4, labels=labels),
                "annotations": annotations,
                **(DELETED if self.often(0.05) else {}),
            },
            "spec": {
                "capacity": {"storage": size},
                "accessModes": self.some(*MODES, least=1, most=3) if self.often(0.85) else EXCLUSIVE,
                "storageClassName": self._class(*WAITING, ""),
                **source,
                **self.perhaps(1.0 if "local" in source else 0.5, nodeAffinity=self.affinity()),
                **(self.perhaps(0.4, claimRef=reference) if reserved else {}),
                **self.perhaps(0.07, volumeMode="Block"),
                **(self.perhaps(0.1, volumeAttributesClassName="gold") if "csi" in source else {}),
            },
            "status": {"phase": self.one(*7 * ("Available",), "Pending", "Bound", "Released", "Failed")},
        }

    def claim(self, name: str, namespace: str = NAMESPACE, **metadata: Any) -> JSON:
        state = self.one(*STATES[self.theme])
        annotations = {
            **({"pv.kubernetes.io/bind-completed": "yes"} if state == "bound" or self.often(0.03) else {}),
            **({"volume.kubernetes.io/selected-node": self.one(*NODES, *NODES, "")} if state == "selected" else {}),
            **self.perhaps(0.07, **{"volume.beta.kubernetes.io/storage-class": self.one(*CLASSES)}),
        }
        volume = {"volumeName": self.one(*2 * VOLUMES, "v-gone")} if state in ("bound", "named") else {}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"uid-{name}",
                "annotations": annotations,
                **(GONE if self.often(0.02) else {}),
                **metadata,
            },
            "spec": {
                "accessModes": EXCLUSIVE if self.often(0.05 if self.theme == "slots" else 0.2) else self._modes(),
                **self.perhaps(0.99, storageClassName=self._class(*(CLASSES if state == "odd" else WAITING))),
                "resources": {"requests": {"storage": self.one(*REQUESTS)}},
                **volume,
                **self.perhaps(0.1, selector=self.selector()),
                **self.perhaps(0.05, volumeMode="Block"),
                **self.perhaps(0.07, volumeAttributesClassName="gold"),
            },
            "status": {"phase": "Lost" if self.often(0.02) else self.one("Pending", "Bound")},
        }

    def ephemeral_claim(self, pod: str) -> JSON:
        owner = {"apiVersion": "v1", "kind": "Pod", "name": pod, "controller": True}
        owners = [{**owner, "uid": f"uid-{pod}" if self.often(0.93) else "uid-other"}]
        return self.claim(f"{pod}-scratch", **self.perhaps(0.95, ownerReferences=owners))

    # --- pods and attachments ---

    def pod(self, name: str, node: str = "", *, countable: bool = False) -> JSON:
        """The pod that is asked about, or one on a node; `countable`: all its inline volumes have a CSI driver."""
        self.countable = countable
        volumes = [{"name": f"x{n}", **self._pod_volume()} for n in range(self.one(0, 1, 1, 1, 2, 2, 3, 4))]
        if self.often(0.2):
            volumes.append({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": _template()}}})
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": ELSEWHERE if node and self.often(0.2) else NAMESPACE,
                "uid": f"uid-{name}",
                **(GONE if node and self.often(0.1) else {}),
            },
            "spec": {"volumes": volumes, "containers": CONTAINERS, **({"nodeName": node} if node else {})},
            "status": {"phase": self.one(*4 * ("Running",), "Pending", "Succeeded", "Failed") if node else "Pending"},
        }

    def attachment(self, name: str) -> JSON:
        inline = {"accessModes": ["ReadWriteOnce"], "csi": {"driver": DRIVER, "volumeHandle": "vol-1"}}
        by_name = {"persistentVolumeName": self.one(*VOLUMES, "v-gone")}
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "VolumeAttachment",
            "metadata": {"name": name},
            "spec": {
                "nodeName": self.one(*NODES),
                "attacher": self.one(DRIVER, DRIVER, OTHER, "ebs.csi.aws.com"),
                "source": {"inlineVolumeSpec": inline} if self.often(0.1) else by_name,
            },
            **self.perhaps(status={"attached": self.often()}),
        }

    def cluster(self, pod: JSON) -> list[JSON]:
        """Objects of all kinds; now and then one is missing. The pod is the one that will be asked about."""
        nodes = [name for name in NODES if self.often(0.95)] or ["n1"]
        owners = [*CLAIMS, *(name for name in CLAIMS[:2] if self.often(0.3))]
        objects = [
            *(self.csi_node(name) for name in NODES if self.often(0.9)),
            *(self.storage_class(name) for name in PROVISIONERS),
            *self.csi_drivers(),
            *(self.capacity(f"cap{n}") for n in range(4)),
            *self.volumes(choices=len(pod["spec"]["volumes"])),
            *(self.claim(name, ELSEWHERE if n >= len(CLAIMS) else NAMESPACE) for n, name in enumerate(owners)),
            *(self.pod(f"p{n}", self.one(*nodes), countable=n > 1) for n in range(1, 6)),
            self.ephemeral_claim("new"),
            self.ephemeral_claim("p1"),
            *(self.attachment(f"a{n}") for n in range(4)),
        ]
        return [*map(self.node, nodes), *(obj for obj in objects if self.often(0.95))]

    def _pod_volume(self) -> JSON:
        claim = {"persistentVolumeClaim": {"claimName": self.one(*CLAIMS)}}
        if not self.often(INLINE[self.theme]):
            return claim
        return self.one(self.in_tree(), self.shareable()) if self.theme == "disks" else self.inline()

    def _class(self, *classes: str) -> str:
        return "static" if self.theme == "matching" and self.often(0.8) else str(self.one(*classes))

    def _modes(self) -> list[str]:
        return self.some(*MODES, least=1) if self.often(0.3) else ["ReadWriteOnce"]

    def _not_awaited(self) -> JSON:
        return self.perhaps(0.3, preventPodSchedulingIfMissing=False)


def _template() -> JSON:
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


assert len({nanos(size) for size in SIZES}) == len(SIZES)
