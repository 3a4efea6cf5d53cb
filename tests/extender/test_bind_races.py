"""Attempts to bind that meet: over one claim, over one name, or in one turn of the loop."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from model.volumes import PersistentVolumeClaim
from tests.extender.objects import claim, node, pod, storage_class, volume
from tests.extender.world import Caller, World, running
from tests.waiting import eventually

CSI_DRIVER = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "CSIDriver",
    "metadata": {"name": "csi.example.com"},
    "spec": {"storageCapacity": True},
}
POOL = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "CSIStorageCapacity",
    "metadata": {"name": "pool", "namespace": "d"},
    "storageClassName": "fast",
    "nodeTopology": {},
    "capacity": "1Gi",
}


class SlowWorld(World):
    """A server whose answer to a write of a claim takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def select_node(self, claim: PersistentVolumeClaim, node: str | None) -> PersistentVolumeClaim:
        self.asked.set()
        await self.let_go.wait()
        return await super().select_node(claim, node)


@pytest.fixture
async def world() -> SlowWorld:
    world = SlowWorld()
    for obj in (node("n1"), node("n2"), storage_class("fast"), CSI_DRIVER, POOL):
        world.put(obj)
    return world


@pytest.fixture
async def caller(world: SlowWorld) -> AsyncIterator[Caller]:
    async with running(world) as caller:
        yield caller


async def test_pods_that_share_a_claim_share_what_is_held_for_it(world: SlowWorld, caller: Caller):
    world.put(claim("c"))
    world.put(claim("other"))
    sharing = [world.put(pod(name, "c")) for name in ("p", "q")]
    first = asyncio.create_task(caller.bind(sharing[0], "n1"))
    await world.asked.wait()
    second = asyncio.create_task(caller.bind(sharing[1], "n1"))
    await eventually(lambda: caller.metric("lading_extender_bind_attempts") == 2)
    answer = await caller.filter(world.put(pod("r", "other")), ["n1", "n2"])
    assert answer["NodeNames"] == []  # the pool is spoken for, although nothing shows it yet
    world.let_go.set()
    await eventually(lambda: world.writes == ["select c"])
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    assert await asyncio.gather(first, second) == ["", ""]
