"""The extender protocol from the scheduler's side, message by message."""

import orjson
import pytest

from sandbox.scheduler import wire
from sandbox.scheduler.checks import Objection
from sandbox.scheduler.wire import AnswerError

POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "uid": "u", "managedFields": [{}]}, "spec": {}}
NODES = {name: {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name}} for name in ("a", "b")}


def filtered(answer, *, names_only=True):
    content = answer if isinstance(answer, bytes) else orjson.dumps(answer)
    return wire.filter_answer(content, NODES, names_only=names_only, who="https://x")


def test_names_are_enough_for_an_extender_that_knows_nodes():
    assert orjson.loads(wire.nodes_request(POD, NODES, names_only=True)) == {
        "Pod": {"metadata": {"name": "p", "uid": "u"}, "spec": {}},
        "Nodes": None,
        "NodeNames": ["a", "b"],
    }


def test_others_get_whole_nodes_without_kind_and_version():
    sent = orjson.loads(wire.nodes_request(POD, NODES, names_only=False))
    items = [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]
    assert (sent["Nodes"], sent["NodeNames"]) == ({"metadata": {}, "items": items}, None)


def test_a_filter_answer_says_who_is_left_and_why_others_are_not():
    answer = filtered(
        {
            "NodeNames": ["a"],
            "FailedNodes": {"b": "full", "a": "x", "unknown": "y"},
            "FailedAndUnresolvableNodes": {"a": "never"},
        }
    )
    assert answer.nodes == ("a",)
    assert answer.objections == {"b": Objection(("full",), resolvable=True), "a": Objection(("never",))}


@pytest.mark.parametrize(
    ("answer", "names_only", "left"),
    [
        ({"NodeNames": None, "Nodes": None}, True, ()),
        ({}, True, ()),
        (b"null", True, ()),
        ({"NodeNames": []}, True, ()),
        ({"Nodes": {"items": [{"metadata": {"name": "b"}}]}}, True, ("b",)),
        ({"Nodes": {"items": None}}, False, ()),
        ({"NodeNames": ["a"]}, False, ()),
        ({"nodenames": ["a"], "NEWS": 1}, True, ("a",)),
        (b'{"NodeNames": ["b"]} and more', True, ("b",)),
        ({"NodeNames": ["a"], "Nodes": None, "FailedNodes": None, "Error": ""}, True, ("a",)),
    ],
)
def test_answers_are_read_as_go_reads_them(answer, names_only, left):
    assert filtered(answer, names_only=names_only).nodes == left


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"Error": "caches are cold", "NodeNames": ["a"]}, "^caches are cold$"),
        ({"NodeNames": ["c"]}, 'claims a filtered node "c" which is not found'),
        ({"NodeNames": "a"}, "can not be read"),
        ({"Nodes": {"items": [{}]}}, "a node without a name"),
        (b"", "can not be read"),
        (b"[]", "can not be read"),
        (b"\xff\xfe", "can not be read"),
        (b"[" * 100_000, "can not be read"),
    ],
)
def test_other_answers_fail_the_call(answer, message):
    with pytest.raises(AnswerError, match=message):
        filtered(answer)


def test_scores_are_a_bare_array():
    assert wire.prioritize_answer(b'[{"Host":"a","Score":7},{"host":"b","score":-1}]') == {"a": 7, "b": -1}
    assert wire.prioritize_answer(b"null") == {}
    for wrong in (b"{}", b'[{"Host":"a","Score":"7"}]', b"[1]"):
        with pytest.raises(AnswerError):
            wire.prioritize_answer(wrong)


def test_binding_names_the_pod_and_its_uid():
    sent = orjson.loads(wire.binding_request("ns", "p", "u", "a"))
    assert sent == {"PodName": "p", "PodNamespace": "ns", "PodUID": "u", "Node": "a"}
    wire.binding_answer(b'{"Error":""}')
    with pytest.raises(AnswerError, match="no room"):
        wire.binding_answer(b'{"error":"no room"}')


@pytest.mark.parametrize("names_only", [True, False])
def test_victims_are_sent_by_uid_or_whole(names_only):
    sent = orjson.loads(wire.preemption_request(POD, {"a": [POD], "b": []}, names_only=names_only))
    shown = {"UID": "u"} if names_only else {"metadata": {"name": "p", "uid": "u"}, "spec": {}}
    proposals = {"a": {"Pods": [shown], "NumPDBViolations": 0}, "b": {"Pods": [], "NumPDBViolations": 0}}
    assert sent["NodeNameToMetaVictims"] == (proposals if names_only else None)
    assert sent["NodeNameToVictims"] == (None if names_only else proposals)


def test_victims_are_answered_by_uid():
    answer = {"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "u"}]}, "b": {"pods": [{"uid": "v"}]}, "c": None}}
    assert wire.preemption_answer(orjson.dumps(answer)) == {"a": ["u"], "b": ["v"], "c": []}
    assert wire.preemption_answer(b"{}") == {}
    for wrong in (b"[]", b'{"NodeNameToMetaVictims":{"a":[]}}', b'{"NodeNameToMetaVictims":{"a":{"Pods":["u"]}}}'):
        with pytest.raises(AnswerError):
            wire.preemption_answer(wrong)
