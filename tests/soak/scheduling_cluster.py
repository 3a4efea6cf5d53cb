"""A cluster that is too small for its pods: nodes with few slots, pools with little room, and whoever fills the pools.

The driver of the pools is played here: it makes a volume where it was asked for one, if there is room, destroys it when
it is released, and reports what is left every few seconds.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final

from kube.caches import Caches
from kube.client import Client
from kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from model import names
from model.meta import JSON
from model.resources import CAPACITIES, CLASSES, CSI_DRIVERS, CSI_NODES, NAMESPACES, NODES, VOLUMES
from model.volumes import PersistentVolume, PersistentVolumeClaim
from tests.waiting import eventually

NAMESPACE: Final = "soak"
ZONES: Final = ("east", "west")
PLACES: Final = {f"{zone}-{number}": zone for zone in ZONES for number in range(4)}
"""The nodes, with their zones."""
DISK, POOL = "disk.csi.example.com", "pool.csi.example.com"
LIMITS: Final = {DISK: 3, POOL: 4}
"""Volumes of each driver that a node takes."""
HOLDS: Final = {"east": 18, "west": 15}
"""Gi of the zones' pools: often full, and not so crowded that a pod that wants much never finds its turn."""
DISKS: Final = 12
"""Disks in each zone that any claim may take."""
GIB_NANOS: Final = 10**9 << 30
REPORT_SECONDS: Final = 3.0


async def prepare(client: Client) -> None:
    """Namespace, nodes, classes, pools and disks."""
    with suppress(AlreadyExists):
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    await client.create(CSI_DRIVERS, {"metadata": {"name": POOL}, "spec": {"storageCapacity": True}})
    for name, zone in PLACES.items():
        amounts = {"cpu": "64", "memory": "256Gi", "pods": "110"}
        labels = {names.HOSTNAME: name, names.ZONE: zone}
        status = {"capacity": amounts, "allocatable": amounts}
        await client.create(NODES, {"metadata": {"name": name, "labels": labels}, "status": status})
        drivers = [{"name": each, "nodeID": name, "allocatable": {"count": count}} for each, count in LIMITS.items()]
        await client.create(CSI_NODES, {"metadata": {"name": name}, "spec": {"drivers": drivers}})
    for name, provisioner, mode in _CLASSES:
        body = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}
        await client.create(CLASSES, {**body, "reclaimPolicy": "Delete"})
    for zone in ZONES:
        await client.create(CAPACITIES, _report(zone, HOLDS[zone]), NAMESPACE)
        for number in range(DISKS):
            await client.create(VOLUMES, disk(f"disk-{zone}-{number}", "disk", zone))


_CLASSES: Final = (
    ("named", names.NO_PROVISIONER, "Immediate"),
    ("disk", names.NO_PROVISIONER, "WaitForFirstConsumer"),
    ("made", "kubernetes.io/host-path", "WaitForFirstConsumer"),
    ("pool", POOL, "WaitForFirstConsumer"),
)


def disk(name: str, storage_class: str, zone: str, **spec: Any) -> JSON:
    """A volume that exists beforehand; in no zone if none is given."""
    return _volume(name, storage_class, DISK, zone, 1, persistentVolumeReclaimPolicy="Retain", **spec)


class Driver:
    """The driver of the pools, and whoever gives disks back."""

    def __init__(self, client: Client, caches: Caches, random: Random) -> None:
        self._client = client
        self._caches = caches
        self._random = random
        self._made: dict[str, tuple[str, int]] = {}
        """The volumes that it has, with zone and Gi."""
        self._under_way: set[str] = set()
        self.refused: list[str] = []
        """What was asked for although there was no room: whoever asked had overbooked the pool."""
        self.made = 0

    def asked(self) -> Iterator[PersistentVolumeClaim]:
        """The claims whose volumes are still to be made."""
        for claim in self._caches.claims.values():
            if claim.storage_class == "pool" and claim.selected_node and f"pool-{claim.uid}" not in self._made:
                yield claim

    def room(self, zone: str) -> int:
        """Gi that are left."""
        return HOLDS[zone] - sum(size for there, size in self._made.values() if there == zone)

    def taken(self, zone: str) -> int:
        """Gi that volumes take, and those that are still to be made."""
        asked = (each for each in self.asked() if PLACES.get(each.selected_node or "") == zone and not each.deleting)
        return HOLDS[zone] - self.room(zone) + sum(map(_gib, asked))

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._report())
            while True:
                for claim in list(self.asked()):
                    if claim.uid not in self._under_way and not claim.spec.volume_name and not claim.deleting:
                        self._under_way.add(claim.uid)
                        group.create_task(self._make(claim))
                for volume in self._caches.volumes.values():
                    if volume.status.phase == "Released" and volume.uid not in self._under_way:
                        self._under_way.add(volume.uid)
                        group.create_task(self._give_back(volume))
                await asyncio.sleep(0.1)

    async def _make(self, claim: PersistentVolumeClaim) -> None:
        try:
            await asyncio.sleep(self._random.uniform(0.0, 1.0))
            now = self._caches.claims.get(claim.key)
            zone = PLACES.get((now and now.selected_node) or "")
            if now is None or now.uid != claim.uid or zone is None or now.deleting:
                return
            if self.room(zone) < _gib(claim):
                self.refused.append(f"{claim.key} on {now.selected_node}: {_gib(claim)}Gi of {self.room(zone)}Gi")
                return
            name = f"pool-{claim.uid}"
            self._made[name] = zone, _gib(claim)
            reference = {"namespace": claim.namespace, "name": claim.name, "uid": claim.uid}
            spec = {"persistentVolumeReclaimPolicy": "Delete", "claimRef": reference}
            await self._surely(
                lambda: self._client.create(VOLUMES, _volume(name, "pool", POOL, zone, _gib(claim), **spec))
            )
            self.made += 1
        finally:
            self._under_way.discard(claim.uid)

    async def _give_back(self, volume: PersistentVolume) -> None:
        """Destroy what was made; let anybody have a disk again."""
        try:
            if volume.storage_class == "disk":
                change = {"metadata": {"resourceVersion": volume.metadata.resource_version}, "spec": {"claimRef": None}}
                await self._surely(lambda: self._client.patch(VOLUMES, volume.name, change))
            elif volume.storage_class in ("pool", "named"):
                await self._surely(lambda: self._client.delete(VOLUMES, volume.name))
                # It is gone when whoever protects it has let it go.
                _ = await eventually(lambda: self._caches.volumes.get(volume.name) is None)
                self._made.pop(volume.name, None)
        finally:
            self._under_way.discard(volume.uid)

    async def _report(self) -> None:
        said = dict(HOLDS)
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            for zone in ZONES:
                if (room := self.room(zone)) != said[zone]:
                    said[zone] = room
                    change = {"capacity": f"{room}Gi"}
                    await self._surely(lambda: self._client.patch(CAPACITIES, zone, change, NAMESPACE))  # noqa: B023 - awaited at once

    async def _surely(self, call: Any) -> None:
        """Until it is done, or somebody else did it."""
        while True:
            try:
                await call()
            except (AlreadyExists, Conflict, NotFound):
                return
            except KubeError:
                await asyncio.sleep(0.2)
            else:
                return


def _gib(claim: PersistentVolumeClaim) -> int:
    return int(claim.requested_nanos // GIB_NANOS)


def _report(zone: str, gib: int) -> JSON:
    topology = {"matchLabels": {names.ZONE: zone}}
    return {
        "metadata": {"name": zone},
        "storageClassName": "pool",
        "nodeTopology": topology,
        "capacity": f"{gib}Gi",
    }


def _volume(name: str, storage_class: str, driver: str, zone: str, gib: int, **spec: Any) -> JSON:
    term = {"matchExpressions": [{"key": names.ZONE, "operator": "In", "values": [zone]}]}
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}} if zone else {}
    return {
        # That somebody outside made it, and will destroy it.
        "metadata": {"name": name, "annotations": {names.PROVISIONED_BY: driver}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": f"{gib}Gi"},
            "csi": {"driver": driver, "volumeHandle": name},
            "storageClassName": storage_class,
            **affinity,
            **spec,
        },
    }
