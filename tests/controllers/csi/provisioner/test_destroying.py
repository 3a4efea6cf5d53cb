"""Volumes whose claims are gone are deleted: storage, object, and what held it; and held before that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from model import names
from model.meta import JSON
from tests.controllers.csi.beside import SETTINGS, beside
from tests.controllers.csi.provisioner.cluster import CLASSES, NAME, PATIENT, Cluster, cluster, wants
from tests.controllers.csi.provisioner.shelf import CALLS, Shelf, reached
from tests.controllers.inprocess import storage_class, world
from tests.controllers.manifests import volume
from tests.waiting import eventually

ATTACHES = (*CALLS, "PUBLISH_UNPUBLISH_VOLUME")
GONE = {"namespace": "default", "name": "gone", "uid": "uid-of-gone"}


@asynccontextmanager
async def deleting(folder: Path, shelf: Shelf, *objects: JSON, **parts: Any) -> AsyncIterator[Cluster]:
    parts = {"settings": SETTINGS, **parts}
    calls = parts.pop("calls", CALLS)
    async with (
        reached(folder, shelf, calls=calls) as driver,
        world(*CLASSES, *objects) as made,
        cluster(made, driver, folder, **parts) as running,
    ):
        await running.settle()
        yield running


def by_hand(name: str = "hand", *, annotations: JSON | None = None, **spec: Any) -> JSON:
    """A volume that nobody provisioned, and whose claim is gone."""
    in_tree = spec.keys() & {"gcePersistentDisk", "azureFile", "vsphereVolume"}
    source = {} if in_tree else {"csi": {"driver": NAME, "volumeHandle": "h-hand"}}
    policy = {"persistentVolumeReclaimPolicy": "Delete"}
    return volume(name, metadata={"annotations": annotations or {}}, claimRef=GONE, **policy, **source, **spec)


async def goes(running: Cluster) -> str:
    """Delete the claim; the name of its volume."""
    name: str = running.volume_of()["metadata"]["name"]
    await running.made.delete("PersistentVolumeClaim", "default", "c")
    return name


def attachment(volume_name: str, node: str = "n1") -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": f"csi-{volume_name}"},
        "spec": {"attacher": NAME, "nodeName": node, "source": {"persistentVolumeName": volume_name}},
    }


async def test_what_is_attached_stays_until_it_is_not(tmp_path: Path) -> None:
    shelf = Shelf()
    async with deleting(tmp_path, shelf, wants(), calls=ATTACHES, settings=PATIENT) as running:
        name = running.volume_of()["metadata"]["name"]
        await running.made.create(attachment(name))
        await goes(running)
        await running.settle()
        assert shelf.deletions == []
        assert "VolumeDelete" in running.made.reasons(name)
        await running.made.delete("VolumeAttachment", "", f"csi-{name}")
        await running.sidecar.rest()
        assert (shelf.volumes, running.made.objects("PersistentVolume")) == ({}, [])


async def test_attachments_of_a_driver_that_attaches_nothing_are_not_waited_for(tmp_path: Path) -> None:
    shelf = Shelf()
    async with deleting(tmp_path, shelf, wants()) as running:
        await running.made.create(attachment(running.volume_of()["metadata"]["name"]))
        await goes(running)
        await running.settle()
        assert (shelf.volumes, running.made.objects("PersistentVolume")) == ({}, [])


@pytest.mark.parametrize("code", [StatusCode.FAILED_PRECONDITION, StatusCode.INTERNAL, StatusCode.DEADLINE_EXCEEDED])
async def test_a_failed_deletion_is_told_and_tried_again(tmp_path: Path, code: StatusCode) -> None:
    shelf = Shelf(deletion_faults=[code])
    async with deleting(tmp_path, shelf, wants()) as running:
        name = await goes(running)
        await running.settle()
        assert (shelf.volumes, running.made.objects("PersistentVolume")) == ({}, [])
        assert len(shelf.deletions) == 2
        assert "VolumeFailedDelete" in running.made.reasons(name)


async def test_a_bound_volume_that_a_user_deletes_waits_for_its_claim(tmp_path: Path) -> None:
    shelf = Shelf()
    async with deleting(tmp_path, shelf, wants()) as running:
        await running.made.delete("PersistentVolume", "", running.volume_of()["metadata"]["name"])
        await running.settle()
        assert running.volume_of()["status"]["phase"] == "Bound"
        assert shelf.deletions == []
        await goes(running)
        await running.settle()
        assert (shelf.volumes, running.made.objects("PersistentVolume")) == ({}, [])
        assert len(shelf.deletions) == 1


async def test_the_policy_decides_who_holds_the_volume(tmp_path: Path) -> None:
    async with deleting(tmp_path, Shelf(), wants()) as running:
        name = running.volume_of()["metadata"]["name"]
        for policy, held in (("Retain", False), ("Delete", True)):
            change = {"spec": {"persistentVolumeReclaimPolicy": policy}}
            await running.made.merge("PersistentVolume", "", name, change)
            await running.settle()
            assert (names.EXTERNAL_PROVISIONER in running.volume_of()["metadata"]["finalizers"]) is held


async def test_a_volume_that_was_written_by_hand_is_deleted_too(tmp_path: Path) -> None:
    shelf = Shelf()
    async with deleting(tmp_path, shelf, by_hand()) as running:
        assert [each.volume_id for each in shelf.deletions] == ["h-hand"]
        assert running.made.objects("PersistentVolume") == []


@pytest.mark.parametrize(
    ("driver", "deleted"), [("pd.csi.storage.gke.io", ["projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"]), (NAME, [])]
)
async def test_a_disk_that_the_driver_took_over_is_deleted_by_its_name_there(
    tmp_path: Path, driver: str, deleted: list[str]
) -> None:
    """A driver that did not take over disks of that kind has no name for it."""
    annotations = {names.PROVISIONED_BY: "kubernetes.io/gce-pd", names.MIGRATED_TO: driver}
    disk = by_hand(annotations=annotations, gcePersistentDisk={"pdName": "d"})
    shelf = Shelf()
    async with (
        reached(tmp_path, shelf, name=driver) as reached_driver,
        world(disk | {"status": {"phase": "Released"}}) as made,
        beside(made, reached_driver, "csi-provisioner", settings=PATIENT) as sidecar,
    ):
        await sidecar.settle()
        assert [each.volume_id for each in shelf.deletions] == deleted
        assert ("VolumeFailedDelete" in made.reasons("hand")) is not bool(deleted)


@pytest.mark.parametrize(
    ("plugin", "driver", "source", "handle"),
    [
        (
            "kubernetes.io/azure-file",
            "file.csi.azure.com",
            {"azureFile": {"secretName": "azure-storage-account-a-secret", "shareName": "s"}},
            "#a#s#hand#default",
        ),
        (
            "kubernetes.io/vsphere-volume",
            "csi.vsphere.vmware.com",
            {"vsphereVolume": {"volumePath": "[store] v.vmdk"}},
            "[store] v.vmdk",
        ),
    ],
)
async def test_what_takes_no_slot_is_deleted_too_by_the_driver_that_took_over(
    tmp_path: Path, plugin: str, driver: str, source: JSON, handle: str
) -> None:
    annotations = {names.PROVISIONED_BY: plugin, names.MIGRATED_TO: driver}
    shelf = Shelf()
    async with (
        reached(tmp_path, shelf, name=driver) as reached_driver,
        world(by_hand(annotations=annotations, **source) | {"status": {"phase": "Released"}}) as made,
        beside(made, reached_driver, "csi-provisioner", settings=PATIENT) as sidecar,
    ):
        await sidecar.settle()
        assert [each.volume_id for each in shelf.deletions] == [handle]
        assert made.volume("hand")["metadata"]["deletionTimestamp"]


async def test_a_lagging_cache_deletes_nothing(tmp_path: Path) -> None:
    """An admin freed the volume, and the watch has not told it yet when the deletion is tried again."""
    shelf = Shelf(deletion_faults=[StatusCode.INTERNAL] * 9)
    async with deleting(tmp_path, shelf, wants(), settings=PATIENT) as running:
        name = await goes(running)
        await running.settle()
        tried, made, sidecar = len(shelf.deletions), running.made, running.sidecar
        sidecar.transport.lagging.add("persistentvolumes")
        await made.merge("PersistentVolume", "", name, {"spec": {"claimRef": None}})
        await eventually(lambda: made.volume(name)["status"]["phase"] == "Available")
        cached = sidecar.caches.volumes.get(name)
        assert cached is not None
        assert cached.status.phase == "Released"
        passes = sidecar.work._passes
        sidecar.work.resync()
        await eventually(lambda: sidecar.work._passes > passes and sidecar.work.resting())
        assert len(shelf.deletions) == tried > 0
        sidecar.transport.catch_up()
        await running.settle()
        assert len(shelf.deletions) == tried


# --- secrets ---

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "default"},
    "data": {"a": "Yg=="},
}
NAMED = {names.DELETION_SECRET_NAME: "s", names.DELETION_SECRET_NAMESPACE: "default"}
PARAMETERS = {
    f"csi.storage.k8s.io/provisioner-secret-{key}": value for key, value in (("name", "s"), ("namespace", "default"))
}


@pytest.mark.parametrize(
    ("annotations", "storage", "there", "sent"),
    [
        (NAMED, "", True, {"a": "b"}),
        (NAMED, "", False, {}),
        ({names.DELETION_SECRET_NAME: "", names.DELETION_SECRET_NAMESPACE: ""}, "safe", True, {}),
        ({}, "safe", True, {"a": "b"}),
        ({}, "safe", False, {}),
        ({}, "gone", True, {}),
        ({}, "", True, {}),
    ],
)
async def test_the_secret_of_a_deletion(
    tmp_path: Path, annotations: JSON, storage: str, sent: JSON, *, there: bool
) -> None:
    """The volume says which; where it says nothing the class does; one that is gone is done without."""
    shelf = Shelf()
    safe = storage_class("safe", NAME, parameters=PARAMETERS)
    hand = by_hand(annotations=annotations, storageClassName=storage)
    async with deleting(tmp_path, shelf, safe, *([SECRET] if there else []), hand) as running:
        assert [dict(each.secrets) for each in shelf.deletions] == [sent]
        assert running.made.objects("PersistentVolume") == []


async def test_a_volume_is_deleted_in_few_requests(tmp_path: Path) -> None:
    shelf = Shelf()
    async with deleting(tmp_path, shelf, wants()) as running:
        before = len(running.sidecar.transport.writes)
        name = await goes(running)
        await eventually(lambda: running.made.objects("PersistentVolume") == [])
        writes = [each for each in running.sidecar.transport.writes[before:] if "configmaps" not in each]
        assert writes == [f"DELETE persistentvolumes/{name}", f"PATCH persistentvolumes/{name}"]
