"""Random small clusters: few names, so that things collide. One seed, one cluster.

Drawn by a plain generator, as composing hundreds of hypothesis strategies takes seconds a cluster.
"""

from random import Random
from typing import Any

from model.meta import JSON

NODES = ("n1", "n2", "n3")
NAMESPACE = "ns"
CLAIMS = ("c1", "c2", "c3")
VOLUMES = ("v1", "v2", "v3", "v4")
DRIVER, OTHER = "csi.example.com", "ebs.csi.aws.com"
PROVISIONERS = (DRIVER, DRIVER, "kubernetes.io/no-provisioner", "kubernetes.io/aws-ebs", "kubernetes.io/azure-file")
CLASSES = ("waiting", "waiting", "static", "static", "immediate", "missing", "")
BETA, GA = "failure-domain.beta.kubernetes.io/", "topology.kubernetes.io/"
KEYS = (f"{BETA}zone", f"{GA}zone", f"{BETA}region", f"{GA}region", "topology.ebs.csi.aws.com/zone", "rack", "size")
VALUES = ("us-east-1a", "us-east-1b", "5", "7")
ZONES = ("us-east-1a", "us-east-1b", "us-east-1a__us-east-1b", "us-east-1a____us-east-1b", "")
MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteOncePod")
SIZES = ("1Gi", "2Gi", "1G", "1500M")


class Dice:
    """Draws objects."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def one(self, *of: Any) -> Any:
        return self._random.choice(of)

    def some(self, *of: Any, least: int = 0, most: int = 2) -> list[Any]:
        return self._random.sample(of, self._random.randint(least, min(most, len(of))))

    def often(self, probability: float = 0.5) -> bool:
        return self._random.random() < probability

    def shuffled(self, of: list[Any]) -> list[Any]:
        return self._random.sample(of, len(of))

    def perhaps(self, probability: float = 0.5, **drawn: Any) -> JSON:
        """The keys, or nothing."""
        return drawn if self.often(probability) else {}

    # --- parts ---

    def expression(self, *, comparing: bool = False) -> JSON:
        match self.one("In", "NotIn", "Exists", "DoesNotExist", *(("Gt", "Lt") if comparing else ())):
            case ("In" | "NotIn") as operator:
                return {"key": self.one(*KEYS), "operator": operator, "values": self.some(*VALUES, least=1)}
            case ("Gt" | "Lt") as operator:
                return {"key": "size", "operator": operator, "values": [self.one(*VALUES)]}
            case operator:
                return {"key": self.one(*KEYS), "operator": operator}

    def affinity(self) -> JSON:
        terms = [
            {
                **self.perhaps(
                    0.8, matchExpressions=[self.expression(comparing=True) for _ in range(self.one(1, 1, 2))]
                ),
                **self.perhaps(0.2, matchFields=[{"key": "metadata.name", "operator": "In", "values": ["n1"]}]),
            }
            for _ in range(self.one(1, 1, 2))
        ]
        return {"required": {"nodeSelectorTerms": terms}}

    def selector(self) -> JSON:
        return {
            **self.perhaps(0.6, matchLabels={self.one(*KEYS): self.one(*VALUES)}),
            **self.perhaps(0.3, matchExpressions=[self.expression()]),
        }

    def in_tree(self) -> JSON:
        return self.one(
            {"awsElasticBlockStore": {"volumeID": self.one("vol-1", "aws://us-east-1a/vol-1", "aws://us-east-1a/bad")}},
            {"gcePersistentDisk": {"pdName": "pd", "readOnly": self.often()}},
            {"azureDisk": {"diskName": "d", "diskURI": "uri", "kind": self.one("Managed", "Managed", "Shared")}},
            {"cinder": {"volumeID": "vol-1"}},
        )

    def inline(self) -> JSON:
        return self.one(
            self.in_tree(),
            {"iscsi": {"iqn": "iqn", "readOnly": self.often()}},
            {
                "rbd": {
                    "monitors": self.some("m1", "m2", least=1),
                    "image": "i",
                    "pool": "rbd",
                    "readOnly": self.often(),
                }
            },
            {"emptyDir": {}},
        )

    # --- objects ---

    def node(self, name: str) -> JSON:
        labels = {key: self.one(*VALUES) for key in self.some(*KEYS, most=4)}
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}

    def csi_node(self, name: str) -> JSON:
        drivers = [
            {
                "name": driver,
                "nodeID": name,
                **self.perhaps(0.9, allocatable=self.perhaps(0.9, count=self.one(0, 1, 2))),
            }
            for driver in self.some(DRIVER, OTHER)
        ]
        plugins = ",".join(self.some("kubernetes.io/aws-ebs", "kubernetes.io/gce-pd", "kubernetes.io/azure-disk"))
        annotations = self.perhaps(annotations={"storage.alpha.kubernetes.io/migrated-plugins": plugins})
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSINode",
            "metadata": {"name": name, **annotations},
            "spec": {"drivers": drivers},
        }

    def storage_class(self, name: str) -> JSON:
        topology = {"matchLabelExpressions": [{"key": self.one(*KEYS), "values": self.some(*VALUES, least=1)}]}
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": "kubernetes.io/no-provisioner" if name == "static" else self.one(*PROVISIONERS),
            "volumeBindingMode": "Immediate" if name == "immediate" else "WaitForFirstConsumer",
            **self.perhaps(0.3, allowedTopologies=[self.one(topology, {}), topology][: self.one(1, 2)]),
        }

    def csi_driver(self) -> JSON:
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": {"name": DRIVER},
            "spec": self.perhaps(0.8, storageCapacity=self.often(0.7)),
        }

    def capacity(self, name: str) -> JSON:
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIStorageCapacity",
            "metadata": {"name": name, "namespace": "kube-system"},
            "storageClassName": "waiting",
            **self.perhaps(0.9, nodeTopology=self.selector()),
            **self.perhaps(0.9, capacity=self.one(*SIZES)),
            **self.perhaps(0.3, maximumVolumeSize=self.one(*SIZES)),
        }

    def volume(self, name: str) -> JSON:
        claim = self.one(*CLAIMS)
        uid = self.one("", f"uid-{claim}", "uid-other")
        source = self.one(
            {"csi": {"driver": DRIVER, "volumeHandle": self.one("vol-1", name)}},
            {"csi": {"driver": OTHER, "volumeHandle": "vol-1"}},
            self.in_tree(),
            {"nfs": {"server": "s", "path": "/"}},
        )
        labels = {key: self.one(*ZONES) for key in self.some(*KEYS[:4])}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": name,
                **self.perhaps(0.4, labels=labels),
                **self.perhaps(0.1, deletionTimestamp="2026-01-01T00:00:00Z"),
            },
            "spec": {
                "capacity": {"storage": self.one(*SIZES)},
                "accessModes": self.some(*MODES, least=1, most=3),
                "storageClassName": self.one(*CLASSES[:5]),
                **source,
                **self.perhaps(0.5, nodeAffinity=self.affinity()),
                **self.perhaps(0.3, claimRef={"namespace": NAMESPACE, "name": claim, "uid": uid}),
                **self.perhaps(0.1, volumeMode="Block"),
                **self.perhaps(0.2, volumeAttributesClassName=self.one("", "gold")),
            },
            "status": {"phase": self.one("Available", "Available", "Bound")},
        }

    def claim(self, name: str, **metadata: Any) -> JSON:
        named = self.often(0.4)
        annotations = {
            **self.perhaps(0.9 if named else 0.1, **{"pv.kubernetes.io/bind-completed": "yes"}),
            **self.perhaps(0.15, **{"volume.kubernetes.io/selected-node": self.one(*NODES, "")}),
            **self.perhaps(0.1, **{"volume.beta.kubernetes.io/storage-class": self.one(*CLASSES)}),
        }
        unbound_class = self.one(*CLASSES[:4]) if self.often(0.8) else self.one(*CLASSES)
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"uid-{name}",
                "annotations": annotations,
                **self.perhaps(0.03, deletionTimestamp="2026-01-01T00:00:00Z"),
                **metadata,
            },
            "spec": {
                "accessModes": self.some(*MODES[:2], least=1) if self.often(0.8) else [MODES[2]],
                "storageClassName": unbound_class,
                **self.perhaps(0.9, resources={"requests": {"storage": self.one(*SIZES)}}),
                **({"volumeName": self.one(*VOLUMES, *VOLUMES, "v-gone")} if named else {}),
                **self.perhaps(0.1, selector={"matchLabels": {KEYS[1]: "us-east-1a"}}),
                **self.perhaps(0.1, volumeAttributesClassName="gold"),
            },
            "status": {"phase": "Lost" if self.often(0.03) else "Pending"},
        }

    def ephemeral_claim(self, pod: str) -> JSON:
        owner = {"apiVersion": "v1", "kind": "Pod", "name": pod, "controller": True}
        owners = [{**owner, "uid": f"uid-{pod}" if self.often(0.9) else "uid-other"}]
        return self.claim(f"{pod}-scratch", **self.perhaps(0.95, ownerReferences=owners))

    def pod(self, name: str, node: str = "") -> JSON:
        volumes = [
            self.one(
                {"name": f"x{n}", "persistentVolumeClaim": {"claimName": self.one(*CLAIMS)}},
                {"name": f"x{n}", "persistentVolumeClaim": {"claimName": self.one(*CLAIMS)}},
                {"name": f"x{n}", **self.inline()},
            )
            for n in range(self.one(0, 1, 1, 2, 3))
        ]
        if self.often(0.2):
            volumes.append({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}})
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}"},
            "spec": {"volumes": volumes, **({"nodeName": node} if node else {})},
            "status": {"phase": self.one("Running", "Running", "Running", "Succeeded")},
        }

    def attachment(self, name: str) -> JSON:
        spec = {
            "nodeName": self.one(*NODES),
            "attacher": self.one(DRIVER, DRIVER, OTHER),
            "source": {"persistentVolumeName": self.one(*VOLUMES)},
        }
        return {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "VolumeAttachment",
            "metadata": {"name": name},
            "spec": spec,
        }

    def cluster(self) -> list[JSON]:
        """Objects of all kinds; now and then one is missing."""
        objects = [
            *(self.node(name) for name in NODES),
            *(self.csi_node(name) for name in NODES),
            *(self.storage_class(name) for name in ("waiting", "static", "immediate")),
            self.csi_driver(),
            *(self.capacity(f"cap{n}") for n in range(2)),
            *(self.volume(name) for name in VOLUMES),
            *(self.claim(name) for name in CLAIMS),
            *(self.pod(name, self.one(*NODES)) for name in ("p1", "p2", "p3")),
            self.ephemeral_claim("new"),
            self.ephemeral_claim("p1"),
            *(self.attachment(f"a{n}") for n in range(2)),
        ]
        return [obj for obj in objects if self.often(0.93)]
