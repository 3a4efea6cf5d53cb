"""How far storage that is made for a node reaches."""

import pytest

from model.selectors import NodeSelector, NodeSelectorTerm, Requirement
from plugins.errors import Exhausted
from plugins.placement import affinity_of
from tests.plugins.objects import allowed, request

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
LABELS = {HOST: "host-1", ZONE: "a", "rack": "r1"}


def one(**values: str) -> NodeSelector:
    keys = {"zone": ZONE, "host": HOST}
    terms = tuple(Requirement(keys.get(key, key), "In", (value,)) for key, value in values.items())
    return NodeSelector((NodeSelectorTerm(match_expressions=terms),))


def test_without_node_and_topologies_it_is_reached_from_everywhere() -> None:
    assert affinity_of(request()) is None


def test_a_directory_follows_the_host_name_of_its_node() -> None:
    assert affinity_of(request(node="n1", node_labels=LABELS)) == one(host="host-1")


def test_a_node_whose_labels_are_not_known_is_taken_to_be_its_own_host() -> None:
    assert affinity_of(request(node="n1")) == one(host="n1")


def test_a_node_without_a_host_name_gets_no_volume_that_nobody_could_reach() -> None:
    with pytest.raises(Exhausted, match="has no label"):
        affinity_of(request(node="n1", node_labels={ZONE: "a"}))


def test_a_class_with_zones_makes_volumes_of_the_nodes_zone() -> None:
    terms = (allowed(zone=("b",)), allowed(zone=("c", "a")))
    assert affinity_of(request(node="n1", node_labels=LABELS, allowed_topologies=terms)) == one(zone="a")


def test_all_keys_of_the_term_that_holds_are_named_in_order() -> None:
    terms = (allowed(zone=("a",), rack=("r1", "r2")),)
    assert affinity_of(request(node="n1", node_labels=LABELS, allowed_topologies=terms)) == one(rack="r1", zone="a")


def test_a_node_outside_the_classs_topologies_is_one_that_another_may_replace() -> None:
    with pytest.raises(Exhausted, match="in no topology"):
        affinity_of(request(node="n1", node_labels=LABELS, allowed_topologies=(allowed(zone=("b",)),)))


def test_without_a_node_it_is_reached_where_the_class_allows() -> None:
    affinity = affinity_of(request(allowed_topologies=(allowed(zone=("a", "b")), allowed(host=("h",)))))
    assert affinity is not None
    assert affinity.matches_labels({ZONE: "b"})
    assert affinity.matches_labels({HOST: "h"})
    assert not affinity.matches_labels({ZONE: "c", HOST: "g"})
