"""What is explained is what decides: every rule, every node, the values at fault and the change that helps."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from extender.announce import AGAIN_SECONDS, NEWS_SECONDS, Announcer
from extender.decisions import Decision, Decisions
from extender.explain import explain
from extender.filters import evaluate
from extender.verdict import EvaluationError
from model.meta import JSON
from model.workloads import Pod
from tests.extender.clusters import Draw
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.tables import Cluster
from tests.extender.world import World, running

DRIVER = "csi.example.com"


def explained(cluster: Cluster, wanting: JSON, **how) -> JSON:
    view = cluster.put(wanting)
    return msgspec.to_builtins(explain(view, cluster.snapshot, cluster.snapshot.nodes.all, **how))


def rule(answer: JSON, name: str) -> JSON:
    return next(each for each in answer["rules"] if each["name"] == name)


def zonal(*more: JSON) -> Cluster:
    nodes = [node(f"{zone}{number}", zone=zone) for zone in "ab" for number in range(4)]
    return Cluster([*nodes, storage_class("fast"), *more])


def test_a_volume_out_of_reach_names_itself_its_zone_and_what_the_nodes_have():
    cluster = zonal(volume("v", zone="a"), claim("c", volume="v"))
    answer = explained(cluster, pod("p", "c"))
    assert answer["summary"] == "4/8 nodes fit: 4 can not reach volume v (zone a wanted, nodes in b)"
    assert answer["feasible"] == {"count": 4, "names": ["a0", "a1", "a2", "a3"]}
    (entry,) = rule(answer, "VolumeBinding")["rejects"]
    assert entry["nodes"] == {"count": 4, "names": ["b0", "b1", "b2", "b3"]}
    assert entry["found"] == {"topology.kubernetes.io/zone": {"b": 4}}
    assert (entry["fact"]["kind"], entry["fact"]["claim"], entry["fact"]["volume"]) == ("Unreachable", "c", "v")
    assert entry["fix"].startswith("add a node that volume v reaches")
    assert not entry["resolvable"]


def test_slots_tell_limit_use_and_what_fills_them():
    taken = [volume("v1"), claim("c1", volume="v1"), pod("p1", "c1", node="n1")]
    cluster = Cluster(
        [node("n1"), csi_node("n1", **{DRIVER: 1}), storage_class("fast"), *taken, volume("v"), claim("c", volume="v")]
    )
    (entry,) = rule(explained(cluster, pod("p", "c")), "NodeVolumeLimits")["rejects"]
    assert entry["slots"] == [
        {"nodes": {"count": 1, "names": ["n1"]}, "limit": 1, "used": 1, "filledBy": ["handle-v1"]}
    ]
    assert entry["resolvable"]


def test_space_tells_what_is_wanted_and_the_largest_pool_within_reach():
    driver = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": DRIVER},
        "spec": {"storageCapacity": True},
    }
    pools = [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIStorageCapacity",
            "metadata": {"name": zone, "namespace": "d"},
            "storageClassName": "fast",
            "nodeTopology": {"matchLabels": {"topology.kubernetes.io/zone": zone}},
            "capacity": size,
        }
        for zone, size in (("a", "3Gi"), ("b", "5Gi"))
    ]
    answer = explained(zonal(driver, *pools, claim("c", size="9Gi")), pod("p", "c"))
    (entry,) = rule(answer, "VolumeBinding")["rejects"]
    assert entry["largestPoolBytes"] == 5 << 30
    assert entry["fact"]["size_bytes"] == 9 << 30
    assert entry["fix"] == "free 9Gi in one pool of class fast that the node reaches"


def test_every_rule_is_asked_of_every_node_also_of_those_rejected_before():
    labelled = volume("v", zone="a")
    labelled["metadata"]["labels"] = {"topology.kubernetes.io/zone": "a"}
    answer = explained(zonal(labelled, claim("c", volume="v")), pod("p", "c"))
    assert [each["nodes"]["count"] for each in rule(answer, "VolumeBinding")["rejects"]] == [4]
    assert [each["nodes"]["count"] for each in rule(answer, "VolumeZone")["rejects"]] == [4]
    assert rule(answer, "VolumeRestrictions")["verdict"] == "not concerned"


def test_thousands_of_nodes_are_a_few_lines_unless_all_are_asked_for():
    nodes = [node(f"n{number}", zone="b") for number in range(300)]
    cluster = Cluster([*nodes, storage_class("fast"), volume("v", zone="a"), claim("c", volume="v")])
    (entry,) = rule(explained(cluster, pod("p", "c")), "VolumeBinding")["rejects"]
    assert (entry["nodes"]["count"], len(entry["nodes"]["names"])) == (300, 5)
    (entry,) = rule(explained(cluster, pod("p", "c"), named=None), "VolumeBinding")["rejects"]
    assert len(entry["nodes"]["names"]) == 300


def test_a_label_that_differs_on_every_node_is_told_of_a_few():
    host = "kubernetes.io/hostname"
    nodes = [node(f"n{number}", **{host: f"n{number}"}) for number in range(20)]
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [_in(host, "gone")]}]}}
    cluster = Cluster([*nodes, volume("v", nodeAffinity=affinity), claim("c", volume="v")])
    for named, count in ((5, 5), (None, 20)):
        (entry,) = rule(explained(cluster, pod("p", "c"), named=named), "VolumeBinding")["rejects"]
        assert len(entry["found"][host]) == count


def _in(key: str, *values: str) -> JSON:
    return {"key": key, "operator": "In", "values": values}


def test_claims_and_what_they_would_get_are_told():
    answer = explained(
        zonal(volume("v", "slow", zone="a"), claim("c"), claim("bound", "slow", volume="v")), pod("p", "c", "bound")
    )
    assert [(each["name"], each["state"]) for each in answer["claims"]] == [("c", "unbound"), ("bound", "bound")]
    assert answer["placements"] == [{"claim": "c", "nodes": answer["feasible"], "storageClass": "fast"}]


def test_a_missing_claim_is_told_with_what_to_do():
    answer = explained(zonal(), pod("p", "nowhere"))
    (entry,) = rule(answer, "VolumeRestrictions")["rejects"]
    assert entry["reason"] == 'persistentvolumeclaim "nowhere" not found'
    assert entry["fix"] == "make what is missing, or correct the name in the pod"
    assert answer["claims"] == [{"name": "nowhere", "state": "missing"}]


@settings(max_examples=150, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.integers(0, 2**40))
def test_it_never_tells_another_verdict_than_the_filters(seed):
    draw = Draw(seed)
    pod = draw.pod("new")
    cluster = Cluster(draw.cluster(pod))
    view = msgspec.convert(pod, Pod)
    nodes = cluster.snapshot.nodes.all
    answer = explain(view, cluster.snapshot, nodes, named=None)
    try:
        verdicts = evaluate(view, cluster.snapshot, nodes)
    except EvaluationError:
        assert any(each.verdict == "error" for each in answer.rules)
        return
    if any(each.verdict == "error" for each in answer.rules):
        return  # a rule that the scheduler never reached
    assert answer.feasible.names == sorted(cluster.snapshot.nodes.names_of(verdicts.feasible))
    told = {entry.reason for each in answer.rules for entry in each.rejects}
    assert {objection.reason for objection in verdicts.objections} <= told
    assert all(entry.fix and entry.told for each in answer.rules for entry in each.rejects)


# --- over HTTP ---


async def test_a_pod_of_the_cluster_and_one_that_is_not_created_yet_are_explained():
    world = World()
    for obj in (node("n1", zone="b"), storage_class("fast"), volume("v", zone="a"), claim("c", volume="v")):
        world.put(obj)
    made = world.put(pod("p", "c"))
    async with running(world) as caller:
        await caller.filter(made, ["n1"])
        status, answer = await caller.get("explain?pod=ns/p")
        assert (status, answer["pod"], answer["feasible"]["count"]) == (200, "ns/p", 0)
        (decision,) = answer["decisions"]
        assert (decision["verb"], decision["feasible"], decision["outcome"]) == ("filter", 0, answer["summary"])
        status, answer = await caller.post("explain", {"Pod": pod("imagined"), "NodeNames": None})
        assert (status, answer["feasible"]["count"]) == (200, 1)


async def test_a_manifest_without_a_namespace_is_asked_about_in_the_default_one():
    world, mine, manifest = World(), claim("c"), pod("imagined", "c")
    mine["metadata"]["namespace"] = "default"
    del manifest["metadata"]["namespace"]
    for obj in (node("n1"), storage_class("fast"), mine):
        world.put(obj)
    async with running(world) as caller:
        _, answer = await caller.post("explain", {"Pod": manifest})
    assert (answer["pod"], answer["summary"]) == ("default/imagined", "1/1 nodes fit")


async def test_what_can_not_be_explained_is_said():
    async with running(World()) as caller:
        assert await caller.get("explain") == (400, {"error": "say which pod: ?pod=NAMESPACE/NAME"})
        assert await caller.get("explain?pod=ns/ghost") == (404, {"error": "there is no pod ns/ghost"})
        status, answer = await caller.post("explain", {"Pods": []})
        assert (status, "Pod" in answer["error"]) == (400, True)


# --- decisions and events ---


@pytest.mark.parametrize("still", ["limited", "not limited any more"])
async def test_what_is_told_of_a_node_that_bind_refused_is_that_it_does_not_fit(still):
    world = World()
    objects = [node("n1"), csi_node("n1", **{DRIVER: 1}), storage_class("static", "kubernetes.io/no-provisioner")]
    for name in ("c", "there"):
        objects += [volume(f"v-{name}", "static"), claim(name, "static", volume="v-there" if name == "there" else "")]
    for obj in (*objects, pod("other", "there", node="n1")):
        world.put(obj)
    made = world.put(pod("p", "c"))
    async with running(world) as caller:
        assert "1 of 1 slots" in await caller.bind(made, "n1")
        if still == "limited":
            assert (await caller.filter(made, ["n1"]))["NodeNames"] == []
            _, answer = await caller.get("explain?pod=ns/p")
            assert answer["decisions"][-1]["outcome"].startswith("0/1 nodes fit: 1 has all 1 attach slots of driver")
        else:
            world.put(csi_node("n1", **{DRIVER: None}))
            assert (await caller.filter(made, ["n1"]))["NodeNames"] == ["n1"]


async def test_nodes_that_are_not_known_are_told_of_as_such():
    world = World()
    for obj in (node("n1"), claim("c"), storage_class("fast")):
        world.put(obj)
    made = world.put(pod("p", "c"))
    async with running(world) as caller:
        assert (await caller.filter(made, ["new", "newer"]))["NodeNames"] == []
        _, answer = await caller.get("explain?pod=ns/p")
    assert answer["decisions"][-1]["outcome"] == "0/2 nodes fit: 2 node(s) were not known to the extender yet"


def test_decisions_are_bounded_and_repeats_count_once():
    log = Decisions(pods=2, each=2)
    for number in range(5):
        log.record("ns/a", Decision(f"t{number}", "filter", "u", "same"))
    assert [each.time for each in log.of("ns/a")] == ["t4"]
    for number in range(3):
        log.record("ns/a", Decision("t", "filter", "u", f"outcome {number}"))
    assert [each.outcome for each in log.of("ns/a")] == ["outcome 1", "outcome 2"]
    log.record("ns/b", Decision("t", "filter", "u", "x"))
    log.record("ns/c", Decision("t", "filter", "u", "x"))
    assert (log.of("ns/a"), len(log.of("ns/b"))) == ([], 1)


@given(st.lists(st.tuples(st.sampled_from("xy"), st.floats(0.1, 100)), max_size=40))
def test_the_same_is_told_again_only_after_a_while_and_news_not_at_once(said):
    announcer, now, told = Announcer(None), 0.0, list[tuple[str, float]]()
    view = Cluster().put(pod("p"))
    for sentence, pause in said:
        now += pause
        if announcer.no_node_suits(view, sentence, now):
            told.append((sentence, now))
    for (before, at), (after, then) in pairwise(told):
        assert then - at >= (AGAIN_SECONDS if before == after else NEWS_SECONDS)
    assert len(told) >= bool(said)


def test_a_pod_made_anew_is_told_of_at_once():
    announcer, cluster = Announcer(None), Cluster()
    anew = pod("p")
    anew["metadata"]["uid"] = "another"
    assert announcer.no_node_suits(cluster.put(pod("p")), "x", 0.0)
    assert announcer.no_node_suits(cluster.put(anew), "x", 1.0)
