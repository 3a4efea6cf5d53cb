"""What is joined from masks is what sorting name by name would give."""

from random import Random
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.answer import Answers
from extender.filters import evaluate
from extender.masks import bit
from extender.nodes import NodeIndex
from extender.verdict import EvaluationError, Objection, Reason, Verdicts
from extender.wire import Candidates, named
from model.meta import Metadata
from model.workloads import Node, Pod
from tests.extender.clusters import Draw
from tests.extender.tables import Cluster


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**40))
def test_a_random_cluster_is_sorted_as_name_by_name(seed: int):
    draw, random = Draw(seed), Random(seed)
    pod = draw.pod("p")
    snapshot = Cluster(draw.cluster(pod)).snapshot
    names = random.sample(list(snapshot.nodes.position), random.randint(0, len(snapshot.nodes.position)))
    names += ["unknown"] * random.randint(0, 1)
    random.shuffle(names)
    try:
        verdicts = evaluate(msgspec.convert(pod, Pod, strict=False), snapshot, snapshot.nodes.all)
    except EvaluationError:
        return
    _is_as_one_by_one(named(names), verdicts, snapshot.nodes)


@pytest.mark.parametrize("asked", [(), ("n1",), ("n0",), ("n2", "n0", "n1"), ("n1", "x"), ("x",), ("x", "n0", "y")])
@pytest.mark.parametrize("rejected", [0b000, 0b010, 0b111])
def test_some_of_the_nodes_and_unknown_ones(asked: tuple[str, ...], rejected: int):
    nodes = _nodes("n0", "n1", "n2")
    objections = (Objection("no", resolvable=False, nodes=rejected),) if rejected else ()
    _is_as_one_by_one(named(asked), Verdicts(nodes.all, objections), nodes)


def test_names_and_reasons_that_need_escaping():
    nodes = _nodes('a"b', "c")
    objections = (Objection('volume "x"\n is away', resolvable=True, nodes=nodes.all),)
    found = _is_as_one_by_one(named(['a"b', "c", 'un"known']), Verdicts(nodes.all, objections), nodes)
    assert found["FailedNodes"].keys() == {'a"b', "c"}
    nodes.update(Node(metadata=Metadata(name='a"b')), None)
    assert nodes.are_plain


def test_whole_nodes_are_left_as_they_came():
    nodes = _nodes("n0", "n1", "n2")
    whole = [msgspec.Raw(f'{{"metadata": {{"name": "n{number}"}}}}'.encode()) for number in range(3)]
    verdicts = Verdicts(nodes.all, (Objection("no", resolvable=True, nodes=0b010),))
    found = Answers(nodes).of(Candidates(["n0", "n1", "n2"], whole=whole, count=3), verdicts)
    assert b",".join((bytes(whole[0]), bytes(whole[2]))) in found.body
    assert [each["metadata"]["name"] for each in orjson.loads(found.body)["Nodes"]["items"]] == ["n0", "n2"]


def _nodes(*names: str) -> NodeIndex:
    nodes = NodeIndex()
    for name in names:
        nodes.update(None, Node(metadata=Metadata(name=name)))
    return nodes


def _is_as_one_by_one(asked: Candidates, verdicts: Verdicts, nodes: NodeIndex) -> Any:
    found = Answers(nodes).of(asked, verdicts)
    body = orjson.loads(found.body)
    feasible, failed, unresolvable = list[str](), dict[str, str](), dict[str, str]()
    for name in asked.names:
        mine = [
            each for each in verdicts.objections if name in nodes.position and each.nodes & bit(nodes.position[name])
        ]
        if name not in nodes.position:
            unresolvable[name] = Reason.NODE_UNKNOWN
        elif mine:
            resolvable = all(each.resolvable for each in mine)
            (failed if resolvable else unresolvable)[name] = ", ".join(each.reason for each in mine)
        else:
            feasible.append(name)
    assert body["NodeNames"] == feasible
    if len(asked.names) == len(nodes.position) and any(name not in nodes.position for name in asked.names):
        return body  # it may stand where a rejected one was left out: neither is then said to be feasible
    assert body == {
        "Nodes": None,
        "NodeNames": feasible,
        "FailedNodes": failed,
        "FailedAndUnresolvableNodes": unresolvable,
        "Error": "",
    }
    assert (found.feasible, found.failed, found.unresolvable) == (len(feasible), len(failed), len(unresolvable))
    said = [*failed.values(), *unresolvable.values()]
    assert found.rejected == {each: said.count(each) for each in said}
    return body
