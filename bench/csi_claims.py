"""Claims of a CSI class on a real API server: made, followed until they have volumes or are bound, and removed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final

from bench.claims import all_of
from kube.cache import Cache
from kube.client import Client
from kube.errors import NotFound
from model import names
from model.meta import JSON
from model.resources import CLAIMS, CLASSES, CSI_DRIVERS, CSI_NODES, NAMESPACES, NODES, VOLUMES, ObjectT, Resource
from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim
from tests.csi_live.objects import claim, csi_driver, csi_node, node, storage_class

DRIVER: Final = "hostpath.csi.bench"
NODE: Final = "node-1"
LABELS: Final = {f"topology.{DRIVER}/node": NODE}
CLASS: Final = "bench"


class Seen:
    """When something was first seen, by name, on the clock of `time.perf_counter`."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self._changed = asyncio.Event()

    def see(self, name: str) -> None:
        """It is there now."""
        if name not in self.times:
            self.times[name] = time.perf_counter()
            self._changed.set()

    async def count(self, number: int) -> None:
        """Return when so many were."""
        while len(self.times) < number:
            self._changed.clear()
            await self._changed.wait()


async def prepare(client: Client) -> None:
    """The class, and the driver as it is registered on a node."""
    await client.create(CLASSES, storage_class(CLASS, DRIVER))
    await client.create(CSI_DRIVERS, csi_driver(DRIVER))
    await client.create(NODES, node(NODE, LABELS))
    await client.create(CSI_NODES, csi_node(NODE, DRIVER, LABELS))


async def make_claims(client: Client, namespace: str, count: int, *, marked: bool) -> None:
    """Claims and their namespace; `marked` as a binder marks those that nothing suits."""
    await client.create(NAMESPACES, {"metadata": {"name": namespace}})
    marks = {names.STORAGE_PROVISIONER: DRIVER, names.BETA_STORAGE_PROVISIONER: DRIVER} if marked else {}

    async def make(number: int) -> None:
        made = claim(f"claim-{number}", CLASS)
        made["metadata"]["annotations"] = marks
        await client.create(CLAIMS, made, namespace)

    await all_of(make(number) for number in range(count))


def volume(name: str, namespace: str, number: int) -> JSON:
    """A volume's object as a provisioner writes it."""
    annotations = {
        names.PROVISIONED_BY: DRIVER,
        names.DELETION_SECRET_NAME: "",
        names.DELETION_SECRET_NAMESPACE: "",
    }
    wanted = [{"key": key, "operator": "In", "values": [value]} for key, value in LABELS.items()]
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": namespace,
            "name": f"claim-{number}",
            "uid": name,
        },
        "csi": {
            "driver": DRIVER,
            "volumeHandle": name,
            "volumeAttributes": {names.PROVISIONER_IDENTITY: "bench"},
        },
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": wanted}]}},
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": CLASS,
        "volumeMode": "Filesystem",
    }
    metadata = {"name": name, "annotations": annotations, "finalizers": [names.EXTERNAL_PROVISIONER]}
    return {"metadata": metadata, "spec": spec}


def volumes_of(client: Client, namespace: str) -> AbstractAsyncContextManager[Seen]:
    """The volumes of a namespace's claims, as they come."""

    def has_come(new: PersistentVolume) -> bool:
        return new.spec.claim_ref is not None and new.spec.claim_ref.namespace == namespace

    return _following(client, VOLUMES, "", has_come)


def bound_claims(client: Client, namespace: str) -> AbstractAsyncContextManager[Seen]:
    """The claims of a namespace, as they are bound."""

    def is_bound(new: PersistentVolumeClaim) -> bool:
        return new.status.phase == ClaimPhase.BOUND and names.BIND_COMPLETED in new.annotations

    return _following(client, CLAIMS, namespace, is_bound)


@asynccontextmanager
async def _following(
    client: Client, resource: Resource[ObjectT], namespace: str, counts: Callable[[Any], bool]
) -> AsyncIterator[Seen]:
    seen, cache = Seen(), Cache(client, resource, namespace=namespace)

    def show(_: Any, new: Any) -> None:
        if new is not None and counts(new):
            seen.see(new.name)

    cache.subscribe(show)
    task = asyncio.create_task(cache.run())
    try:
        await cache.wait_synced()
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])


async def remove(client: Client, namespace: str) -> None:
    """All claims and volumes; the namespace stays, which would need a controller to go."""
    found = await client.list(CLAIMS, namespace)
    await all_of(client.delete(CLAIMS, each.name, namespace) for each in found)
    await all_of(_remove(client, each) for each in await client.list(VOLUMES))


async def _remove(client: Client, volume: PersistentVolume) -> None:
    """Without its driver, which is gone by then. What somebody was about to remove may be gone, too."""
    with suppress(NotFound):
        if volume.metadata.finalizers:
            await client.patch(VOLUMES, volume.name, {"metadata": {"finalizers": None}})
        await client.delete(VOLUMES, volume.name)
