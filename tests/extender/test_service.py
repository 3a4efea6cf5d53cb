"""The extender's verbs over HTTP: both forms of the request, what is refused and how, and what is counted."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry

from extender.filters import FILTERS
from extender.metrics import PHASED, PHASES
from extender.service import Extender
from model.meta import JSON
from model.names import SELECTED_NODE
from tests.extender.cases import Case, load
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.world import Caller, World, running
from tests.waiting import eventually

DRIVER = "csi.example.com"
BINDING = {"PodName": "p", "PodNamespace": "ns", "PodUID": "uid-p", "Node": "n1"}


@pytest.fixture
def world() -> World:
    world = World()
    for obj in (node("n1", zone="a"), node("n2", zone="b"), storage_class("fast")):
        world.put(obj)
    return world


@pytest.fixture
async def caller(world: World) -> AsyncIterator[Caller]:
    async with running(world) as caller:
        yield caller


# --- the cases ---


@pytest.mark.parametrize("case", load(), ids=lambda case: case.name)
async def test_a_case_holds_by_names_and_by_whole_nodes(case: Case):
    world = World()
    for obj in case.objects:
        world.put(obj)
    async with running(world) as caller:
        case.holds_for(await caller.filter(case.pod, case.nodes))
        whole = [_bare(world.objects["nodes", name]) for name in case.nodes]
        answer = await caller.filter_whole(case.pod, whole)
    assert answer["NodeNames"] is None
    items = answer["Nodes"]["items"] if answer["Nodes"] else []
    assert all(item in whole for item in items), "nodes are answered as they came"
    case.holds_for({**answer, "NodeNames": [item["metadata"]["name"] for item in items]})


@pytest.mark.parametrize("case", load(), ids=lambda case: case.name)
async def test_a_case_holds_when_its_objects_come_in_the_opposite_order(case: Case):
    world = World()
    async with running(world) as caller:
        for obj in reversed(case.objects):
            world.put(obj)
        case.holds_for(await caller.filter(case.pod, case.nodes))


# --- the forms of a request ---


async def test_a_request_as_go_writes_it_is_read(world: World, caller: Caller):
    """Unset pointers and maps are null, and the objects inside have no kind."""
    sent = _bare(pod("p"))
    sent["metadata"]["creationTimestamp"] = None
    sent["spec"]["volumes"] = None
    body = {"Pod": sent, "Nodes": None, "NodeNames": ["n1", "n2"]}
    status, answer = await caller.post("filter", body)
    assert (status, answer["NodeNames"]) == (200, ["n1", "n2"])


async def test_an_answer_to_names_is_never_null(world: World, caller: Caller):
    answer = await caller.filter(pod("p", "ghost"), ["n1", "n2"])
    assert (answer["Nodes"], answer["NodeNames"], answer["Error"]) == (None, [], "")
    assert answer["FailedAndUnresolvableNodes"].keys() == {"n1", "n2"}


async def test_no_nodes_are_answered_by_no_nodes(caller: Caller):
    assert (await caller.filter(pod("p"), []))["NodeNames"] == []
    assert (await caller.filter_whole(pod("p"), []))["Nodes"]["items"] == []
    status, answer = await caller.post("filter", {"Pod": pod("p"), "Nodes": {"metadata": {}, "items": None}})
    assert (status, answer["Nodes"]["items"]) == (200, [])


async def test_the_order_of_the_names_is_kept(caller: Caller):
    assert (await caller.filter(pod("p"), ["n2", "n1"]))["NodeNames"] == ["n2", "n1"]


async def test_a_node_that_is_not_known_yet_is_rejected_by_itself(world: World, caller: Caller):
    world.put(claim("c"))
    answer = await caller.filter(pod("p", "c"), ["n1", "new"])
    assert answer["NodeNames"] == ["n1"]
    assert answer["FailedAndUnresolvableNodes"] == {"new": "node(s) were not known to the extender yet"}


async def test_fields_of_a_later_protocol_are_ignored(caller: Caller):
    body = {"Pod": {**pod("p"), "more": {"a": 1}}, "Nodes": None, "NodeNames": ["n1"], "Later": [1]}
    status, answer = await caller.post("filter", body)
    assert (status, answer["NodeNames"]) == (200, ["n1"])


@pytest.mark.parametrize(
    ("verb", "body", "named"),
    [
        ("filter", {"pod": pod("p"), "nodenames": ["n1"]}, "`Pod`"),
        ("filter", {"Pod": pod("p"), "nodeNames": ["n1"]}, "NodeNames and Nodes are both null"),
        ("filter", {"Pod": pod("p"), "NODES": None, "NODENAMES": ["n1"]}, "NodeNames and Nodes are both null"),
        ("prioritize", {"POD": pod("p"), "NodeNames": ["n1"]}, "`Pod`"),
        ("bind", {key.lower(): value for key, value in BINDING.items()}, "`PodName`"),
    ],
)
async def test_names_in_another_case_are_refused_by_name(caller: Caller, verb: str, body: JSON, named: str):
    status, answer = await caller.post(verb, body)
    assert status == 400
    assert named in answer["error"]


@pytest.mark.parametrize("verb", ["filter", "prioritize", "bind"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"null", "wrong shape"),
        (b"[]", "wrong shape"),
        (b"{}", "missing required field"),
        (b"[" * 100_000, "JSON|nested|shape"),
    ],
    ids=["empty", "cut", "bytes", "null", "list", "object", "deep"],
)
async def test_what_is_no_request_is_refused(caller: Caller, verb: str, body: bytes, said: str):
    status, answer = await caller.send(verb, body)
    assert status == 400
    assert any(each in answer["error"] for each in said.split("|")), answer
    assert caller.metric("lading_extender_requests_total", verb=verb, result="invalid") == 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"Pod": "p", "NodeNames": ["n1"]}, "$.Pod"),
        ({"Pod": {"spec": {"volumes": [{"name": 1}]}}, "NodeNames": ["n1"]}, "$.Pod.spec.volumes[0].name"),
        ({"Pod": pod("p"), "NodeNames": [1]}, "$.NodeNames[0]"),
        ({"Pod": pod("p"), "NodeNames": "n1"}, "$.NodeNames"),
        ({"Pod": pod("p"), "Nodes": {"items": [{"metadata": {}}]}}, "name"),
        ({"Pod": pod("p"), "Nodes": {"items": [1]}}, "Nodes.items"),
        ({"Pod": pod("p")}, "NodeNames and Nodes are both null"),
    ],
)
async def test_the_field_at_fault_is_named(caller: Caller, body: JSON, named: str):
    status, answer = await caller.post("filter", body)
    assert status == 400
    assert named in answer["error"]


async def test_an_impossible_request_harms_no_other(world: World, caller: Caller):
    calls = [caller.send("filter", b"{"), caller.filter(pod("p"), ["n1"]), caller.send("bind", b"[]")]
    refused, answered, also = await asyncio.gather(*calls)
    assert (refused[0], also[0]) == (400, 400)
    assert answered["NodeNames"] == ["n1"]


# --- what can not be answered ---


@pytest.mark.parametrize("verb", ["filter", "prioritize", "bind"])
async def test_nothing_is_answered_before_the_caches_are_whole(verb: str):
    async with running(World(synced=False), ready=False) as caller:
        body = BINDING if verb == "bind" else {"Pod": pod("p"), "NodeNames": ["n1"]}
        status, answer = await caller.post(verb, body)
        assert status == 503
        assert "persistentvolumeclaims: not synced" in answer["error"]
        assert caller.metric("lading_extender_requests_total", verb=verb, result="unavailable") == 1
        assert (await caller.send(verb, b"{"))[0] == 400, "what is wrong is wrong in any case"


async def test_nothing_is_answered_from_caches_that_are_out_of_touch(world: World, caller: Caller):
    world.caches.volumes._heard = float("-inf")
    status, answer = await caller.post("filter", {"Pod": pod("p"), "NodeNames": ["n1"]})
    assert status == 503
    assert "persistentvolumes: no word from the API server" in answer["error"]
    world.caches.volumes.heard()
    assert (await caller.filter(pod("p"), ["n1"]))["NodeNames"] == ["n1"]


async def test_what_can_not_be_judged_fails_the_call_with_a_reason(world: World, caller: Caller):
    world.put(csi_node("n1", **{"csi.example.com": 1}))
    shared = {"name": "disk", "azureDisk": {"diskName": "d", "diskURI": "u", "kind": "Shared"}}
    sent = pod("p", volumes=[shared])
    answer = await caller.filter(sent, ["n1", "n2"])
    assert "converting volume(disk) from inline to csi" in answer["Error"]
    assert (answer["NodeNames"], answer["FailedNodes"]) == ([], {})
    assert await caller.prioritize(sent, ["n1", "n2"]) == {"n1": 0, "n2": 0}
    assert (await caller.filter(sent, ["n2"]))["NodeNames"] == ["n2"], "a node that was not asked about does no harm"
    assert caller.metric("lading_extender_requests_total", verb="filter", result="error") == 1


# --- prioritize and bind ---


async def test_a_pod_without_volumes_is_indifferent(caller: Caller):
    assert await caller.prioritize(pod("p"), ["n2", "n1"]) == {"n1": 0, "n2": 0}


async def test_nodes_are_scored_by_what_is_left_and_all_of_them_are_answered(world: World, caller: Caller):
    world.put(storage_class("static", "kubernetes.io/no-provisioner"))
    world.put(volume("small", "static", "2Gi", zone="a"))
    world.put(volume("large", "static", "10Gi", zone="b"))
    world.put(claim("c", "static", "1Gi"))
    world.put(node("n3"))
    sent = world.put(pod("p", "c"))
    assert await caller.prioritize(sent, ["n1", "n2", "n3"]) == {"n1": 5, "n2": 9, "n3": 0}
    status, answer = await caller.post("prioritize", {"Pod": sent, "Nodes": {"items": [world.objects["nodes", "n2"]]}})
    assert (status, answer) == (200, [{"Host": "n2", "Score": 9}])


@pytest.mark.parametrize("key", BINDING)
async def test_bind_needs_all_it_is_told(caller: Caller, key: str):
    status, answer = await caller.post("bind", {each: value for each, value in BINDING.items() if each != key})
    assert status == 400
    assert key in answer["error"]


async def test_bind_answers_an_error_with_status_200(world: World, caller: Caller):
    assert await caller.post("bind", BINDING) == (
        200,
        {"Error": 'pod does not exist any more: pod "p" not found'},
    )
    world.put(pod("p"))
    assert await caller.post("bind", BINDING) == (200, {"Error": ""})
    for result in ("success", "error"):
        assert caller.metric("lading_extender_requests_total", verb="bind", result=result) == 1


async def test_what_was_judged_is_counted(world: World, caller: Caller):
    await caller.filter(pod("p"), ["n1", "n2"])
    await caller.filter(pod("p", "ghost"), ["n1"])
    assert caller.metric("lading_extender_nodes_total", verdict="feasible") == 2
    assert caller.metric("lading_extender_nodes_total", verdict="unresolvable") == 1
    assert caller.metric("lading_extender_request_seconds_count", verb="filter") == 2
    assert caller.metric("lading_extender_requests_total", verb="prioritize", result="success") == 0


def test_every_verb_and_result_is_counted_from_zero():
    """So that a rate of nothing can be told from nothing to tell."""
    registry = CollectorRegistry()
    Extender(World().caches, World(), registry)
    for verb in ("filter", "prioritize", "preempt", "bind"):
        for result in ("success", "error", "unavailable", "invalid"):
            labels = {"verb": verb, "result": result}
            assert registry.get_sample_value("lading_extender_requests_total", labels) == 0


async def test_rejected_nodes_are_counted_by_the_filter_that_rejects_them(world: World, caller: Caller):
    for obj in (volume("v", "fast", zone="a"), claim("c", "fast", volume="v"), csi_node("n1", **{DRIVER: 0})):
        world.put(obj)
    for rule in FILTERS:
        assert caller.metric("lading_extender_rejected_nodes_total", rule=rule) == 0
    await caller.filter(pod("p", "c"), ["n1", "n2"])
    await caller.filter(pod("p", "ghost"), ["n1"])
    await caller.filter(pod("p", "c"), ["new"])
    counted = {rule: caller.metric("lading_extender_rejected_nodes_total", rule=rule) for rule in FILTERS}
    assert counted == {"NodeVolumeLimits": 1, "VolumeBinding": 1, "VolumeRestrictions": 1, "VolumeZone": 0}


async def test_the_parts_of_a_call_are_timed(world: World, caller: Caller):
    world.put(claim("c"))
    await caller.filter(pod("p", "c"), ["n1"])
    await caller.prioritize(pod("p"), ["n1"])
    for verb in PHASED:
        for phase in PHASES:
            assert caller.metric("lading_extender_phase_seconds_count", verb=verb, phase=phase) == 1


async def test_the_ledger_is_measured(world: World, caller: Caller):
    assert caller.metric("lading_extender_ledger_claims") == 0
    assert caller.metric("lading_extender_ledger_age_seconds") == 0
    made = claim("c")
    made["metadata"]["annotations"] = {SELECTED_NODE: "n1"}
    world.put(made)
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    assert caller.metric("lading_extender_ledger_claims") == 1
    assert 0 < (caller.metric("lading_extender_ledger_age_seconds") or 0) < 60


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (lambda world: world.put(pod("user", "c", node="n2")), lambda world: world.remove("pods", "ns/user")),
        (lambda world: world.remove("volumes", "v"), lambda world: world.put(volume("v", "fast"))),
        (lambda world: world.remove("claims", "ns/c"), lambda world: world.put(_exclusive())),
    ],
    ids=["a pod", "a volume", "a claim"],
)
async def test_an_answer_follows_what_the_caches_show(
    world: World, caller: Caller, change: Callable[[World], object], undo: Callable[[World], object]
):
    world.put(volume("v", "fast"))
    world.put(_exclusive())
    sent = pod("p", "c")
    assert (await caller.filter(sent, ["n1"]))["NodeNames"] == ["n1"]
    change(world)
    assert (await caller.filter(sent, ["n1"]))["NodeNames"] == []
    undo(world)
    assert (await caller.filter(sent, ["n1"]))["NodeNames"] == ["n1"]


async def test_calls_are_answered_while_others_wait(world: World, caller: Caller):
    world.put(claim("c"))
    waiting = asyncio.create_task(caller.bind(world.put(pod("p", "c")), "n1"))
    await eventually(lambda: world.writes == ["select c"])
    assert (await caller.filter(pod("q"), ["n1"]))["NodeNames"] == ["n1"]
    assert caller.metric("lading_extender_bind_attempts") == 1
    world.put(volume("made"))
    world.bind_claim("ns/c", "made")
    assert await waiting == ""


def _exclusive() -> JSON:
    made = claim("c", volume="v")
    made["spec"]["accessModes"] = ["ReadWriteOncePod"]
    return made


def _bare(obj: JSON) -> JSON:
    """An object inside a request: without kind and apiVersion."""
    copied: JSON = json.loads(json.dumps(obj))
    return {key: value for key, value in copied.items() if key not in ("kind", "apiVersion")}
