"""What a driver has left is published for each class and place, kept right, and taken back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from model import names
from model.meta import JSON
from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.driver import TOPOLOGY, Driver
from plugins.csi.serving import Refused, bind
from tests.controllers.csi.beside import SETTINGS, Running, beside, told
from tests.controllers.csi.provisioner.cluster import CLASSES, KEY, NAME, NODES, cluster, node, real_driver, wants
from tests.controllers.inprocess import World, storage_class, world
from tests.plugins.csi.test_clients import Script
from tests.waiting import eventually

MI = 1 << 20
SOON = replace(SETTINGS, namespace="default")
LABELS = {names.CAPACITY_DRIVER: NAME, names.CAPACITY_MANAGER: "external-provisioner"}


def capacity(name: str, storage: str = "late", place: JSON | None = None, **parts: Any) -> JSON:
    metadata = {"name": name, "namespace": "default", "labels": LABELS, **parts.pop("metadata", {})}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIStorageCapacity",
        "metadata": metadata,
        "storageClassName": storage,
        "nodeTopology": {"matchLabels": {KEY: "n1"}} if place is None else place,
        "capacity": "7Mi",
        **parts,
    }


def published(made: World) -> dict[tuple[str, str], tuple[str, str]]:
    """By class and place, what is said."""
    return {
        (each["storageClassName"], ",".join(each["nodeTopology"].get("matchLabels", {}).values())): (
            each["capacity"],
            each.get("maximumVolumeSize", ""),
        )
        for each in made.objects("CSIStorageCapacity")
    }


@asynccontextmanager
async def reporting(folder: Path, *objects: JSON, **settings: Any) -> AsyncIterator[tuple[World, Running]]:
    """The controller beside the driver of node 1, which has 10 MiB."""
    async with (
        real_driver(folder, capacity_bytes=10 * MI) as driver,
        world(*CLASSES, *NODES, *objects) as made,
        beside(made, driver, "csi-capacity", settings=replace(SOON, **settings)) as running,
    ):
        yield made, running


async def test_each_class_that_waits_has_an_object_for_each_place(tmp_path: Path) -> None:
    async with reporting(tmp_path) as (made, running):
        await running.settle()
        assert published(made) == {("late", "n1"): ("10Mi", "10Mi"), ("late", "n2"): ("0", "0")}
        for each in made.objects("CSIStorageCapacity"):
            assert each["metadata"]["name"].startswith("csisc-")
            assert each["metadata"]["labels"] == LABELS
            assert "ownerReferences" not in each["metadata"]


async def test_classes_that_do_not_wait_count_if_told(tmp_path: Path) -> None:
    async with reporting(tmp_path, capacity_for_immediate=True) as (made, running):
        await running.settle()
        assert {storage for storage, _ in published(made)} == {"late", "fast", "kept"}


async def test_a_namespace_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    """In the log, as a failure: it is no lost race, which is passed over in silence."""
    async with reporting(tmp_path, namespace="nowhere") as (_, running):
        labels = {"loop": "csi-capacity", "result": "retry"}
        name = "lading_controller_passes_total"
        await eventually(lambda: running.registry.get_sample_value(name, labels))


async def test_what_is_made_is_noticed(tmp_path: Path) -> None:
    async with (
        real_driver(tmp_path, capacity_bytes=10 * MI) as driver,
        world(*CLASSES, *NODES) as made,
        cluster(made, driver, tmp_path, "csi-provisioner", "csi-capacity") as running,
    ):
        await made.create(wants(storage="late", on="node-1", size="3Mi"))
        await running.settle()
        assert published(made)["late", "n1"] == ("7Mi", "7Mi")
        await made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert published(made)["late", "n1"] == ("10Mi", "10Mi")


async def test_classes_and_places_that_come_and_go_are_followed(tmp_path: Path) -> None:
    async with reporting(tmp_path) as (made, running):
        await running.settle()
        await made.create(storage_class("later", NAME, volumeBindingMode="WaitForFirstConsumer"))
        await made.delete("StorageClass", "", "late")
        await made.merge("Node", "", "node-2", {"metadata": {"labels": {KEY: "n3"}}})
        await running.settle()
        assert set(published(made)) == {("later", "n1"), ("later", "n3")}
        await made.delete("CSINode", "", "node-1")
        await running.settle()
        assert set(published(made)) == {("later", "n3")}


EXPRESSIONS = {"matchExpressions": [{"key": KEY, "operator": "Exists"}]}


@pytest.mark.parametrize(
    "left",
    [
        capacity("of-a-class-that-is-gone", "gone"),
        capacity("of-a-place-that-is-gone", place={"matchLabels": {KEY: "n9"}}),
        capacity("of-all-places", place=EXPRESSIONS),
        capacity("twice", metadata={"creationTimestamp": "2027-01-02T03:04:05Z"}),
    ],
    ids=lambda left: left["metadata"]["name"],
)
async def test_what_an_earlier_run_left_is_cleaned_up(tmp_path: Path, left: JSON) -> None:
    async with reporting(tmp_path, capacity("a"), left) as (made, running):
        await running.settle()
        found = {each["metadata"]["name"]: each for each in made.objects("CSIStorageCapacity")}
        assert left["metadata"]["name"] not in found
        assert found["a"]["capacity"] == "10Mi"
        assert len(found) == 2


@pytest.mark.parametrize(
    "foreign",
    [
        capacity("of-another-driver", metadata={"labels": LABELS | {names.CAPACITY_DRIVER: "other.csi"}}),
        capacity("of-another-keeper", metadata={"labels": LABELS | {names.CAPACITY_MANAGER: "me"}}),
        capacity("by-hand", metadata={"labels": {}}),
    ],
    ids=lambda foreign: foreign["metadata"]["name"],
)
async def test_what_is_not_ours_is_left_alone(tmp_path: Path, foreign: JSON) -> None:
    async with reporting(tmp_path, foreign) as (made, running):
        await running.settle()
        found = {each["metadata"]["name"]: each for each in made.objects("CSIStorageCapacity")}
        assert found[foreign["metadata"]["name"]]["capacity"] == "7Mi"
        assert len(found) == 3


async def test_what_somebody_else_changes_is_put_right(tmp_path: Path) -> None:
    async with reporting(tmp_path) as (made, running):
        await running.settle()
        for each in made.objects("CSIStorageCapacity"):
            name = each["metadata"]["name"]
            await made.merge("CSIStorageCapacity", "default", name, {"capacity": "1Mi", "maximumVolumeSize": None})
        await running.rest()
        assert published(made) == {("late", "n1"): ("10Mi", "10Mi"), ("late", "n2"): ("0", "0")}
        for each in made.objects("CSIStorageCapacity"):
            await made.delete("CSIStorageCapacity", "default", each["metadata"]["name"])
        await running.rest()
        assert set(published(made)) == {("late", "n1"), ("late", "n2")}


# --- drivers that do as they are told ---


@asynccontextmanager
async def scripted(folder: Path, *answers: Any, topology: bool = False) -> AsyncIterator[tuple[Driver, Script]]:
    script = Script(*answers)
    calls = [bind(wire.GET_CAPACITY, script)]
    async with told(folder, calls, name=NAME, controller=["GET_CAPACITY"]) as driver:
        yield replace(driver, services=driver.services | ({TOPOLOGY} if topology else set())), script


ROOM = pb.GetCapacityResponse(available_capacity=5 * MI)


async def test_a_driver_without_topology_has_one_place_which_is_everywhere(tmp_path: Path) -> None:
    late = storage_class(
        "late",
        NAME,
        volumeBindingMode="WaitForFirstConsumer",
        parameters={"tier": "gold", "csi.storage.k8s.io/fstype": "xfs"},
    )
    async with (
        scripted(tmp_path, ROOM) as (driver, script),
        world(late, *NODES) as made,
        beside(made, driver, "csi-capacity", settings=SOON) as running,
    ):
        await running.settle()
        (found,) = made.objects("CSIStorageCapacity")
        assert (found["nodeTopology"], found["capacity"], found.get("maximumVolumeSize")) == ({}, "5Mi", None)
        assert all(each == pb.GetCapacityRequest(parameters={"tier": "gold"}) for each in script.requests)


async def test_what_the_driver_does_not_tell_is_asked_again_and_what_it_told_stays(tmp_path: Path) -> None:
    async with (
        scripted(tmp_path, Refused(StatusCode.INTERNAL, "no"), ROOM, topology=True) as (driver, _),
        world(*CLASSES, *NODES[:2]) as made,
        beside(made, driver, "csi-capacity", settings=SOON) as running,
    ):
        await running.settle()
        assert published(made) == {("late", "n1"): ("5Mi", "")}


async def test_a_claim_that_is_sent_elsewhere_has_its_class_looked_at(tmp_path: Path) -> None:
    async with (
        scripted(tmp_path, ROOM, pb.GetCapacityResponse(available_capacity=MI), topology=True) as (driver, _),
        world(*CLASSES, *NODES[:2], wants(storage="late", on="node-1")) as made,
        beside(made, driver, "csi-capacity", settings=SOON) as running,
    ):
        await running.rest()
        assert published(made) == {("late", "n1"): ("5Mi", "")}
        change = {"metadata": {"annotations": {names.SELECTED_NODE: None}}}
        await made.merge("PersistentVolumeClaim", "default", "c", change)
        await running.rest()
        assert published(made) == {("late", "n1"): ("1Mi", "")}


async def test_a_node_without_the_drivers_labels_is_no_place(tmp_path: Path) -> None:
    bare = node(1) | {"metadata": {"name": "node-1", "labels": {}}}
    async with (
        scripted(tmp_path, ROOM, topology=True) as (driver, script),
        world(*CLASSES, bare, NODES[1]) as made,
        beside(made, driver, "csi-capacity", settings=SOON) as running,
    ):
        await running.settle()
        assert published(made) == {}
        assert script.requests == []
