"""Writes of which no word comes: what is held for them is let go of only when it is known what became of them."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from kube.errors import Conflict, ServerTimeout, Unreachable
from model.workloads import Pod
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.test_bind_races import CSI_DRIVER, POOL
from tests.extender.world import Caller, World, running
from tests.waiting import eventually


class DoubtfulWorld(World):
    """A server that is asked in vain what a pod is like, so many times."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = 0
        self.asked = 0

    async def pod(self, namespace: str, name: str) -> Pod:
        self.asked += 1
        if self.asked <= self.silent:
            raise Unreachable("nobody listens", sent=False)
        return await super().pod(namespace, name)


@pytest.fixture
def world() -> DoubtfulWorld:
    world = DoubtfulWorld()
    for obj in (node("n1"), node("n2"), storage_class("fast"), CSI_DRIVER, POOL):
        world.put(obj)
    return world


@pytest.fixture
async def caller(world: DoubtfulWorld, monkeypatch) -> AsyncIterator[Caller]:
    monkeypatch.setattr("extender.bind.POLL_SECONDS", 0.01)
    monkeypatch.setattr("extender.obtaining.POLL_SECONDS", 0.01)
    async with running(world) as caller:
        yield caller


def first(count: int, fault: Exception, write: str) -> Callable[[str], None]:
    """Raises the fault at the first of these writes."""
    left = [fault] * count

    def fail(each: str) -> None:
        if each == write and left:
            raise left.pop()

    return fail


def two_with_one_slot(world: World) -> list:
    """Pods with a volume each, on a node that takes one."""
    world.put(csi_node("n1", **{"csi.example.com": 1}))
    for name in ("c", "d"):
        world.put(volume(f"v-{name}"))
        world.put(claim(name, volume=f"v-{name}"))
    return [world.put(pod("p", "c")), world.put(pod("q", "d"))]


@pytest.mark.parametrize("fault", [Unreachable("cut"), ServerTimeout(504)], ids=lambda each: type(each).__name__)
async def test_a_binding_in_doubt_is_asked_for_again(world: DoubtfulWorld, caller: Caller, fault: Exception):
    world.before = first(3, fault, "bind p")
    assert await caller.bind(world.put(pod("p")), "n1") == ""
    assert world.writes == ["bind p"]


async def test_one_that_nobody_heard_of_is_an_error_at_once(world: DoubtfulWorld, caller: Caller):
    world.before = first(1, Unreachable("refused", sent=False), "bind p")
    assert "refused" in await caller.bind(world.put(pod("p")), "n1")


async def test_its_place_is_held_meanwhile(world: DoubtfulWorld, caller: Caller):
    mine, other = two_with_one_slot(world)
    world.lagging = True
    world.before = first(10**6, Unreachable("cut"), "bind p")
    call = asyncio.create_task(caller.bind(mine, "n1"))
    await eventually(lambda: world.asked > 2)
    assert "exceed max volume count" in await caller.bind(other, "n1")
    world.before = lambda _write: None
    assert await call == ""
    assert "exceed max volume count" in await caller.bind(other, "n1")


async def test_a_binding_that_was_carried_out_is_found_though_all_that_follows_fails(world, caller: Caller):
    mine, other = two_with_one_slot(world)
    world.lagging = True
    world.after = first(1, Unreachable("cut"), "bind p")
    world.silent = 3  # so that the second try, which conflicts with the first, is not explained either
    assert await caller.bind(mine, "n1") == ""
    assert "exceed max volume count" in await caller.bind(other, "n1")
    assert world.writes == ["bind p"]


async def test_a_call_for_another_node_waits_for_it_and_is_told_where_the_pod_is(world, caller: Caller):
    mine, _ = two_with_one_slot(world)
    world.lagging = True
    world.before = first(10**6, Unreachable("cut"), "bind p")
    here = asyncio.create_task(caller.bind(mine, "n1"))
    await eventually(lambda: world.asked > 2)
    there = asyncio.create_task(caller.bind(mine, "n2"))
    await eventually(lambda: world.asked > 5)
    assert not there.done()
    world.before = lambda _write: None
    assert await here == ""
    assert await there == "pod ns/p is already bound to node n1"


async def test_a_wish_in_doubt_is_told_again_and_its_room_is_held(world: DoubtfulWorld, caller: Caller):
    for name in ("c", "d"):
        world.put(claim(name))
    mine, other = world.put(pod("p", "c")), world.put(pod("q", "d"))
    tries = []

    def fail(write: str) -> None:
        tries.append(write)
        if write == "select c" and len(tries) < 10:
            # Once it was heard of, that nobody listens any more says nothing of what became of it.
            raise Unreachable("cut", sent=len(tries) == 1)

    world.before = fail
    call = asyncio.create_task(caller.bind(mine, "n1"))
    await eventually(lambda: len(tries) > 3)
    assert (await caller.filter(other, ["n1", "n2"]))["NodeNames"] == []
    await eventually(lambda: world.writes == ["select c"])
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    assert await call == ""


async def test_a_wish_that_conflicts_with_itself_was_heard(world: DoubtfulWorld, caller: Caller):
    world.put(claim("c"))
    world.after = first(1, Conflict(409, "Conflict", "the object has been modified"), "select c")
    call = asyncio.create_task(caller.bind(world.put(pod("p", "c")), "n1"))
    await eventually(lambda: world.writes == ["select c"])
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    assert await call == ""


async def test_a_wish_that_lost_a_race_is_an_error(world: DoubtfulWorld, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    world.lagging = True
    world.change("claims", "ns/c", lambda obj: obj["metadata"].update(labels={"by": "another"}))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: caller.metric("lading_extender_bind_attempts") == 1)
    world.catch_up()
    assert "modified" in await call
    assert world.writes == []
