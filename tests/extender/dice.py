"""Random parts of objects: selectors, affinities, sources of volumes. One seed, one sequence.

Drawn by a plain generator, as composing hundreds of hypothesis strategies takes seconds a cluster. Few names and
values, so that things collide; all of it is what the API accepts.
"""

from random import Random
from typing import Any, Final

from model.meta import JSON

DRIVER, OTHER = "csi.example.com", "fs.example.com"
MIGRATED: Final = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
}
DRIVERS = (DRIVER, OTHER, *MIGRATED.values())
BETA, GA = "failure-domain.beta.kubernetes.io/", "topology.kubernetes.io/"
ZONE_KEYS = (f"{BETA}zone", f"{GA}zone", f"{BETA}region", f"{GA}region")
TOPOLOGY_KEYS = (
    "topology.ebs.csi.aws.com/zone",
    "topology.gke.io/zone",
    "topology.cinder.csi.openstack.org/zone",
)
KEYS = (*ZONE_KEYS, *TOPOLOGY_KEYS, "rack", "size")
VALUES = ("us-east1-a", "us-east1-b", "5", "7", "")
ZONES = (
    *("us-east1-a", "us-east1-a", "us-east1-b"),
    *(
        "us-east1-a__us-east1-b",
        "us-east1-a__eu-west1-b",
        "us-east1-a____us-east1-b",
        "us-east1-a___us-east1-b",
        "a__b",
    ),
    "",
)
NUMBERS = ("4", "5", "6", "05", "x", "5.0", "9223372036854775808")
EBS_IDS = (
    *("vol-1", "vol-1", "aws://us-east1-a/vol-1", "aws:///vol-1", "aws:///vol-2/"),
    *("AWS://us-east1-a/vol-1", "aws://us-east1-a/vol-1?x=1", "aws://us-east1-a/vol-%31#1"),
)
NO_EBS_IDS = (
    "aws://us-east1-a/disk-1",
    "aws://us-east1-a/vol-1/x",
    "aws://%zz/vol-1",
    "aws:///vol-1%2",
    "aws:///vol-1%2Fx",
)
AZURE_URI = "/subscriptions/s/resourcegroups/g/providers/microsoft.compute/disks/d"
BLOB_URI = "https://account.blob.core.windows.net/container/d.vhd"
IQN = "iqn.2020-01.com.example:storage"


class Dice:
    """Draws parts."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.countable = False
        """Whether in-tree sources drawn now all have a CSI equivalent."""

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

    # --- selectors ---

    def expression(self, *, comparing: bool = False) -> JSON:
        match self.one("In", "In", "NotIn", "Exists", "DoesNotExist", *(("Gt", "Lt") if comparing else ())):
            case ("In" | "NotIn") as operator:
                return {"key": self.one(*KEYS), "operator": operator, "values": self.some(*VALUES, least=1, most=3)}
            case ("Gt" | "Lt") as operator:
                return {"key": "size", "operator": operator, "values": [self.one(*NUMBERS)]}
            case operator:
                return {"key": self.one(*KEYS), "operator": operator}

    def affinity(self) -> JSON:
        """A volume's: terms of expressions, of fields, of both, of neither."""
        terms = [
            {
                **self.perhaps(
                    0.85, matchExpressions=[self.expression(comparing=True) for _ in range(self.one(1, 1, 2))]
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

    def topologies(self) -> list[JSON]:
        """A class's: alternatives of one or two keys."""
        first, second = self.some(*KEYS, least=2), self.some(*KEYS, least=2)
        terms = [[first[0]], first] if first != second and self.often(0.2) else [self.one([first[0]], second)]
        return [
            {"matchLabelExpressions": [{"key": key, "values": self.some(*VALUES, least=1, most=3)} for key in keys]}
            for keys in terms
        ]

    # --- sources ---

    def in_tree(self) -> JSON:
        """A source that a CSI driver has taken over, or would have were it written well."""
        kind = "Shared" if not self.countable and self.often(0.1) else "Managed"
        azure = {"diskName": "d", "diskURI": AZURE_URI if kind == "Managed" else BLOB_URI, "kind": kind}
        return self.one(
            {"awsElasticBlockStore": {"volumeID": self.one(*EBS_IDS, *(() if self.countable else NO_EBS_IDS))}},
            {"gcePersistentDisk": {"pdName": self.one("pd", "pd", "pd2"), "readOnly": self.often()}},
            {"azureDisk": azure},
            {"cinder": {"volumeID": self.one("vol-1", "vol-2")}},
            {"portworxVolume": {"volumeID": "vol-1"}},
        )

    def shareable(self) -> JSON:
        """A source that pods can share only to some degree, and that has no CSI driver."""
        return self.one(
            {
                "iscsi": {
                    "targetPortal": self.one("10.0.0.1:3260", "10.0.0.2:3260"),
                    "iqn": self.one(IQN, IQN, f"{IQN}2"),
                    "lun": self.one(0, 1),
                    "readOnly": self.often(),
                }
            },
            {
                "rbd": {
                    "monitors": self.some("m1", "m2", "m3", least=1),
                    "image": "i",
                    **self.perhaps(pool=self.one("rbd", "other")),
                    "readOnly": self.often(),
                }
            },
        )

    def inline(self) -> JSON:
        """A source that stands in a pod."""
        return self.one(
            self.in_tree(),
            self.shareable(),
            self.shareable(),
            {"emptyDir": {}},
            {"csi": {"driver": DRIVER}},
            {"hostPath": {"path": "/srv"}},
            {"vsphereVolume": {"volumePath": "[store] d"}},
            {"azureFile": {"secretName": "s", "shareName": "share"}},
        )

    def source(self, name: str) -> JSON:
        """A volume's own source."""
        return self.one(
            *2 * ({"csi": {"driver": DRIVER, "volumeHandle": self.one("vol-1", name)}},),
            {"csi": {"driver": self.one(OTHER, *MIGRATED.values()), "volumeHandle": "vol-1"}},
            *2 * (self.in_tree(),),
            self.one(
                {"nfs": {"server": "s", "path": "/"}},
                {"hostPath": {"path": "/srv"}},
                {"iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": IQN, "lun": 0}},
                {"rbd": {"monitors": ["m1"], "image": "i"}},
                {"azureFile": {"secretName": "s", "shareName": "share", "secretNamespace": "ns"}},
                {"vsphereVolume": {"volumePath": "[store] d"}},
                {"local": {"path": "/srv"}},
            ),
        )
