"""The bind verb: what is written, in which order, and what becomes of races, crashes and callers that leave."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kube.errors import Unreachable
from model import names
from model.meta import JSON
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.world import Caller, World, running
from tests.waiting import eventually

STATIC = storage_class("static", "kubernetes.io/no-provisioner")
FAST = storage_class("fast")


@pytest.fixture
def world() -> World:
    world = World()
    for obj in (node("n1", zone="a"), node("n2", zone="b"), STATIC, FAST):
        world.put(obj)
    return world


@pytest.fixture
async def caller(world: World) -> AsyncIterator[Caller]:
    async with running(world) as caller:
        yield caller


async def test_a_pod_without_volumes_is_bound_at_once(world: World, caller: Caller):
    made = world.put(pod("p"))
    assert await caller.bind(made, "n1") == ""
    assert world.writes == ["bind p"]


async def test_a_matched_volume_is_reserved_and_the_pod_waits_until_the_claim_is_bound(world: World, caller: Caller):
    world.put(volume("v", "static"))
    world.put(claim("c", "static"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["reserve v"])
    reserved = world.view("volumes", "v")
    assert (reserved.spec.claim_ref.name, reserved.spec.claim_ref.uid) == ("c", "uid-c")
    assert reserved.annotations[names.BOUND_BY_CONTROLLER] == "yes"
    world.bind_claim("ns/c", "v")
    assert await call == ""
    assert world.writes == ["reserve v", "bind p"]


async def test_storage_is_asked_for_on_the_node_and_awaited(world: World, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["select c"])
    assert world.view("claims", "ns/c").selected_node == "n1"
    world.put(volume("made", zone="a"))
    world.bind_claim("ns/c", "made")
    assert await call == ""


async def test_a_claim_that_two_volumes_of_the_pod_name_is_asked_for_once(world: World, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", volumes=[_named("x", "c"), _named("y", "c")]))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["select c"])
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    assert await call == ""
    assert world.writes == ["select c", "bind p"]


async def test_volumes_are_written_before_claims(world: World, caller: Caller):
    world.put(volume("v", "static"))
    world.put(claim("c", "static"))
    world.put(claim("d"))
    made = world.put(pod("p", "d", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: len(world.writes) == 2)
    assert world.writes == ["reserve v", "select d"]
    world.bind_claim("ns/c", "v")
    world.put(volume("made"))
    world.bind_claim("ns/d", "made")
    assert await call == ""


async def test_a_volume_reserved_for_the_claim_by_its_user_is_completed_without_the_mark(world: World, caller: Caller):
    world.put(volume("v", "static", claimRef={"namespace": "ns", "name": "c"}))
    world.put(claim("c", "static"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["reserve v"])
    assert names.BOUND_BY_CONTROLLER not in world.view("volumes", "v").annotations
    world.bind_claim("ns/c", "v")
    assert await call == ""


async def test_two_pods_never_take_one_volume(world: World, caller: Caller):
    world.put(volume("only", "static"))
    pods = []
    for name in ("p", "q"):
        world.put(claim(f"c-{name}", "static"))
        pods.append(world.put(pod(name, f"c-{name}")))
    calls = [asyncio.create_task(caller.bind(each, "n1")) for each in pods]
    await eventually(lambda: any(call.done() for call in calls))
    refused = next(call for call in calls if call.done())
    assert "didn't find available persistent volumes" in await refused
    taken = world.view("volumes", "only").spec.claim_ref.name
    world.bind_claim(f"ns/{taken}", "only")
    winner = next(call for call in calls if call is not refused)
    assert await winner == ""
    assert world.writes.count("reserve only") == 1


async def test_two_pods_never_take_the_last_slot(world: World, caller: Caller):
    world.put(csi_node("n1", **{"csi.example.com": 1}))
    pods = []
    for name in ("p", "q"):
        world.put(
            volume(f"v-{name}", "static", claimRef={"namespace": "ns", "name": f"c-{name}", "uid": f"uid-c-{name}"})
        )
        world.put(claim(f"c-{name}", "static", volume=f"v-{name}"))
        pods.append(world.put(pod(name, f"c-{name}")))
    world.lagging = True
    errors = sorted(await asyncio.gather(*(caller.bind(each, "n1") for each in pods)))
    assert errors[0] == ""
    assert "exceed max volume count" in errors[1]


async def test_two_pods_never_take_one_exclusive_claim(world: World, caller: Caller):
    exclusive = claim("c", "static", volume="v")
    exclusive["spec"]["accessModes"] = ["ReadWriteOncePod"]
    world.put(exclusive)
    world.put(volume("v", "static"))
    pods = [world.put(pod(name, "c")) for name in ("p", "q")]
    world.lagging = True
    errors = sorted(await asyncio.gather(*(caller.bind(pods[n], f"n{n + 1}") for n in range(2))))
    assert errors[0] == ""
    assert "ReadWriteOncePod" in errors[1]


async def test_a_place_is_held_until_the_watch_shows_the_pod(world: World, caller: Caller):
    world.put(csi_node("n1", **{"csi.example.com": 1}))
    for name in ("c", "d"):
        world.put(volume(f"v-{name}", "static"))
        world.put(claim(name, "static", volume=f"v-{name}"))
    first, second = world.put(pod("p", "c")), world.put(pod("q", "d"))
    world.lagging = True
    assert await caller.bind(first, "n1") == ""
    assert (await caller.filter(second, ["n1"]))["FailedNodes"] == {"n1": "node(s) exceed max volume count"}
    world.catch_up()
    world.remove("pods", "ns/p")
    assert (await caller.filter(second, ["n1"]))["NodeNames"] == ["n1"]


async def test_a_write_that_lost_the_race_is_an_error_and_frees_what_was_held(world: World, caller: Caller):
    world.put(volume("v", "static"))
    world.put(claim("c", "static"))
    made = world.put(pod("p", "c"))
    world.lagging = True
    world.change("volumes", "v", lambda obj: obj["spec"].update(claimRef={"namespace": "ns", "name": "x", "uid": "u"}))
    assert "modified" in await caller.bind(made, "n1")
    assert (await caller.filter(made, ["n1"]))["NodeNames"] == ["n1"]
    world.catch_up()
    assert "n1" in (await caller.filter(made, ["n1"]))["FailedAndUnresolvableNodes"]


@pytest.mark.parametrize("crash", ["reserve v", "select d", "bind p"])
async def test_a_retry_after_a_crash_behind_any_write_ends_the_same(world: World, crash: str):
    world.put(volume("v", "static"))
    world.put(claim("c", "static"))
    world.put(claim("d"))
    made = world.put(pod("p", "c", "d"))

    def answers_are_lost_after(write: str) -> None:
        if write == crash:
            raise Unreachable("the connection broke")

    async def others_do_their_part() -> None:
        await eventually(lambda: "reserve v" in world.writes)
        world.bind_claim("ns/c", "v")
        await eventually(lambda: "select d" in world.writes)
        world.put(volume("made"))
        world.bind_claim("ns/d", "made")

    others = asyncio.create_task(others_do_their_part())
    world.after = answers_are_lost_after
    async with running(world) as first:
        await first.bind(made, "n1")
    world.after = lambda _write: None
    async with running(world) as second:
        assert await second.bind(made, "n1") == ""
    await others
    assert world.writes == ["reserve v", "select d", "bind p"]


async def test_a_pod_that_is_on_the_node_already_is_a_success(world: World, caller: Caller):
    made = world.put(pod("p", node="n1"))
    assert await caller.bind(made, "n1") == ""
    assert "already bound to node n1" in await caller.bind(made, "n2")
    assert world.writes == []


async def test_a_binding_whose_outcome_is_unknown_is_looked_up(world: World, caller: Caller):
    made = world.put(pod("p"))

    def lost(_write: str) -> None:
        raise Unreachable("cut")

    world.after = lost
    assert await caller.bind(made, "n1") == ""


async def test_another_pod_of_the_name_is_not_bound(world: World, caller: Caller):
    made = world.put(pod("p"))
    assert "uid" in await caller.bind(made, "n1", uid="of-the-one-before")
    assert world.writes == []


async def test_a_pod_or_node_that_is_gone_is_an_error(world: World, caller: Caller):
    assert "does not exist" in await caller.bind(pod("ghost"), "n1")
    assert 'node "n9" not found' in await caller.bind(world.put(pod("p", "c")), "n9")


async def test_a_pod_that_the_cache_has_not_seen_yet_is_bound(world: World, caller: Caller):
    world.lagging = True
    made = world.put(pod("p"))
    assert await caller.bind(made, "n1") == ""


async def test_an_attempt_goes_on_when_its_caller_hangs_up(world: World, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["select c"])
    call.cancel()
    await asyncio.wait([call])
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    await eventually(lambda: world.view("pods", "ns/p").spec.node_name == "n1")


async def test_a_second_call_joins_the_running_attempt(world: World, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    calls = [asyncio.create_task(caller.bind(made, "n1")) for _ in range(3)]
    await eventually(lambda: world.writes == ["select c"])
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    assert await asyncio.gather(*calls) == ["", "", ""]
    assert world.writes == ["select c", "bind p"]


async def test_a_caller_told_to_come_back_finds_the_volumes_ready_and_the_pod_not_yet_bound(world: World):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    async with running(world, answer=0.05) as caller:
        assert "still waiting for a volume to be made for claim c" in await caller.bind(made, "n1")
        world.put(volume("made"))
        world.bind_claim("ns/c", "made")
        await eventually(lambda: caller.metric("lading_extender_bind_attempts") == 0)
        assert world.writes == ["select c"]
        assert await caller.bind(made, "n1") == ""
        assert world.writes == ["select c", "bind p"]


async def test_a_call_for_another_node_ends_the_attempt_for_the_first(world: World, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    first = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["select c"])
    assert "didn't find available persistent volumes" in await caller.bind(made, "n2")
    assert "elsewhere" in await first


async def test_a_provisioner_that_gives_up_the_node_ends_the_attempt(world: World, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["select c"])
    world.change("claims", "ns/c", lambda obj: obj["metadata"]["annotations"].update({names.SELECTED_NODE: ""}))
    assert 'provisioning failed for PVC "c"' in await call


@pytest.mark.parametrize(("kind", "key"), [("nodes", "n1"), ("pods", "ns/p"), ("claims", "ns/c")])
async def test_what_disappears_ends_the_attempt(world: World, caller: Caller, kind: str, key: str):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["select c"])
    world.remove(kind, key)
    assert "not found" in await call


async def test_a_volume_made_out_of_reach_ends_the_attempt(world: World, caller: Caller):
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["select c"])
    world.put(volume("made", zone="b"))
    world.bind_claim("ns/c", "made")
    assert "node affinity doesn't match" in await call


async def test_a_claim_pinned_to_a_node_that_is_gone_is_freed(world: World, caller: Caller):
    world.put(claim("c", **{names.SELECTED_NODE: "gone"}))
    made = world.put(pod("p", "c"))
    assert (await caller.filter(made, ["n1"]))["NodeNames"] == []
    await eventually(lambda: world.view("claims", "ns/c").selected_node is None)
    assert (await caller.filter(made, ["n1"]))["NodeNames"] == ["n1"]


async def test_a_claim_pinned_to_a_node_that_is_only_new_stays_pinned(world: World, caller: Caller):
    world.put(claim("c", **{names.SELECTED_NODE: "new"}))
    made = world.put(pod("p", "c"))
    world.lagging = True
    world.put(node("new"))
    assert (await caller.filter(made, ["n1"]))["NodeNames"] == []
    world.catch_up()
    assert (await caller.filter(made, ["n1", "new"]))["NodeNames"] == ["new"]
    assert world.writes == []


def _named(volume_name: str, claim_name: str) -> JSON:
    return {"name": volume_name, "persistentVolumeClaim": {"claimName": claim_name}}


# --- the slots of volumes that are chosen only now ---


@pytest.fixture
def one_slot(world: World) -> World:
    """Both nodes take one volume of the driver; two free disks of it, whose class makes none."""
    for name in ("n1", "n2"):
        world.put(csi_node(name, **{"csi.example.com": 1}))
    for number in range(3):
        world.put(volume(f"v{number}", "static"))
        world.put(claim(f"c{number}", "static"))
    return world


async def test_a_volume_that_is_chosen_takes_its_slot_at_once(one_slot: World, caller: Caller):
    first, second = one_slot.put(pod("p0", "c0")), one_slot.put(pod("p1", "c1"))
    call = asyncio.create_task(caller.bind(first, "n1"))
    await eventually(lambda: one_slot.writes == ["reserve v0"])
    error = await caller.bind(second, "n1")
    assert "1 of 1 slots of driver csi.example.com are taken" in error
    one_slot.bind_claim("ns/c0", "v0")
    assert await call == ""
    assert "node(s) exceed max volume count" in await caller.bind(second, "n1")
    assert one_slot.writes == ["reserve v0", "bind p0"]


async def test_a_node_that_bind_refused_is_not_offered_again_at_once(one_slot: World, caller: Caller):
    other = one_slot.put(pod("there", "c2", node="n1"))
    assert other
    one_slot.bind_claim("ns/c2", "v2")
    wanting = one_slot.put(pod("p0", "c0"))
    assert (await caller.filter(wanting, ["n1", "n2"]))["NodeNames"] == ["n1", "n2"]
    assert "are taken" in await caller.bind(wanting, "n1")
    answer = await caller.filter(wanting, ["n1", "n2"])
    assert answer["NodeNames"] == ["n2"]
    assert answer["FailedNodes"] == {"n1": "node(s) exceed max volume count"}


async def test_a_claim_of_the_drivers_own_class_counts_once(world: World, caller: Caller):
    world.put(csi_node("n1", **{"csi.example.com": 1}))
    world.put(volume("v"))
    world.put(claim("c"))
    made = world.put(pod("p", "c"))
    call = asyncio.create_task(caller.bind(made, "n1"))
    await eventually(lambda: world.writes == ["reserve v"])
    world.bind_claim("ns/c", "v")
    assert await call == ""
