"""What follows from each answer of the driver, and from none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from kube.errors import Forbidden, Invalid
from kube.transport import Request
from model import names
from model.meta import JSON
from tests.controllers.csi.beside import SETTINGS
from tests.controllers.csi.provisioner.cluster import CLASSES, NODES, PATIENT, Cluster, cluster, wants
from tests.controllers.csi.provisioner.shelf import Shelf, reached
from tests.controllers.inprocess import Direct, storage_class, world
from tests.waiting import eventually

DOUBTFUL = [StatusCode.CANCELLED, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNAVAILABLE, StatusCode.ABORTED]
FINAL = [
    StatusCode.INTERNAL,
    StatusCode.UNKNOWN,
    StatusCode.NOT_FOUND,
    StatusCode.ALREADY_EXISTS,
    StatusCode.PERMISSION_DENIED,
    StatusCode.FAILED_PRECONDITION,
    StatusCode.OUT_OF_RANGE,
    StatusCode.UNIMPLEMENTED,
    StatusCode.UNAUTHENTICATED,
]
PLACED = wants(storage="late", on="node-1")


@asynccontextmanager
async def beside_shelf(folder: Path, shelf: Shelf, *objects: Any, **parts: Any) -> AsyncIterator[Cluster]:
    topology = parts.pop("topology", True)
    parts = {"settings": SETTINGS, **parts}
    async with (
        reached(folder, shelf, topology=topology) as driver,
        world(*CLASSES, *NODES, *objects) as made,
        cluster(made, driver, folder, **parts) as running,
    ):
        yield running


def selected(running: Cluster) -> str | None:
    found: str | None = running.made.claim("c")["metadata"].get("annotations", {}).get(names.SELECTED_NODE)
    return found


def written(running: Cluster) -> list[JSON]:
    """What is written down of calls under way."""
    return [each.get("data") or {} for each in running.made.objects("ConfigMap")]


@pytest.mark.parametrize("code", FINAL)
async def test_what_is_over_is_asked_anew_where_it_is(tmp_path: Path, code: StatusCode) -> None:
    shelf = Shelf(before=[code])
    async with beside_shelf(tmp_path, shelf, PLACED) as running:
        await running.settle()
        assert running.made.claim("c")["status"]["phase"] == "Bound"
        assert selected(running) == "node-1"
        assert len(shelf.requests) == 2
        assert "ProvisioningFailed" in running.made.reasons("c")


@pytest.mark.parametrize("code", FINAL)
async def test_what_is_over_leaves_nothing_with_a_claim_that_goes(tmp_path: Path, code: StatusCode) -> None:
    shelf = Shelf(before=[code])
    async with beside_shelf(tmp_path, shelf, PLACED, settings=PATIENT) as running:
        await eventually(lambda: shelf.requests and "ProvisioningFailed" in running.made.reasons("c"))
        await eventually(lambda: written(running) == [{}])  # or the next process would make it, for nobody
        await running.made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert len(shelf.requests) == 1
        assert (running.made.objects("PersistentVolume"), shelf.volumes) == ([], {})


@pytest.mark.parametrize("code", DOUBTFUL)
async def test_what_is_in_doubt_is_asked_for_in_the_same_words(tmp_path: Path, code: StatusCode) -> None:
    """Also where the class was replaced meanwhile, and the node's labels are others."""
    shelf = Shelf(after=[code] * 3)
    async with beside_shelf(tmp_path, shelf, PLACED, settings=PATIENT) as running:
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("c"))
        other = storage_class(
            "late", "hostpath.csi.lading", parameters={"a": "b"}, volumeBindingMode="WaitForFirstConsumer"
        )
        await running.made.delete("StorageClass", "", "late")
        await running.made.create(other)
        await running.made.merge(
            "Node", "", "node-2", {"metadata": {"labels": {"topology.hostpath.csi.lading/node": "n9"}}}
        )
        while running.made.claim("c")["status"]["phase"] != "Bound":
            await running.settle()
        assert len({each.SerializeToString(deterministic=True) for each in shelf.requests}) == 1
        assert running.handles == shelf.handles


@pytest.mark.parametrize("code", DOUBTFUL)
async def test_what_is_in_doubt_is_brought_to_an_end_though_the_claim_is_gone(tmp_path: Path, code: StatusCode) -> None:
    shelf = Shelf(after=[code] * 20)
    async with beside_shelf(tmp_path, shelf, PLACED) as running:
        await eventually(lambda: shelf.volumes)
        await running.made.delete("PersistentVolumeClaim", "default", "c")
        await eventually(lambda: running.made.claim("c") == {})
        await running.settle()
        assert (running.made.objects("PersistentVolume"), shelf.volumes) == ([], {})
        assert shelf.deletions


async def test_a_claim_of_the_same_name_does_not_wait_for_the_one_before(tmp_path: Path) -> None:
    shelf = Shelf(before=[StatusCode.DEADLINE_EXCEEDED] * 1)
    async with beside_shelf(tmp_path, shelf, PLACED, settings=PATIENT) as running:
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("c"))
        await running.made.delete("PersistentVolumeClaim", "default", "c")
        await eventually(lambda: running.made.claim("c") == {})
        await running.made.create(PLACED)
        await eventually(lambda: running.made.claim("c").get("status", {}).get("phase") == "Bound")
        await running.settle()
        assert len(shelf.volumes) == 1
        assert running.handles == shelf.handles


async def test_what_has_no_room_there_is_sent_elsewhere(tmp_path: Path) -> None:
    shelf = Shelf(before=[StatusCode.RESOURCE_EXHAUSTED])
    async with beside_shelf(tmp_path, shelf, PLACED) as running:
        await running.settle()
        assert selected(running) is None
        assert len(shelf.requests) == 1
        change = {"metadata": {"annotations": {names.SELECTED_NODE: "node-2"}}}
        await running.made.merge("PersistentVolumeClaim", "default", "c", change)
        await running.settle()
        assert running.made.claim("c")["status"]["phase"] == "Bound"


@pytest.mark.parametrize(("claim", "topology"), [(PLACED, False), (wants(), True)], ids=["no topology", "no node"])
async def test_what_has_no_room_anywhere_is_asked_again(tmp_path: Path, claim: Any, *, topology: bool) -> None:
    shelf = Shelf(before=[StatusCode.RESOURCE_EXHAUSTED])
    async with beside_shelf(tmp_path, shelf, claim, topology=topology) as running:
        await running.settle()
        assert running.made.claim("c")["status"]["phase"] == "Bound"
        assert selected(running) == claim["metadata"]["annotations"].get(names.SELECTED_NODE)
        assert len(shelf.requests) == 2


async def test_what_is_wrong_is_not_asked_again_before_long_or_before_the_class_is_another(tmp_path: Path) -> None:
    shelf = Shelf(before=[StatusCode.INVALID_ARGUMENT])
    async with beside_shelf(tmp_path, shelf, wants(), settings=PATIENT) as running:
        await running.settle()
        await running.made.merge("PersistentVolumeClaim", "default", "c", {"metadata": {"labels": {"a": "b"}}})
        await running.settle()
        assert len(shelf.requests) == 1
        assert "ProvisioningFailed" in running.made.reasons("c")
        await running.made.delete("StorageClass", "", "fast")
        await running.made.create(CLASSES[0])
        await running.settle()
        assert running.made.claim("c")["status"]["phase"] == "Bound"


async def test_what_is_wrong_is_asked_again_at_last(tmp_path: Path) -> None:
    shelf = Shelf(before=[StatusCode.INVALID_ARGUMENT])
    async with beside_shelf(tmp_path, shelf, wants()) as running:
        await eventually(lambda: running.made.claim("c").get("status", {}).get("phase") == "Bound")


async def test_what_is_too_small_is_deleted_and_asked_for_again(tmp_path: Path) -> None:
    shelf = Shelf(answer={"capacity_bytes": 1000}, deletion_faults=[StatusCode.INTERNAL] * 7)
    async with beside_shelf(tmp_path, shelf, wants(), settings=PATIENT) as running:
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("c"))
        assert shelf.volumes
        await running.sidecar.settle()
        assert shelf.volumes == {}
        shelf.answer.clear()
        await running.settle()
        assert running.made.claim("c")["status"]["phase"] == "Bound"
        assert len({each.name for each in shelf.requests}) == 1


async def test_what_may_not_be_written_is_deleted_and_asked_for_again(tmp_path: Path) -> None:
    refused: list[Request] = []

    def refuse(transport: Direct) -> None:
        def before(request: Request) -> None:
            if request.method == "POST" and request.path.endswith("/persistentvolumes") and len(refused) < 2:
                refused.append(request)
                raise Invalid(422, "Invalid", "no")

        transport.before = before

    shelf = Shelf()
    async with beside_shelf(tmp_path, shelf, wants(), prepare=refuse) as running:
        await running.settle()
        assert len(shelf.requests) == 3
        assert len(shelf.deletions) == 2
        assert running.handles == shelf.handles != set()


async def test_what_was_asked_is_taken_off_the_record_when_it_is_there(tmp_path: Path) -> None:
    shelf = Shelf()
    async with beside_shelf(tmp_path, shelf, *(wants(f"c-{number}") for number in range(20))) as running:
        await running.settle()
        (record,) = running.made.objects("ConfigMap")
        assert record.get("data", {}) == {}
        writes = [each for each in running.sidecar.transport.writes if "configmaps" in each]
        assert len(writes) < 10
        assert len(shelf.volumes) == 20


async def test_no_more_is_begun_while_too_much_is_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controllers.csi.provisioner.journal.MAX_BYTES", 600)
    shelf = Shelf(before=[StatusCode.DEADLINE_EXCEEDED] * 10)
    async with beside_shelf(tmp_path, shelf, *(wants(f"c-{number}") for number in range(5))) as running:
        await eventually(lambda: len(shelf.requests) > 5)
        assert len({each.name for each in shelf.requests[:5]}) < 5
        await eventually(
            lambda: all(
                running.made.claim(f"c-{number}").get("status", {}).get("phase") == "Bound" for number in range(5)
            )
        )


async def test_who_may_not_write_down_what_is_asked_asks_nothing(tmp_path: Path) -> None:
    def forbid(transport: Direct) -> None:
        def before(request: Request) -> None:
            if "configmaps" in request.path:
                raise Forbidden(403, "Forbidden", "no")

        transport.before = before

    shelf = Shelf()
    async with beside_shelf(tmp_path, shelf, wants(), prepare=forbid, settings=PATIENT) as running:
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("c"))
        assert shelf.requests == []


async def test_a_claim_is_told_that_the_namespace_of_the_record_is_not_there(tmp_path: Path) -> None:
    shelf = Shelf()
    settings = replace(PATIENT, namespace="nowhere")
    async with beside_shelf(tmp_path, shelf, wants(), settings=settings) as running:
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("c"))
        assert shelf.requests == []


async def test_a_claim_is_told_that_too_much_is_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controllers.csi.provisioner.journal.MAX_BYTES", 10)
    shelf = Shelf()
    async with beside_shelf(tmp_path, shelf, wants(), settings=PATIENT) as running:
        await eventually(lambda: "ProvisioningFailed" in running.made.reasons("c"))
        assert shelf.requests == []


async def test_what_it_came_to_is_counted(tmp_path: Path) -> None:
    shelf = Shelf(before=[StatusCode.INTERNAL], deletion_faults=[StatusCode.INTERNAL])
    async with beside_shelf(tmp_path, shelf, wants()) as running:
        await running.settle()
        await running.made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        registry, made, deleted = running.sidecar.registry, {"class": "fast", "source": ""}, {"class": "fast"}
        for name, labels in (
            ("controller_persistentvolumeclaim_provision_total", made),
            ("controller_persistentvolumeclaim_provision_failed_total", made),
            ("controller_persistentvolumeclaim_provision_duration_seconds_count", made),
            ("controller_persistentvolume_delete_total", deleted),
            ("controller_persistentvolume_delete_failed_total", deleted),
            ("controller_persistentvolume_delete_duration_seconds_count", deleted),
        ):
            assert registry.get_sample_value(name, labels) == 1, name
