"""Requests as Go writes them, whose names are cut out unread, and in every other form of JSON: all are read alike."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from extender.wire import Candidates, WireError, filter_result, priorities, read
from model.meta import JSON
from tests.extender.objects import node, pod

NAMES = [f"node-{number}.example.com" for number in range(100)]


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def request(sent: JSON, names: Any) -> JSON:
    return {"Pod": sent, "Nodes": None, "NodeNames": names}


def asked(body: bytes, *, needs_names: bool = True) -> Candidates:
    return read(body, lambda _: needs_names)[1]


@pytest.mark.parametrize("names", [[], ["a"], [""], NAMES, ["UPPER", "n"], ['quo"ted', "back\\slash"], [",", "é"]])
@pytest.mark.parametrize("needs_names", [True, False])
def test_names_are_read_in_every_form(names: Sequence[str], needs_names: bool):
    body = request(pod("p", "c"), names)
    for encoded in (compact(body), json.dumps(body).encode(), compact({**body, "Later": {"x": ["y"]}})):
        found = asked(encoded, needs_names=needs_names)
        assert found.count == len(names)
        assert found.names == names or (not needs_names and not found.names)
        assert json.loads(filter_result(found))["NodeNames"] == names


@pytest.mark.parametrize(
    "inside",
    [{"annotations": {"x": '"Nodes":null,"NodeNames":["a"]'}}, {"more": {"Nodes": None, "NodeNames": ["a"]}}],
    ids=["in a string", "in an object"],
)
def test_a_pod_that_looks_like_the_cut(inside: JSON):
    sent = pod("p")
    sent["metadata"] |= inside
    assert asked(compact(request(sent, ["n1", "n2"]))).names == ["n1", "n2"]


@pytest.mark.parametrize("needs_names", [True, False])
@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([1], r"\$\.NodeNames\[0\]"),
        (["a", 1, ","], r"\$\.NodeNames\[1\]"),
        (["a", None], r"\$\.NodeNames\[1\]"),
        ([["a"]], r"\$\.NodeNames\[0\]"),
        ("a", r"\$\.NodeNames"),
        ({"a": "b"}, r"\$\.NodeNames"),
        (None, "both null"),
    ],
)
def test_what_is_no_list_of_names_is_refused_by_name(names: Any, said: str, needs_names: bool):
    for encoded in (compact(request(pod("p"), names)), json.dumps(request(pod("p"), names)).encode()):
        with pytest.raises(WireError, match=said):
            asked(encoded, needs_names=needs_names)


@pytest.mark.parametrize("tail", [b"", b'["a"]', b'["a"]}}', b'["a",]}', b'["a}', b'["a"]}{}', b'["a\xff"]}'])
@pytest.mark.parametrize("needs_names", [True, False])
def test_what_is_cut_short_or_goes_on_is_no_json(tail: bytes, needs_names: bool):
    head = compact(request(pod("p"), []))[: -len(b"[]}")]
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        asked(head + tail, needs_names=needs_names)


def test_whole_nodes_are_named_wherever_their_name_is():
    first, last = node("first"), node("last")
    last["metadata"] = {"labels": {"name": "label"}, **dict(reversed(last["metadata"].items()))}
    long = node("n" * 300)
    whole = [{key: each[key] for key in ("metadata", "spec")} for each in (first, last, long)]
    body = {"Pod": pod("p"), "Nodes": {"metadata": {}, "items": whole}, "NodeNames": None}
    for encoded in (compact(body), json.dumps(body).encode()):
        found = asked(encoded)
        assert list(found.names) == ["first", "last", "n" * 300]
        assert json.loads(filter_result(found))["Nodes"]["items"] == whole


def test_hosts_are_listed_with_their_scores():
    scores = {0: ["a.b", "c"], 7: ['quo"ted', "é"], 10: [], 3: ["d"]}
    said = json.loads(priorities(scores))
    assert said == [{"Host": host, "Score": score} for score, hosts in scores.items() for host in hosts]
    assert json.loads(priorities({})) == []
