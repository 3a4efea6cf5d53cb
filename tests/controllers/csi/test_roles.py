"""The calls that controllers beside a driver make, beside the roles that they get: equal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from controllers.csi.names import CACHES
from deploy.csi_sidecar import CONTROLLERS, Sidecar, controller, sidecar
from deploy.rbac import Names
from deploy.snapshot_crds import definitions
from kube.transport import Request
from model.meta import JSON
from model.resources import ATTRIBUTES_CLASSES, CAPACITIES, CONFIG_MAPS, SNAPSHOT_CONTENTS, SNAPSHOTS
from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.driver import TOPOLOGY
from plugins.csi.serving import Refused, bind
from tests.controllers.api import KINDS
from tests.controllers.csi.attacher.test_attacher import USUAL, attacher
from tests.controllers.csi.beside import SETTINGS, beside, told
from tests.controllers.csi.provisioner.cluster import CLASSES, KEY, NAME, NODES, PATIENT, Cluster, cluster, wants
from tests.controllers.csi.provisioner.shelf import CALLS, Shelf, reached
from tests.controllers.csi.provisioner.test_asking import attributes_class
from tests.controllers.csi.provisioner.test_sources import OF_CLAIM, OF_SNAPSHOT, snap
from tests.controllers.csi.resizer.test_resizer import answer as grown_to
from tests.controllers.csi.resizer.test_resizer import resizer
from tests.controllers.inprocess import Direct, World, world
from tests.deploy.calls import Call, call_of, forbidden, idle
from tests.plugins.csi.test_clients import Script
from tests.waiting import eventually

HOME = Names(namespace="default")
"""The tests' controllers are at home where their settings say."""


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for resource in (ATTRIBUTES_CLASSES, CAPACITIES, CONFIG_MAPS, SNAPSHOT_CONTENTS, SNAPSHOTS):
        monkeypatch.setitem(KINDS, resource.kind, resource)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> set[Call]:
    """All that clients which are asked to remember it ask of the server."""
    seen: set[Call] = set()
    send, stream = Direct.send, Direct.stream

    async def sent(self: Direct, request: Request) -> bytes:
        if getattr(self, "watched", False):
            seen.add(call_of(request))
        return await send(self, request)

    @asynccontextmanager
    async def streamed(self: Direct, request: Request, silence_seconds: float) -> AsyncIterator[Any]:
        if getattr(self, "watched", False):
            seen.add(call_of(request))
        async with stream(self, request, silence_seconds) as lines:
            yield lines

    monkeypatch.setattr(Direct, "send", sent)
    monkeypatch.setattr(Direct, "stream", streamed)
    return seen


def watched(transport: Direct) -> None:
    transport.watched = True  # type: ignore[attr-defined]


async def snapshots_known(made: World) -> None:
    kind = made.api.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    for each in definitions():
        await made.api.create(kind, "", each)


async def provisions(running: Cluster, shelf: Shelf) -> None:
    """A volume is made, copied, restored, refused, sent elsewhere, and deleted."""
    made = running.made
    await made.create(wants("first"), wants("third", volumeAttributesClassName="silver"))
    await running.settle()
    await snap(made)
    await made.create(wants("copy", dataSource=OF_CLAIM), wants("restored", dataSource=OF_SNAPSHOT))
    await made.create(wants("lost", "late", on="node-9"), wants("lonely", "late", on="node-8"))
    shelf.before = [StatusCode.INTERNAL] * 3
    await made.create(wants("unlucky"))
    await running.settle()
    for name in ("first", "copy", "restored", "third"):
        await made.delete("PersistentVolumeClaim", "default", name)
    await running.settle()
    await eventually(lambda: any(each["count"] > 1 for each in made.objects("Event")))


async def test_the_provisioner_makes_the_calls_of_its_role(tmp_path: Path, calls: set[Call]) -> None:
    shelf = Shelf()
    bare = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-8"}}
    async with (
        reached(tmp_path, shelf, topology=True) as driver,
        world(*CLASSES, *NODES, bare, attributes_class()) as made,
    ):
        await snapshots_known(made)
        async with cluster(made, driver, tmp_path, prepare=watched) as running:
            await provisions(running, shelf)
    granted = controller("csi-provisioner", NAME)
    assert forbidden(calls, granted, HOME) == []
    assert idle(calls, granted, HOME) == []


OWNER: JSON = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "u", "controller": True}
POD: JSON = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "me", "namespace": "default", "ownerReferences": [OWNER]},
    "spec": {"containers": [{"name": "main", "image": "app.example/it:1"}]},
}


async def test_the_reporter_makes_the_calls_of_its_role(tmp_path: Path, calls: set[Call]) -> None:
    rooms = [pb.GetCapacityResponse(available_capacity=number) for number in (5, 6)]
    answers = [bind(wire.GET_CAPACITY, Script(*rooms))]
    settings = replace(SETTINGS, pod_name="me")
    async with (
        told(tmp_path, answers, name=NAME, controller=["GET_CAPACITY"]) as driver,
        world(*CLASSES, *NODES[:2], POD) as made,
        beside(
            made,
            replace(driver, services=driver.services | {TOPOLOGY}),
            "csi-capacity",
            settings=settings,
            prepare=watched,
        ) as running,
    ):
        await running.settle()
        (found,) = made.objects("CSIStorageCapacity")
        assert found["metadata"]["ownerReferences"] == [OWNER]
        assert found["capacity"] == "6"
        await made.delete("StorageClass", "", "late")
        await running.settle()
        assert made.objects("CSIStorageCapacity") == []
    granted = controller("csi-capacity", NAME)
    assert forbidden(calls, granted, HOME) == []
    assert idle(calls, granted, HOME) == []


async def test_secrets_are_read_where_that_is_granted(tmp_path: Path, calls: set[Call]) -> None:
    parameters = {f"csi.storage.k8s.io/provisioner-secret-{key}": "default" for key in ("name", "namespace")}
    safe = CLASSES[0] | {"parameters": parameters}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "default", "namespace": "default"}}
    async with (
        reached(tmp_path, Shelf(), calls=CALLS[:1]) as driver,
        world(safe, secret, wants()) as made,
        cluster(made, driver, tmp_path, prepare=watched, settings=PATIENT) as running,
    ):
        await running.settle()
    run = ("csi-provisioner",)
    assert forbidden(calls, sidecar(Sidecar(NAME, run)), HOME) == ["get /secrets default/default"]
    assert forbidden(calls, sidecar(Sidecar(NAME, run, secrets=True)), HOME) == []


@pytest.fixture
def all_watched(calls: set[Call], monkeypatch: pytest.MonkeyPatch) -> set[Call]:
    """Where nothing but the controller itself has such a client."""
    monkeypatch.setattr(Direct, "watched", True, raising=False)
    return calls


async def test_the_attacher_makes_the_calls_of_its_role(tmp_path: Path, all_watched: set[Call]) -> None:
    async with attacher(tmp_path, *USUAL) as parts:
        await parts.running.settle()
        await parts.goes()
        await parts.is_gone()
        await parts.made.delete("PersistentVolume", "", "v")
        await parts.running.settle()
    granted = controller("csi-attacher")
    assert forbidden(all_watched, granted, HOME) == []
    assert idle(all_watched, granted, HOME) == []


async def test_the_resizer_makes_the_calls_of_its_role(tmp_path: Path, all_watched: set[Call]) -> None:
    refused = [Refused(StatusCode.INTERNAL, "no")] * 3
    async with resizer(tmp_path, *refused, grown_to(2)) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        await eventually(lambda: any(each["count"] > 1 for each in parts.made.objects("Event")))
    granted = controller("csi-resizer")
    assert forbidden(all_watched, granted, HOME) == []
    # Only a driver that can not grow what is in use has pods watched.
    assert idle(all_watched, granted, HOME) == ["list pods", "watch pods"]


def test_every_controller_has_its_row_and_none_may_read_secrets_by_itself() -> None:
    assert CONTROLLERS.keys() == CACHES.keys()
    for name in CONTROLLERS:
        assert not {"secrets"} & {each.plural for each in controller(name)}
    with pytest.raises(KeyError):
        controller("nonsense")
    assert KEY.startswith("topology.")
