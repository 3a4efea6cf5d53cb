"""Pods that name their node themselves get their storage there, or are told why they can not."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kube.client import Client
from kube.errors import Unreachable
from kube.events import EventRecorder
from kube.metrics import Metrics
from model import names
from model.meta import JSON
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.world import Caller, World, running
from tests.waiting import eventually

STATIC = storage_class("static", names.NO_PROVISIONER)
FULL = "which can not have its storage: "


@pytest.fixture
def world() -> World:
    world = World()
    for obj in (node("n1", zone="a"), node("n2", zone="b"), storage_class("fast"), STATIC):
        world.put(obj)
    return world


@pytest.fixture
def told() -> list[tuple[str, str]]:
    """The events, as reason and message."""
    return []


@pytest.fixture
async def caller(world: World, told: list[tuple[str, str]], monkeypatch) -> AsyncIterator[Caller]:
    monkeypatch.setattr("extender.adopt.AGAIN_SECONDS", 0.05)
    recorder = EventRecorder(Client(None, Metrics(), "test"), "lading-extender")
    recorder.event = lambda about, _kind, _type, *said: told.append((about.key, *said))
    async with running(world, adopts=True, recorder=recorder) as caller:
        yield caller


async def test_storage_is_asked_for_on_the_node_that_the_pod_names(world: World, caller: Caller):
    world.put(claim("c"))
    world.put(pod("p", "c", node="n2"))
    await eventually(lambda: world.view("claims", "ns/c").selected_node == "n2")
    assert world.writes == ["select c"]


async def test_a_free_volume_that_the_node_reaches_is_reserved_once(world: World, caller: Caller):
    world.put(volume("away", "static", zone="a"))
    world.put(volume("near", "static", "2Gi", zone="b"))
    world.put(claim("c", "static"))
    world.put(pod("p", "c", node="n2"))
    await eventually(lambda: world.writes == ["reserve near"])
    assert world.view("volumes", "near").spec.claim_ref.uid == "uid-c"
    world.put(claim("d"))
    world.put(pod("q", "d", node="n1"))
    await eventually(lambda: world.writes == ["reserve near", "select d"])


@pytest.mark.parametrize("last", ["claim", "class", "node"])
async def test_it_does_not_matter_what_comes_last(world: World, caller: Caller, last: str):
    objects = {
        "claim": claim("c", "later"),
        "class": storage_class("later"),
        "node": node("n3"),
        "pod": pod("p", "c", node="n3"),
    }
    late = objects.pop(last)
    for obj in objects.values():
        world.put(obj)
    world.put(late)
    if last == "class":  # nobody watches classes for it: the claim, or the time, tells
        world.change("claims", "ns/c", lambda obj: obj["metadata"].update(labels={"by": "a user"}))
    await eventually(lambda: world.view("claims", "ns/c").selected_node == "n3")


async def test_a_pod_that_lacks_a_claim_is_not_looked_at_before_that_is_made(world: World, caller: Caller, told):
    world.put(claim("c"))
    world.put(pod("p", "c", "late", node="n1"))
    world.put(claim("other"))
    world.put(pod("q", "other", node="n1"))
    await eventually(lambda: world.writes == ["select other"])
    world.put(claim("late"))
    await eventually(lambda: world.writes == ["select other", "select c", "select late"])
    assert told == []


async def test_pods_that_wait_already_are_found_at_the_start(world: World):
    world.put(claim("c"))
    world.put(pod("p", "c", node="n1"))
    async with running(world, adopts=True):
        await eventually(lambda: world.writes == ["select c"])


async def test_a_node_that_can_not_have_the_storage_is_told_in_the_words_of_the_filters(world: World, caller, told):
    world.put(storage_class("zonal", allowedTopologies=[_only("a")]))
    world.put(claim("c", "zonal"))
    world.put(pod("p", "c", node="n2"))
    key, reason, message = await eventually(lambda: told and told[0])
    assert (key, reason) == ("ns/p", "FailedPlacement")
    assert message == (
        f"the pod names node n2, {FULL}node(s) didn't find available persistent volumes to bind "
        "(1 can not get a volume of class zonal for claim c (zone a wanted, node in b))"
    )
    assert world.writes == []


async def test_a_node_that_does_not_exist_is_told(world: World, caller: Caller, told):
    world.put(claim("c"))
    world.put(pod("p", "c", node="n9"))
    assert await eventually(lambda: told) == [
        ("ns/p", "FailedPlacement", f'the pod names node n9, {FULL}node "n9" not found')
    ]


async def test_a_pod_that_passes_the_limit_of_its_node_gets_nothing(world: World, caller: Caller, told):
    world.put(csi_node("n1", **{"csi.example.com": 1}))
    for name in ("c", "d"):
        world.put(claim(name))
    world.put(pod("p", "c", node="n1"))
    await eventually(lambda: world.writes == ["select c"])
    world.put(pod("q", "d", node="n1"))
    (_, _, message), *_ = await eventually(lambda: told)
    assert message.endswith(
        "node(s) exceed max volume count (2 of 1 slots of driver csi.example.com are taken, its own among them)"
    )
    world.remove("pods", "ns/p")
    await eventually(lambda: world.writes == ["select c", "select d"])


async def test_a_chosen_volume_counts_with_the_slot_that_it_will_take(world: World, caller: Caller, told):
    world.put(csi_node("n1", **{"csi.example.com": 0}))
    world.put(volume("v", "static"))
    world.put(claim("c", "static"))
    world.put(pod("p", "c", node="n1"))
    (_, _, message), *_ = await eventually(lambda: told)
    assert "0 of 0 slots of driver csi.example.com are taken, 1 wanted" in message
    assert world.writes == []


async def test_of_two_for_the_last_room_one_gets_it(world: World, caller: Caller, told):
    storage: JSON = {"apiVersion": "storage.k8s.io/v1"}
    reports = {"metadata": {"name": "csi.example.com"}, "spec": {"storageCapacity": True}}
    world.put({**storage, "kind": "CSIDriver", **reports})
    pool = {"storageClassName": "fast", "nodeTopology": {}, "capacity": "1Gi"}
    world.put({**storage, "kind": "CSIStorageCapacity", "metadata": {"name": "pool", "namespace": "d"}, **pool})
    for name in ("c", "d"):
        world.put(claim(name))
        world.put(pod(f"p-{name}", name, node="n1"))
    (_, _, message), *_ = await eventually(lambda: told)
    assert "node(s) did not have enough free storage" in message
    assert len(world.writes) == 1


async def test_a_claim_that_waits_for_a_node_that_is_gone_is_freed_first(world: World, caller: Caller):
    world.put(claim("c", **{names.SELECTED_NODE: "gone"}))
    world.put(pod("p", "c", node="n1"))
    await eventually(lambda: world.view("claims", "ns/c").selected_node == "n1")
    assert world.writes == ["select c", "select c"]


async def test_a_write_that_fails_is_tried_again(world: World, caller: Caller):
    refusals = iter([True, True, False])

    def refuse(_write: str) -> None:
        if next(refusals, False):
            raise Unreachable("nobody listens", sent=False)

    world.before = refuse
    world.put(claim("c"))
    world.put(pod("p", "c", node="n1"))
    await eventually(lambda: world.writes == ["select c"])


@pytest.mark.parametrize("state", ["has run to its end", "is being deleted", "has no node"])
async def test_other_pods_are_left_alone(world: World, caller: Caller, state: str):
    world.put(claim("other"))
    left = pod("p", "other", node="" if state == "has no node" else "n1")
    if state == "has run to its end":
        left["status"]["phase"] = "Succeeded"
    elif state == "is being deleted":
        left["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.put(left)
    world.put(claim("c"))
    world.put(pod("q", "c", node="n1"))
    await eventually(lambda: world.writes)
    assert world.writes == ["select c"]


async def test_a_pod_that_is_being_bound_is_the_binders(world: World, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["select c"])
    world.change("claims", "ns/c", lambda obj: obj["metadata"].update(labels={"by": "a user"}))
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    assert await call == ""
    assert world.writes == ["select c", "bind p"]


async def test_beside_the_schedulers_own_plugins_nothing_is_written(world: World):
    world.put(claim("c"))
    async with running(world) as caller:
        world.put(pod("p", "c", node="n1"))
        assert (await caller.filter(pod("q"), ["n1"]))["NodeNames"] == ["n1"]
    assert world.writes == []


def _only(zone: str) -> JSON:
    return {"matchLabelExpressions": [{"key": names.ZONE, "values": [zone]}]}
