"""Claims pinned to a node that is gone are freed: once, told of, and again after a fault."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kube.client import Client
from kube.errors import Unreachable
from kube.events import EventRecorder
from kube.metrics import Metrics
from model import names
from model.meta import JSON
from tests.extender.objects import claim, node, pod, storage_class
from tests.extender.world import Caller, World, running
from tests.waiting import eventually

GONE = {names.SELECTED_NODE: "gone"}


@pytest.fixture
def world() -> World:
    world = World()
    for obj in (node("n1"), storage_class("fast"), claim("c", **GONE)):
        world.put(obj)
    return world


@pytest.fixture
async def caller(world: World) -> AsyncIterator[Caller]:
    async with running(world) as caller:
        yield caller


def freed(world: World, name: str = "c") -> bool:
    return world.view("claims", f"ns/{name}").selected_node is None


async def test_many_pods_that_wait_for_one_claim_free_it_once(world: World, caller: Caller):
    await asyncio.gather(*(caller.filter(pod(f"p{n}", "c"), ["n1"]) for n in range(5)))
    await eventually(lambda: freed(world))
    assert world.writes == ["select c"]
    assert caller.metric("lading_extender_selected_nodes_cleared_total") == 1


async def test_only_the_claims_of_the_pod_are_looked_at(world: World, caller: Caller):
    world.put(claim("d", **GONE))
    await caller.filter(pod("p", "d"), ["n1"])
    await eventually(lambda: freed(world, "d"))
    assert not freed(world)


async def test_all_claims_of_the_pod_are_freed(world: World, caller: Caller):
    world.put(claim("d", **GONE))
    made = pod("p", "c", "d")
    await caller.filter(made, ["n1"])
    await eventually(lambda: freed(world))
    await caller.filter(made, ["n1"])
    await eventually(lambda: freed(world, "d"))
    assert (await caller.filter(made, ["n1"]))["NodeNames"] == ["n1"]


async def test_an_empty_node_is_no_node(world: World, caller: Caller):
    world.put(claim("c", **{names.SELECTED_NODE: ""}))
    await caller.filter(pod("p", "c"), ["n1"])
    await eventually(lambda: freed(world))


async def test_a_fault_is_survived_and_the_next_filter_tries_again(world: World, caller: Caller):
    attempts = []

    def unreachable(write: str) -> None:
        attempts.append(write)
        raise Unreachable("the connection broke")

    world.before = unreachable
    await caller.filter(pod("p", "c"), ["n1"])
    await eventually(lambda: attempts)
    assert not freed(world)
    world.before = lambda _write: None
    await caller.filter(pod("p", "c"), ["n1"])
    await eventually(lambda: freed(world))


async def test_a_claim_that_changed_meanwhile_is_left_alone(world: World, caller: Caller):
    world.lagging = True
    world.change("claims", "ns/c", lambda obj: obj["metadata"]["annotations"].update({names.SELECTED_NODE: "n1"}))
    await caller.filter(pod("p", "c"), ["n1"])
    world.catch_up()
    assert (await caller.filter(pod("p", "c"), ["n1"]))["NodeNames"] == ["n1"]
    assert world.writes == []


async def test_it_is_left_to_others_where_the_extender_does_not_bind(world: World):
    async with running(world, heals=False) as caller:
        await caller.filter(pod("p", "c"), ["n1"])
        await caller.filter(pod("p", "c"), ["n1"])
    assert not freed(world)


async def test_the_claim_has_an_event(world: World):
    told = list[JSON]()
    recorder = EventRecorder(Client(None, Metrics(), "test"), "lading-extender")
    recorder.event = lambda about, *said: told.append({"about": about.key, "said": said[1:]})
    async with running(world, recorder=recorder) as caller:
        await caller.filter(pod("p", "c"), ["n1"])
        await eventually(lambda: told)
    message = "no longer waiting for a volume on node gone, which is gone: the pod is scheduled anew"
    assert {"about": "ns/c", "said": ("Normal", "SelectedNodeCleared", message)} in told
