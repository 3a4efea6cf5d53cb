"""Volumes that are filled: copied from a claim, or restored from a snapshot; and what is held meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from deploy.snapshot_crds import definitions
from kube.errors import Forbidden
from kube.transport import Request
from model import names
from model.meta import JSON
from plugins.csi import csi_pb2 as pb
from tests.controllers.csi.provisioner.cluster import CLASSES, NAME, PATIENT, Cluster, cluster, wants
from tests.controllers.csi.provisioner.shelf import CALLS, Shelf, reached
from tests.controllers.inprocess import Direct, World, world
from tests.waiting import eventually

GROUP = "snapshot.storage.k8s.io"
OF_SNAPSHOT = {"apiGroup": GROUP, "kind": "VolumeSnapshot", "name": "snap"}
OF_CLAIM = {"kind": "PersistentVolumeClaim", "name": "first"}


@asynccontextmanager
async def filling(
    folder: Path, shelf: Shelf, *objects: JSON, calls: tuple[str, ...] = CALLS, **parts: Any
) -> AsyncIterator[Cluster]:
    """The provisioner where snapshots are known, with the claim `first`, which has its volume."""
    async with reached(folder, shelf, calls=calls) as driver, world(*CLASSES) as made:
        kind = made.api.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        for each in definitions():
            await made.api.create(kind, "", each)
        async with cluster(made, driver, folder, **parts) as running:
            await made.create(wants("first"))
            await running.settle()
            await made.create(*objects)
            await running.settle()
            yield running


async def snap(made: World, **parts: Any) -> None:
    """A snapshot of the first claim, and its content."""
    metadata = {"name": "snap", "namespace": "default", **parts.pop("metadata", {})}
    status = {"boundVolumeSnapshotContentName": "content", "readyToUse": True, "restoreSize": "1Mi"}
    spec = {"source": {"persistentVolumeClaimName": "first"}}
    await made.create(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "VolumeSnapshot",
            "metadata": metadata,
            "spec": spec,
            "status": status | parts.pop("status", {}),
        }
    )
    uid = made.get("VolumeSnapshot", "snap", "default")["metadata"]["uid"]
    reference = {"namespace": "default", "name": "snap", "uid": uid}
    await made.create(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "VolumeSnapshotContent",
            "metadata": {"name": "content"},
            "spec": {
                "driver": NAME,
                "deletionPolicy": "Delete",
                "source": {"volumeHandle": "h"},
                "volumeSnapshotRef": reference,
            },
            "status": {"snapshotHandle": "s-1", "readyToUse": True, "restoreSize": 1 << 20},
        }
    )


def finalizers(obj: JSON) -> list[str]:
    found: list[str] = obj["metadata"].get("finalizers", [])
    return found


def snapshot_of(running: Cluster) -> JSON:
    return running.made.get("VolumeSnapshot", "snap", "default")


# --- copies ---


async def test_a_claim_is_copied(tmp_path: Path) -> None:
    shelf = Shelf()
    async with filling(tmp_path, shelf, wants("second", dataSource=OF_CLAIM)) as running:
        handle = running.volume_of("first")["spec"]["csi"]["volumeHandle"]
        source = pb.VolumeContentSource(volume=pb.VolumeContentSource.VolumeSource(volume_id=handle))
        assert shelf.requests[-1].volume_content_source == source
        assert running.made.claim("second")["status"]["phase"] == "Bound"
        assert names.CLONE_SOURCE_PROTECTION in finalizers(running.made.claim("first"))
        await running.made.delete("PersistentVolumeClaim", "default", "first")
        await running.settle()
        assert running.made.claim("first") == {}
        assert len(shelf.volumes) == 1


async def test_what_is_copied_stays_until_the_copy_is_there(tmp_path: Path) -> None:
    shelf = Shelf()
    async with filling(tmp_path, shelf, settings=PATIENT) as running:
        shelf.before = [StatusCode.INTERNAL]
        await running.made.create(wants("second", dataSource=OF_CLAIM))
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("second"))
        await running.made.delete("PersistentVolumeClaim", "default", "first")
        await eventually(lambda: finalizers(running.made.claim("first")) == [names.CLONE_SOURCE_PROTECTION])
        await running.made.delete("PersistentVolumeClaim", "default", "second")
        await running.settle()
        assert running.made.objects("PersistentVolumeClaim") == []
        assert shelf.volumes == {}


async def test_a_claim_that_is_going_is_copied_no_more(tmp_path: Path) -> None:
    shelf = Shelf()
    async with filling(tmp_path, shelf) as running:
        held = {"metadata": {"finalizers": ["a.example/held"]}}
        await running.made.merge("PersistentVolumeClaim", "default", "first", held)
        await running.made.delete("PersistentVolumeClaim", "default", "first")
        await running.made.create(wants("second", dataSource=OF_CLAIM))
        await running.settle()
        assert len(shelf.requests) == 1


# --- snapshots ---


async def test_a_snapshot_is_restored_and_let_go(tmp_path: Path) -> None:
    shelf = Shelf()
    async with filling(tmp_path, shelf) as running:
        await snap(running.made)
        shelf.before = [StatusCode.INTERNAL]
        await running.made.create(wants("second", dataSourceRef=OF_SNAPSHOT))
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("second"))
        assert finalizers(snapshot_of(running)) == [names.SNAPSHOT_RESTORE_PROTECTION]
        await running.settle()
        source = pb.VolumeContentSource(snapshot=pb.VolumeContentSource.SnapshotSource(snapshot_id="s-1"))
        assert shelf.requests[-1].volume_content_source == source
        assert running.made.claim("second")["status"]["phase"] == "Bound"
        assert finalizers(snapshot_of(running)) == []


async def test_a_snapshot_that_others_wait_for_is_held_on(tmp_path: Path) -> None:
    shelf = Shelf()
    async with filling(tmp_path, shelf) as running:
        await snap(running.made)
        late = wants("third", "late", dataSource=OF_SNAPSHOT)
        await running.made.create(wants("second", dataSource=OF_SNAPSHOT), late)
        await running.settle()
        assert running.made.claim("second")["status"]["phase"] == "Bound"
        assert finalizers(snapshot_of(running)) == [names.SNAPSHOT_RESTORE_PROTECTION]
        await running.made.delete("PersistentVolumeClaim", "default", "third")
        await running.settle()
        assert finalizers(snapshot_of(running)) == []


async def test_a_snapshot_that_an_earlier_process_held_is_let_go(tmp_path: Path) -> None:
    async with filling(tmp_path, Shelf()) as running:
        await snap(running.made, metadata={"finalizers": [names.SNAPSHOT_RESTORE_PROTECTION]})
        running.sidecar.work.resync()
        await running.settle()
        assert finalizers(snapshot_of(running)) == []


async def test_who_may_not_hold_snapshots_restores_them_all_the_same(tmp_path: Path) -> None:
    def forbid(transport: Direct) -> None:
        def before(request: Request) -> None:
            if "volumesnapshots" in request.path:
                raise Forbidden(403, "Forbidden", "no")

        transport.before = before

    async with filling(tmp_path, Shelf(), prepare=forbid) as running:
        await snap(running.made)
        await running.made.create(wants("second", dataSource=OF_SNAPSHOT))
        await running.settle()
        assert running.made.claim("second")["status"]["phase"] == "Bound"


# --- what is not filled ---


@pytest.mark.parametrize(
    ("source", "size", "calls", "told"),
    [
        (OF_SNAPSHOT | {"name": "none"}, "1Mi", CALLS, "there is no VolumeSnapshot"),
        (OF_SNAPSHOT, "1000", CALLS, "needs a volume of"),
        (OF_SNAPSHOT, "1Mi", CALLS[:1], "restores no snapshots"),
        (OF_SNAPSHOT | {"apiGroup": "other.example"}, "1Mi", CALLS, ""),
        (OF_CLAIM | {"name": "none"}, "1Mi", CALLS, "there is no PersistentVolumeClaim"),
        (OF_CLAIM, "1000", CALLS, "must not request less"),
        (OF_CLAIM, "1Mi", CALLS[:1], "copies no volumes"),
    ],
    ids=str,
)
async def test_a_claim_whose_source_does_not_do_is_told(
    tmp_path: Path, source: JSON, size: str, calls: tuple[str, ...], told: str
) -> None:
    shelf = Shelf()
    async with filling(tmp_path, shelf, calls=calls) as running:
        await snap(running.made)
        await running.made.create(wants("second", size=size, dataSourceRef=source))
        await running.settle()
        assert len(shelf.requests) == 1
        said = [each["message"] for each in running.made.objects("Event") if each["reason"] == "ProvisioningFailed"]
        assert any(told in each for each in said)


async def test_what_a_populator_fills_is_left_to_it(tmp_path: Path) -> None:
    shelf = Shelf()
    source = {"apiGroup": "pop.example", "kind": "Picture", "name": "p"}
    async with filling(tmp_path, shelf, wants("second", dataSourceRef=source)) as running:
        assert len(shelf.requests) == 1
        assert "Provisioning" in running.made.reasons("second")
        assert "ProvisioningFailed" not in running.made.reasons("second")


async def test_a_driver_that_fills_nothing_is_not_believed(tmp_path: Path) -> None:
    shelf = Shelf()
    async with filling(tmp_path, shelf, settings=PATIENT) as running:
        shelf.unfilled = True
        await running.made.create(wants("second", dataSource=OF_CLAIM))
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("second"))
        await running.sidecar.rest()
        assert len(shelf.volumes) == 1
        shelf.unfilled = False
        await running.settle()
        assert running.made.claim("second")["status"]["phase"] == "Bound"
