"""The preempt verb: victims that truly free the slot, disk or claim; none where eviction can not help."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from extender.budgets import FOLLOWED
from extender.cached import snapshot_over
from extender.filters import evaluate
from extender.plan import NOTHING
from extender.preempt import Candidate, preempt
from extender.reservations import Reservations
from extender.snapshot import Rules
from extender.wire import ExtenderPreemptionArgs, WireError, preemption_candidates, preemption_result
from kube.caches import Caches
from kube.client import Client
from kube.metrics import Metrics
from model.meta import JSON
from model.policy import PodDisruptionBudget
from model.resources import BUDGETS
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.tables import RESOURCES, Cluster
from tests.extender.world import World, running

DRIVER = "csi.example.com"


def cluster(*objects: JSON, limit: int | None = 2) -> Cluster:
    return Cluster([node("n1"), csi_node("n1", **{DRIVER: limit}), storage_class("fast"), *objects])


def holding(number: int, *, priority: int = 0, on: str = "n1", **more) -> list[JSON]:
    """A pod with a bound volume of its own."""
    made = pod(f"p{number}", f"c{number}", node=on, priority=priority)
    made["metadata"].update(more)
    return [
        volume(f"v{number}", claimRef={"namespace": "ns", "name": f"c{number}", "uid": f"uid-c{number}"}),
        claim(f"c{number}", volume=f"v{number}"),
        made,
    ]


def chosen(cluster: Cluster, wanting: JSON, *victims: str, on: str = "n1") -> list[str] | None:
    """The victims on the node; None where the node is left out."""
    view = cluster.put(wanting)
    found = preempt(view, [Candidate(on, victims)], cluster.snapshot)
    return list(found[0].victims) if found else None


def test_the_lowest_pod_that_frees_a_slot_goes():
    full = cluster(*holding(1, priority=5), *holding(2, priority=1), volume("v"), claim("c", volume="v"))
    assert chosen(full, pod("new", "c", priority=10)) == ["uid-p2"]


def test_a_pod_of_the_same_priority_is_never_evicted():
    full = cluster(*holding(1, priority=10), *holding(2, priority=10), volume("v"), claim("c", volume="v"))
    assert chosen(full, pod("new", "c", priority=10)) is None


def test_of_equals_the_one_that_came_last_goes():
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    full = cluster(
        *holding(1, creationTimestamp=late), *holding(2, creationTimestamp=early), volume("v"), claim("c", volume="v")
    )
    assert chosen(full, pod("new", "c", priority=10)) == ["uid-p1"]


def test_a_pod_without_volumes_is_spared_however_low():
    full = cluster(
        *holding(1, priority=3), *holding(2, priority=3), pod("idle", node="n1"), volume("v"), claim("c", volume="v")
    )
    assert chosen(full, pod("new", "c", priority=10)) in (["uid-p1"], ["uid-p2"])


def test_all_users_of_a_shared_volume_go_or_none():
    shared = [pod("p3", "c1", node="n1", priority=9), *holding(1, priority=1)]
    full = cluster(*shared, volume("v"), claim("c", volume="v"), limit=1)
    assert sorted(chosen(full, pod("new", "c", priority=10))) == ["uid-p1", "uid-p3"]
    assert chosen(full, pod("other", "c", priority=9)) is None


def test_a_volume_still_attached_counts_until_its_last_pod_goes_and_then_no_more():
    attachment = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": "a"},
        "spec": {"attacher": DRIVER, "nodeName": "n1", "source": {"persistentVolumeName": "v1"}},
    }
    full = cluster(*holding(1), attachment, volume("v"), claim("c", volume="v"), limit=1)
    assert chosen(full, pod("new", "c", priority=10)) == ["uid-p1"]


def test_attachments_without_a_pod_are_not_freed_by_eviction():
    attachment = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": "a"},
        "spec": {"attacher": DRIVER, "nodeName": "n1", "source": {"persistentVolumeName": "stray"}},
    }
    full = cluster(volume("stray"), attachment, pod("idle", node="n1"), volume("v"), claim("c", volume="v"), limit=1)
    assert chosen(full, pod("new", "c", priority=10)) is None


def test_the_victims_of_the_scheduler_stay_and_may_be_enough():
    full = cluster(*holding(1, priority=5), *holding(2, priority=1), volume("v"), claim("c", volume="v"))
    assert chosen(full, pod("new", "c", priority=10), "uid-p1") == ["uid-p1"]


def test_victims_that_are_not_seen_yet_stay():
    full = cluster(volume("v"), claim("c", volume="v"))
    assert chosen(full, pod("new", "c", priority=10), "uid-of-a-pod-not-seen") == ["uid-of-a-pod-not-seen"]


def test_a_node_with_nobody_to_evict_is_left_out():
    """Schedulers up to 1.37 take a node without victims for an error of the call."""
    assert chosen(cluster(volume("v"), claim("c", volume="v")), pod("new", "c", priority=10)) is None


def test_a_pod_that_leaves_anyway_is_no_victim():
    going = holding(1, deletionTimestamp="2026-01-01T00:00:00Z")
    full = cluster(*going, volume("v"), claim("c", volume="v"), limit=1)
    assert chosen(full, pod("new", "c", priority=10)) is None


# --- disruption budgets ---


def budget(name: str, allowed: int, *, of: str = "", namespace: str = "ns", disrupted: tuple[str, ...] = ()):
    """For the pods with the label `app: OF`; for none, by an empty selector, without one."""
    selector = {"matchLabels": {"app": of}} if of else {}
    status = {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(disrupted, "2026-01-01T00:00:00Z")}
    obj = {"metadata": {"name": name, "namespace": namespace}, "spec": {"selector": selector}, "status": status}
    return msgspec.convert(obj, PodDisruptionBudget)


def judged(*budgets: PodDisruptionBudget, victims: tuple[str, ...] = (), violations: int = 0, limit: int = 2):
    """The victims of two pods with the label `app: web`, the first of higher priority, and the violations counted."""
    pods = [*holding(1, priority=5, labels={"app": "web"}), *holding(2, priority=1, labels={"app": "web"})]
    full = cluster(*pods, volume("v"), claim("c", volume="v"), limit=limit)
    wanting = full.put(pod("new", "c", priority=10))
    (found,) = preempt(wanting, [Candidate("n1", victims, violations)], full.snapshot, budgets)
    return list(found.victims), found.pdb_violations


def test_a_victim_that_a_budget_spares_is_counted():
    assert judged(budget("b", 0, of="web")) == (["uid-p2"], 1)
    assert judged(budget("b", 2, of="web")) == (["uid-p2"], 0)


def test_whose_eviction_a_budget_forbids_is_spared_before_one_of_higher_priority():
    low = holding(2, priority=1, labels={"app": "db"})
    full = cluster(*holding(1, priority=5), *low, volume("v"), claim("c", volume="v"))
    wanting = full.put(pod("new", "c", priority=10))
    (found,) = preempt(wanting, [Candidate("n1", ())], full.snapshot, [budget("b", 0, of="db")])
    assert (found.victims, found.pdb_violations) == (("uid-p1",), 0)


def test_all_that_must_go_are_counted():
    assert judged(budget("b", 1, of="web"), limit=1) == (["uid-p2", "uid-p1"], 1)
    assert judged(budget("b", 0, of="web"), limit=1) == (["uid-p1", "uid-p2"], 2)


def test_the_schedulers_count_stays_and_its_victims_use_the_budget_up():
    assert judged(budget("b", 1, of="web"), victims=("uid-p1",), violations=3, limit=1) == (["uid-p1", "uid-p2"], 4)
    assert judged(budget("b", 2, of="web"), victims=("uid-p1",), violations=3, limit=1) == (["uid-p1", "uid-p2"], 3)


def test_the_holder_of_a_claim_for_one_pod_is_counted():
    mine = claim("c", volume="v")
    mine["spec"]["accessModes"] = ["ReadWriteOncePod"]
    holder = pod("holder", "c", node="n1")
    holder["metadata"]["labels"] = {"app": "web"}
    held = cluster(volume("v"), mine, holder, limit=None)
    wanting = held.put(pod("new", "c", priority=10))
    found = preempt(wanting, [Candidate("n1", ())], held.snapshot, [budget("b", 0, of="web")])
    assert found == [Candidate("n1", ("uid-holder",), 1)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(budget("b", 0), id="an empty selector"),
        pytest.param(budget("b", 0, of="db"), id="other pods"),
        pytest.param(budget("b", 0, of="web", namespace="elsewhere"), id="another namespace"),
        pytest.param(budget("b", 0, of="web", disrupted=("p1", "p2")), id="pods that were counted already"),
    ],
)
def test_what_a_budget_is_not_about(other: PodDisruptionBudget):
    assert judged(other) == (["uid-p2"], 0)


async def test_the_extender_counts_by_the_budgets_that_it_follows():
    world = World(synced=False)
    world.caches = Caches(Client(None, Metrics(CollectorRegistry()), "test"), FOLLOWED)
    for each in FOLLOWED:
        world.caches.of(each).replace([])
        world.caches.of(each).heard()
    world.caches.of(BUDGETS).show(budget("b", 0, of="web"))
    lower = holding(1, labels={"app": "web"})
    for obj in (node("n1"), csi_node("n1", **{DRIVER: 1}), *lower, volume("v"), claim("c", volume="v")):
        world.put(obj)
    body = {"Pod": pod("new", "c", priority=10), "NodeNameToMetaVictims": {"n1": {"Pods": [], "NumPDBViolations": 0}}}
    async with running(world) as caller:
        _, answer = await caller.post("preempt", body)
    assert answer == {"NodeNameToMetaVictims": {"n1": {"Pods": [{"UID": "uid-p1"}], "NumPDBViolations": 1}}}


def test_the_holder_of_a_claim_for_one_pod_goes():
    mine = claim("c", volume="v")
    mine["spec"]["accessModes"] = ["ReadWriteOncePod"]
    held = cluster(volume("v"), mine, pod("holder", "c", node="n1"), limit=None)
    assert chosen(held, pod("new", "c", priority=10)) == ["uid-holder"]
    assert chosen(held, pod("equal", "c", priority=0)) is None


def test_a_holder_on_another_node_can_not_be_helped_here():
    mine = claim("c", volume="v")
    mine["spec"]["accessModes"] = ["ReadWriteOncePod"]
    held = cluster(volume("v"), mine, node("n2"), pod("holder", "c", node="n2"), limit=None)
    assert chosen(held, pod("new", "c", priority=10)) is None


def test_every_holder_of_a_disk_that_can_not_be_shared_goes():
    disk = {"name": "d", "awsElasticBlockStore": {"volumeID": "vol-1"}}
    full = cluster(pod("a", node="n1", volumes=[disk]), pod("b", node="n1", volumes=[disk]), limit=None)
    assert sorted(chosen(full, pod("new", priority=10, volumes=[disk]))) == ["uid-a", "uid-b"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param([volume("v", zone="elsewhere"), claim("c", volume="v")], id="out of the volume's reach"),
        pytest.param([], id="its claim does not exist"),
    ],
)
def test_nobody_is_evicted_for_what_eviction_can_not_cure(more):
    full = cluster(*holding(1), *holding(2), *more)
    assert chosen(full, pod("new", "c", priority=10)) is None


@given(
    limit=st.integers(0, 4),
    holders=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=6),
    wanted=st.integers(1, 2),
)
def test_the_victims_are_enough_and_none_is_too_many(limit, holders, wanted):
    objects = [volume(f"w{n}") for n in range(wanted)] + [claim(f"d{n}", volume=f"w{n}") for n in range(wanted)]
    shared = [each for n in range(4) for each in holding(n)[:2]]
    pods = [pod(f"q{n}", f"c{held}", node="n1", priority=priority) for n, (held, priority) in enumerate(holders)]
    full = cluster(*objects, *shared, *pods, limit=limit)
    new = full.put(pod("new", *(f"d{n}" for n in range(wanted)), priority=6))
    found = preempt(new, [Candidate("n1", ())], full.snapshot)
    going = set(found[0].victims) if found else set()
    assert all(each["spec"]["priority"] < 6 for each in pods if each["metadata"]["uid"] in going)
    if not going:
        lower = [each for each in pods if each["spec"]["priority"] < 6]
        assert fits(full, new) or not fits_without(limit, objects, shared, pods, lower)
        return
    evicted = [each for each in pods if each["metadata"]["uid"] in going]
    assert fits_without(limit, objects, shared, pods, evicted)
    for spared in evicted:
        assert not fits_without(limit, objects, shared, pods, [each for each in evicted if each is not spared])


def fits(full: Cluster, new) -> bool:
    return bool(evaluate(new, full.snapshot, full.snapshot.nodes.all).feasible)


def fits_without(limit, objects, shared, pods, gone) -> bool:
    left = cluster(*objects, *shared, *(each for each in pods if each not in gone), limit=limit)
    claims = [each["metadata"]["name"] for each in objects if each["kind"] == "PersistentVolumeClaim"]
    return fits(left, left.put(pod("new", *claims, priority=6)))


def test_both_forms_of_the_request_are_read_and_answered_by_uid():
    names = {"Pod": {}, "NodeNameToMetaVictims": {"n1": {"Pods": [{"UID": "u"}], "NumPDBViolations": 1}}}
    whole = {"Pod": {}, "NodeNameToVictims": {"n1": {"Pods": [pod("p")], "NumPDBViolations": 1}, "n2": None}}
    read = [preemption_candidates(msgspec.convert(each, ExtenderPreemptionArgs)) for each in (names, whole)]
    assert read == [[Candidate("n1", ("u",), 1)], [Candidate("n1", ("uid-p",), 1), Candidate("n2", ())]]
    assert preemption_result(read[0]) == {"NodeNameToMetaVictims": names["NodeNameToMetaVictims"]}
    with pytest.raises(WireError, match="both null"):
        preemption_candidates(msgspec.convert({"Pod": {}}, ExtenderPreemptionArgs))


def test_a_pod_that_can_not_be_counted_is_asked_about_only_where_slots_decide():
    foreign = pod("odd", node="n1", volumes=[{"name": "x", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}])
    mine = claim("c", volume="v")
    mine["spec"]["accessModes"] = ["ReadWriteOncePod"]
    objects = [volume("v"), mine, pod("holder", "c", node="n1"), claim("odd-x"), foreign]
    assert chosen(cluster(*objects, limit=None), pod("new", "c", priority=10)) == ["uid-holder"]
    assert chosen(cluster(*objects, limit=1), pod("plain", priority=10), "uid-holder") == ["uid-holder"]


def test_a_pod_that_is_only_being_bound_is_no_victim():
    """The scheduler counts it as unplaced once it was told to come back, and takes its uid there for an error."""
    caches = World().caches
    reservations = Reservations(caches.pods, caches.claims, caches.volumes)
    snapshot = snapshot_over(caches, reservations, Rules(), lambda: 0.0)
    objects = [node("n1"), csi_node("n1", **{DRIVER: 1}), storage_class("fast"), *holding(1)[:2]]
    for obj in (*objects, volume("v"), claim("c", volume="v")):
        _show(caches, obj)
    waiting = _show(caches, pod("p1", "c1", priority=1))
    wanting = _show(caches, pod("new", "c", priority=10))
    with reservations.hold(waiting, NOTHING, "n1", snapshot.slots, {}):
        assert preempt(wanting, [Candidate("n1", ())], snapshot) == []
        assert preempt(wanting, [Candidate("n1", ("uid-p1",))], snapshot) == [Candidate("n1", ("uid-p1",))]


def _show(caches: Caches, obj: JSON) -> Any:
    kind, resource = next((kind, each) for kind, each in RESOURCES.items() if each.kind == obj["kind"])
    view = msgspec.convert(obj, resource.view, strict=False)
    getattr(caches, kind).show(view)
    return view
