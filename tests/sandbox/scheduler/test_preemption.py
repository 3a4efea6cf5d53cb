"""Whom to evict for a pod of higher priority, and where."""

from sandbox.scheduler import preemption
from sandbox.scheduler.checks import Objection, objection
from sandbox.scheduler.cluster import Cluster
from sandbox.scheduler.diagnosis import Diagnosis
from sandbox.scheduler.resources import requests_of
from sandbox.scheduler.views import read_node, read_pod

ROOM = {"cpu": "4", "pods": "10"}


def pod(name, priority, cpu=1, node="", started="2026-01-01T00:00:00Z", **spec):
    containers = [{"name": "c", "resources": {"requests": {"cpu": str(cpu)}}}]
    spec = {"priority": priority, "containers": containers, "nodeName": node, **spec}
    return read_pod({"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"startTime": started}})


def cluster(*pods, nodes=("a", "b")):
    made = Cluster()
    for name in nodes:
        made.put_node(read_node({"metadata": {"name": name}, "status": {"allocatable": ROOM}}))
    for each in pods:
        made.put_pod(each)
    return made


def propose(wanted, where, refused=()):
    def check(node, used):
        return objection(wanted, requests_of(wanted), node, used, frozenset())

    own = {name: check(node, where.usage(name, wanted)) for name, node in where.nodes.items()}
    objections = {name: each for name, each in own.items() if each} | dict(refused)
    return preemption.propose(wanted, where, Diagnosis(len(where.nodes), objections), check)


def names(victims):
    return {node: [each.name for each in pods] for node, pods in victims.items()}


def test_the_lowest_go_and_no_more_than_needed():
    full = cluster(pod("x", 1, 1, "a"), pod("y", 3, 2, "a"), pod("z", 2, 1, "a"), pod("top", 100, 4, "b"))
    found = propose(pod("new", 10, 2), full)
    assert names(found.victims) == {"a": ["z", "x"]}


def test_a_node_is_no_candidate_without_lower_pods_or_where_they_do_not_suffice():
    full = cluster(pod("x", 10, 4, "a"), pod("y", 1, 1, "b"), pod("z", 10, 3, "b"))
    found = propose(pod("new", 10, 2), full)
    assert found.victims == {}
    assert found.message == (
        "preemption: 0/2 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod."
    )


def test_what_eviction_can_not_cure_is_not_tried():
    full = cluster(pod("x", 1, 4, "a"), pod("y", 1, 4, "b"))
    found = propose(pod("new", 10, 5), full)
    assert found.message == "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."


def test_a_node_that_only_an_extender_refuses_is_proposed_with_nobody():
    where = cluster(pod("x", 1, 1, "a"))
    refused = {"a": Objection(("full of volumes",), resolvable=True), "b": Objection(("never",))}
    assert names(propose(pod("new", 10), where, refused).victims) == {"a": []}


def test_the_best_node_loses_the_least():
    low, high, old = pod("low", 1), pod("high", 5), pod("old", 1, started="2025-01-01T00:00:00Z")
    assert preemption.best({"a": (high,), "b": (low, low, low)}) == "b"
    assert preemption.best({"a": (low, low), "b": (low,)}) == "b"
    assert preemption.best({"a": (old,), "b": (low,)}) == "b"
    assert preemption.best({"b": (low,), "a": (low,)}) == "a"
    assert preemption.best({"a": ()}) is None


def test_who_may_not_evict_is_told():
    assert preemption.ineligible(pod("new", 1, preemptionPolicy="Never"), cluster()) == preemption.NOT_ELIGIBLE
    assert preemption.ineligible(pod("new", 1), cluster()) == ""


def test_room_that_is_being_made_is_waited_for():
    raw = {"metadata": {"name": "new", "uid": "new"}, "spec": {"priority": 9}, "status": {"nominatedNodeName": "a"}}
    going = read_pod(
        {
            "metadata": {"name": "x", "uid": "x", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "a", "priority": 1},
        }
    )
    assert preemption.ineligible(read_pod(raw), cluster(going)) == preemption.UNDER_WAY


def test_nominated_pods_count_for_those_not_above_them():
    nominated = {"metadata": {"name": "n", "uid": "n"}, "status": {"nominatedNodeName": "a"}}
    nominated["spec"] = {"priority": 5, "containers": [{"name": "c", "resources": {"requests": {"cpu": "3"}}}]}
    where = cluster()
    where.put_pod(read_pod(nominated))
    assert where.usage("a", pod("low", 4)).pods == 1
    assert where.usage("a", pod("high", 6)).pods == 0
