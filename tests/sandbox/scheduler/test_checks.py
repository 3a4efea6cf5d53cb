"""The scheduler's own checks, in kube-scheduler's words."""

import pytest

from sandbox.scheduler.checks import AFFINITY, TAINTED, UNSCHEDULABLE, Objection, objection
from sandbox.scheduler.resources import Usage, requests_of
from sandbox.scheduler.views import read_node, read_pod

ROOM = {"cpu": "2", "memory": "1Gi", "pods": "2", "example.com/gpu": "1"}
READY = [{"type": "Ready", "status": "True"}]
NODE = {"metadata": {"name": "n", "labels": {"zone": "a", "size": "5"}}, "status": {"allocatable": ROOM}}


def node(**changes):
    return read_node({**NODE, **changes})


def pod(requests=None, **spec):
    containers = [{"name": "c", "resources": {"requests": requests or {}}}]
    return read_pod({"metadata": {"name": "p"}, "spec": {"containers": containers, **spec}})


def check(pod, node, used=None, ignored=frozenset()):
    return objection(pod, requests_of(pod), node, used or Usage(0, {}), ignored)


def terms(*each):
    selector = {"nodeSelectorTerms": list(each)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}


def labels(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def name(operator, *values):
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "tolerations", "expected"),
    [
        ({}, [], None),
        ({"unschedulable": True}, [], UNSCHEDULABLE),
        ({"unschedulable": True}, [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}], None),
        ({"unschedulable": True}, [{"operator": "Exists"}], None),
        ({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}, [], TAINTED),
        ({"taints": [{"key": "k", "value": "v", "effect": "NoExecute"}]}, [], TAINTED),
        ({"taints": [{"key": "k", "value": "v", "effect": "PreferNoSchedule"}]}, [], None),
        ({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}, [{"key": "k", "value": "v"}], None),
        ({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}, [{"key": "k", "value": "w"}], TAINTED),
        ({"taints": [{"key": "k", "effect": "NoSchedule"}]}, [{"key": "k", "effect": "NoExecute"}], TAINTED),
        ({"taints": [{"key": "k", "effect": "NoSchedule"}]}, [{"key": "k", "operator": "Exists"}], None),
    ],
)
def test_cordoned_and_tainted_nodes_take_who_tolerates_it(spec, tolerations, expected):
    found = check(pod(tolerations=tolerations), node(spec=spec))
    assert found == (Objection((expected,)) if expected else None)


@pytest.mark.parametrize(("status", "fits"), [("True", True), ("False", False), ("Unknown", False)])
def test_a_node_that_is_not_ready_counts_as_tainted(status, fits):
    conditions = [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": status}]
    found = check(pod(), node(status={"allocatable": ROOM, "conditions": conditions}))
    assert found == (None if fits else Objection((TAINTED,)))


def test_a_node_that_is_not_ready_takes_who_tolerates_that():
    conditions = [{"type": "Ready", "status": "False"}]
    tolerations = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"}]
    assert check(pod(tolerations=tolerations), node(status={"allocatable": ROOM, "conditions": conditions})) is None


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ({"nodeSelector": {"zone": "a"}}, True),
        ({"nodeSelector": {"zone": "b"}}, False),
        ({"nodeSelector": {"missing": ""}}, False),
        ({"affinity": terms(labels("zone", "In", "a", "b"))}, True),
        ({"affinity": terms(labels("zone", "NotIn", "a"))}, False),
        ({"affinity": terms(labels("zone", "In", "b"), labels("size", "Gt", "4"))}, True),
        ({"affinity": terms({})}, False),
        ({"affinity": terms(name("In", "n"))}, True),
        ({"affinity": terms(name("In", "other"))}, False),
        ({"affinity": terms({**name("In", "n"), **labels("zone", "In", "b")})}, False),
        ({"affinity": {"podAffinity": {}}}, True),
        ({"nodeSelector": {"zone": "a"}, "affinity": terms(labels("zone", "In", "b"))}, False),
    ],
)
def test_selectors_and_required_affinity_choose_nodes(spec, fits):
    assert check(pod(**spec), node()) == (None if fits else Objection((AFFINITY,)))


@pytest.mark.parametrize(
    ("requests", "used", "reasons", "resolvable"),
    [
        ({"cpu": "2"}, Usage(0, {}), (), True),
        ({"cpu": "1500m"}, Usage(1, {"cpu": 10**9}), ("Insufficient cpu",), True),
        ({"cpu": "3"}, Usage(1, {"cpu": 10**9}), ("Insufficient cpu",), False),
        ({"cpu": "2", "memory": "1G"}, Usage(2, {"cpu": 1}), ("Too many pods", "Insufficient cpu"), True),
        ({}, Usage(1, {"cpu": 9 * 10**9}), (), True),
        ({"example.com/gpu": "2"}, Usage(0, {}), ("Insufficient example.com/gpu",), False),
        ({"example.com/other": "1"}, Usage(0, {}), ("Insufficient example.com/other",), False),
    ],
)
def test_requests_are_held_against_what_is_left(requests, used, reasons, resolvable):
    assert check(pod(requests), node(), used) == (Objection(reasons, resolvable) if reasons else None)


def test_resources_that_an_extender_manages_can_be_left_to_it():
    wants = pod({"example.com/gpu": "2"})
    assert check(wants, node(), ignored=frozenset({"example.com/gpu"})) is None


def test_a_node_without_status_takes_no_pods():
    assert check(pod(), node(status={})) == Objection(("Too many pods",), resolvable=True)
