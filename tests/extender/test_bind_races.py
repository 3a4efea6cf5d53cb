"""Attempts to bind that meet: over one claim, over one name, or in one turn of the loop."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from extender.bind import Binder, BindLimits
from extender.cached import snapshot_over
from extender.changes import Changes
from extender.lessons import Lessons
from extender.obtaining import Obtaining
from extender.reservations import Reservations
from extender.snapshot import SERVED_RULES
from extender.wire import ExtenderBindingArgs
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Pod
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.tables import Cluster
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
    """A server whose answers to writes of claims and volumes take until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self.slow_to_bind = False

    def show_next(self, count: int) -> None:
        """Let the watches show so many of the changes that they have not shown."""
        for _ in range(count):
            self._unseen.pop(0)()

    async def reserve(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
        self.asked.set()
        await self.let_go.wait()
        return await super().reserve(volume, claim)

    async def bind(self, pod: Pod, node: str) -> None:
        if self.slow_to_bind:
            self.asked.set()
            await self.let_go.wait()
        await super().bind(pod, node)

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


async def test_pods_that_share_a_claim_share_the_volume_that_is_held_for_it(world: SlowWorld, caller: Caller):
    world.put(storage_class("static", "kubernetes.io/no-provisioner"))
    world.put(volume("only", "static"))
    world.put(claim("c", "static"))
    world.put(claim("other", "static"))
    sharing = [world.put(pod(name, "c")) for name in ("p", "q")]
    first = asyncio.create_task(caller.bind(sharing[0], "n1"))
    await world.asked.wait()
    second = asyncio.create_task(caller.bind(sharing[1], "n1"))
    await eventually(lambda: caller.metric("lading_extender_bind_attempts") == 2)
    assert "didn't find available" in await caller.bind(world.put(pod("r", "other")), "n1")
    world.let_go.set()
    await eventually(lambda: world.writes == ["reserve only"])
    world.bind_claim("ns/c", "only")
    assert await asyncio.gather(first, second) == ["", ""]


async def test_a_pod_made_anew_keeps_its_place_when_the_one_before_it_is_let_go(world: SlowWorld, caller: Caller):
    world.put(csi_node("n2", **{"csi.example.com": 1}))
    for name in ("c", "d", "e"):
        world.put(volume(f"v-{name}"))
        world.put(claim(name, volume=f"v-{name}"))
    world.lagging = True
    first = world.put(pod("p", "c"))
    assert await caller.bind(first, "n1") == ""
    world.remove("pods", "ns/p")
    anew = pod("p", "d")
    anew["metadata"]["uid"] = "of-the-new-one"
    world.put(anew)
    assert await caller.bind(anew, "n2") == ""
    world.show_next(2)  # that the first was made, and that it was bound
    world.lagging = False
    world.put(csi_node("n2", **{"csi.example.com": 1, "other.example.com": 1}))  # so that it is counted anew
    answer = await caller.filter(pod("other", "e"), ["n2"])
    assert answer["FailedNodes"] == {"n2": "node(s) exceed max volume count"}


async def test_a_cache_that_still_shows_the_pod_of_before_ends_no_attempt(world: SlowWorld, caller: Caller):
    world.put(pod("p", "c"))
    world.put(claim("c"))
    world.lagging = True
    world.remove("pods", "ns/p")
    anew = pod("p", "c")
    anew["metadata"]["uid"] = "of-the-new-one"
    world.put(anew)
    call = asyncio.create_task(caller.bind(anew, "n1"))
    world.let_go.set()
    await eventually(lambda: world.writes == ["select c"])
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    world.catch_up()
    assert await call == ""


def test_what_a_pod_is_promised_outlives_the_promise_to_the_one_before_it():
    anew = pod("p", "c", node="n2")
    anew["metadata"]["uid"] = "of-the-new-one"
    cluster = Cluster([node("n1"), node("n2"), csi_node("n2", **{"csi.example.com": 1}), claim("c", "static"), anew])
    slots, view = cluster.snapshot.slots, cluster.tables["pods"].get("ns/p")
    before = msgspec.convert(pod("p", "c", node="n1"), Pod, strict=False)
    slots.promise(before, {"csi.example.com/v1": "csi.example.com"})
    slots.promise(view, {"csi.example.com/v2": "csi.example.com"})
    slots.withdraw(before)
    slots.refresh()
    assert slots.on("n2").present == {"csi.example.com/v2": "csi.example.com"}


async def test_a_call_that_gives_way_before_its_attempt_began_is_answered_and_bars_nobody(world: SlowWorld):
    made = world.put(pod("p"))
    async with asyncio.TaskGroup() as group:
        binder = _binder(world, group, BindLimits())
        to = {node: ExtenderBindingArgs("p", "ns", made["metadata"]["uid"], node) for node in ("n1", "n2")}
        # Both in one turn of the loop: the second ends what the first has only just asked for.
        async with asyncio.timeout(5.0):
            first, second = await asyncio.gather(binder.bind(to["n1"]), binder.bind(to["n2"]))
    assert "elsewhere" in first
    assert second == ""
    assert binder.under_way == 0


async def test_a_caller_whose_time_is_up_while_the_pod_is_being_put_on_the_node_hears_the_outcome(world: SlowWorld):
    made = world.put(pod("p"))
    args = ExtenderBindingArgs("p", "ns", made["metadata"]["uid"], "n1")
    limits = BindLimits()
    world.slow_to_bind = True
    async with asyncio.TaskGroup() as group:
        binder = _binder(world, group, limits)
        patient = group.create_task(binder.bind(args))
        await world.asked.wait()
        object.__setattr__(limits, "answer", 0.0)
        impatient = group.create_task(binder.bind(args))
        for _turn in range(10):
            await asyncio.sleep(0)
        world.let_go.set()
    assert (patient.result(), impatient.result()) == ("", "")


def _binder(world: World, group: asyncio.TaskGroup, limits: BindLimits) -> Binder:
    caches, changes = world.caches, Changes()
    reservations = Reservations(caches.pods, caches.claims, caches.volumes)
    snapshot = snapshot_over(caches, reservations, SERVED_RULES, lambda: 0.0)
    lessons = Lessons(lambda: 0.0)
    obtaining = Obtaining(
        snapshot, reservations, changes, world, claims=caches.claims, volumes=caches.volumes, lessons=lessons
    )
    return Binder(snapshot, obtaining, changes, world, pods=caches.pods, spawn=group.create_task, limits=limits)


def test_a_promise_of_no_slot_is_kept_too():
    """The chosen volume takes none, although the class of its claim would."""
    wanting = pod("p", "c", node="n1")
    cluster = Cluster(
        [node("n1"), csi_node("n1", **{"csi.example.com": 1}), storage_class("fast"), claim("c"), wanting]
    )
    slots, view = cluster.snapshot.slots, cluster.tables["pods"].get("ns/p")
    slots.promise(view, {})
    slots.refresh()
    assert slots.on("n1").present == {}
    slots.withdraw(view)
    slots.refresh()
    assert list(slots.on("n1").present.values()) == ["csi.example.com"]
