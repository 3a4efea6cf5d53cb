"""Where the external provisioner asks for volumes: every row of its table."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.volumes import TopologyRequirement, TopologyTerm
from plugins.csi import csi_pb2 as pb
from plugins.csi import topology
from plugins.csi.topology import Spot
from plugins.errors import Failed

ZONE, RACK = "topology.a.csi/zone", "topology.a.csi/rack"
A, B, C = ({ZONE: zone} for zone in "abc")


def places(wanted: pb.TopologyRequirement) -> tuple[Any, Any]:
    requisite, preferred = ([dict(each.segments) for each in terms] for terms in (wanted.requisite, wanted.preferred))
    return requisite, preferred


def on(labels: dict[str, str], *keys: str) -> Spot:
    return Spot("n", keys, labels)


def cluster(*terms: dict[str, str]) -> topology.Elsewhere:
    def having(keys: Sequence[str]) -> list[dict[str, str]]:
        assert list(keys) == sorted(keys)
        found = {tuple(sorted(term.items())) for term in terms if term.keys() == set(keys)}
        return [dict(term) for term in sorted(found)]

    return having


def term(**values: Sequence[str]) -> TopologyTerm:
    """A term of allowedTopologies, by the last part of the key."""
    keys = {"zone": ZONE, "rack": RACK, "region": "topology.kubernetes.io/region"}
    return TopologyTerm(tuple(TopologyRequirement(keys[key], tuple(each)) for key, each in values.items()))


# --- a node was selected ---


@pytest.mark.parametrize(
    ("allowed_terms", "strict", "requisite", "preferred"),
    [
        pytest.param([], False, [A, B, C], [B, C, A], id="all of the cluster, the node's first"),
        pytest.param([term(zone="cab")], False, [A, B, C], [B, C, A], id="all that the class allows"),
        pytest.param([term(zone="b")], False, [B], [B], id="the only one that it allows"),
        pytest.param([term(zone="c"), term(zone="cb")], False, [B, C], [B, C], id="terms that overlap"),
        pytest.param([], True, [B], [B], id="the node's alone"),
        pytest.param([term(zone="cab")], True, [B], [B], id="the node's alone, which the class allows"),
    ],
)
def test_for_a_node(allowed_terms: Any, *, strict: bool, requisite: Any, preferred: Any) -> None:
    wanted = topology.for_node(on(B, ZONE), allowed_terms, cluster(C, A, B, A), strict=strict)
    assert places(wanted) == (requisite, preferred)


@pytest.mark.parametrize(
    ("spot", "allowed_terms", "strict", "why"),
    [
        pytest.param(on(B), [], False, "without topology", id="no keys there"),
        pytest.param(on({}, ZONE), [], False, "lacks labels", id="no labels there"),
        pytest.param(on(B, ZONE, RACK), [], True, "lacks labels", id="one label is missing"),
        pytest.param(on(B, ZONE), [term(zone="ac")], False, "no topology that volumes", id="not allowed"),
        pytest.param(on(B, ZONE), [term(zone="ac")], True, "no topology that the class", id="not allowed, strictly"),
        pytest.param(on(B, ZONE), [term(region="x")], False, "no topology that volumes", id="not the driver's keys"),
    ],
)
def test_for_a_node_where_none_can_be(spot: Spot, allowed_terms: Any, *, strict: bool, why: str) -> None:
    with pytest.raises(Failed, match=why):
        topology.for_node(spot, allowed_terms, cluster(A, B), strict=strict)


def test_terms_of_several_keys_are_multiplied_and_sorted() -> None:
    here = {ZONE: "b", RACK: "1"}
    wanted = topology.for_node(on(here, ZONE, RACK), [term(zone="ba", rack="21")], cluster(), strict=False)
    requisite, preferred = places(wanted)
    assert requisite == [{ZONE: zone, RACK: rack} for rack in "12" for zone in "ab"]
    assert preferred == [*requisite[1:], requisite[0]]


def test_a_term_of_fewer_keys_than_the_nodes_holds_the_node() -> None:
    here = {ZONE: "b", RACK: "1"}
    wanted = topology.for_node(on(here, ZONE, RACK), [term(zone="ab")], cluster(), strict=False)
    assert places(wanted) == ([A, B], [B, A])


def test_nodes_of_other_keys_are_not_asked_for() -> None:
    here = {ZONE: "b", RACK: "1"}
    wanted = topology.for_node(on(here, ZONE, RACK), [], cluster(A, here, C), strict=False)
    assert places(wanted) == ([here], [here])


# --- no node was selected ---


@pytest.mark.parametrize(
    ("claim", "first"),
    [("data", 0), ("data-web-0", 0), ("data-web-1", 1), ("data-web-2", 2), ("logs-web-0", 0), ("web-0", 0)],
)
def test_for_no_node_places_take_turns(claim: str, first: int) -> None:
    """`web` and `data` hash to multiples of three."""
    around = [A, B, C]
    for terms, everywhere in (([], [A, B, C]), ([term(zone="cba")], [])):
        wanted = topology.for_any(claim, terms, lambda everywhere=everywhere: everywhere)
        assert places(wanted) == (around, [*around[first:], *around[:first]])


def test_for_no_node_without_a_place() -> None:
    with pytest.raises(Failed, match="no node has the driver"):
        topology.for_any("c", [], list)


@pytest.mark.parametrize(
    ("text", "hashed"), [("", 0x811C9DC5), ("a", 0x050C5D7E), ("b", 0x050C5D7D), ("foobar", 0x31F0B262)]
)
def test_names_are_hashed_by_fnv_1(text: str, hashed: int) -> None:
    """The test vectors that FNV is published with."""
    assert topology._fnv1(text) == hashed


@pytest.mark.parametrize(
    ("claim", "base", "ordinal"),
    [
        ("plain", "plain", 0),
        ("with-dashes", "with-dashes", 0),
        ("data-web-12", "web", 12),
        ("data-my-web-3", "web", 3),
        ("web-3", "web", 3),
        ("web-4294967295", "web", 4294967295),
        ("web-4294967296", "web-4294967296", 0),
        ("web-3x", "web-3x", 0),
        ("web--3", "", 3),
    ],
)
def test_ordinals_are_read_off_names(claim: str, base: str, ordinal: int) -> None:
    assert topology.turn(claim, 1 << 20) == (topology._fnv1(base) + ordinal) % (1 << 32) % (1 << 20)


@given(st.text("abc-019", min_size=1, max_size=20), st.integers(1, 50))
def test_a_turn_is_one_of_the_places(claim: str, count: int) -> None:
    assert 0 <= topology.turn(claim, count) < count


@given(
    nodes=st.sets(st.sampled_from("abcdefgh"), min_size=1),
    terms=st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1), max_size=3),
    here=st.sampled_from("abcdefgh"),
    strict=st.booleans(),
)
def test_what_is_preferred_is_what_is_demanded_in_another_order(
    nodes: set[str], terms: list[set[str]], here: str, *, strict: bool
) -> None:
    """And the node's own place is first."""
    everywhere = [{ZONE: zone} for zone in sorted({*nodes, here})]
    try:
        wanted = topology.for_node(
            on({ZONE: here}, ZONE), [term(zone=sorted(each)) for each in terms], lambda _: everywhere, strict=strict
        )
    except Failed:
        assert terms
        assert not any(here in each for each in terms)
        return
    requisite, preferred = places(wanted)
    assert preferred[0] == {ZONE: here}
    assert sorted(map(str, requisite)) == sorted(map(str, preferred))
    assert len(requisite) == 1 or not strict
