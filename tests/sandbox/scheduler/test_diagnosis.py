"""The message of a pod without a node, and the choice among several."""

from sandbox.scheduler.checks import Objection
from sandbox.scheduler.diagnosis import Diagnosis, Scores, choose, cut


def test_reasons_are_counted_and_sorted_as_text():
    limit, taint, none = Objection(("node(s) exceed max volume count",), True), Objection(("tainted",)), Objection(())
    objections = {"a": limit, "b": limit, "c": taint, "d": Objection(("Insufficient cpu", "Too many pods"), True)}
    assert Diagnosis(6, {**objections, "e": none}).message == (
        "0/6 nodes are available: 1 Insufficient cpu, 1 Too many pods, 1 tainted, 2 node(s) exceed max volume count."
    )


def test_counts_sort_as_text_too():
    objections = {f"n{number}": Objection(("b" if number < 10 else "a",)) for number in range(12)}
    assert Diagnosis(12, objections).message == "0/12 nodes are available: 10 b, 2 a."


def test_what_preemption_says_comes_last():
    assert Diagnosis(1, {"a": Objection(("x",))}, "preemption: y.").message == (
        "0/1 nodes are available: 1 x. preemption: y."
    )


def test_nodes_without_reasons_are_only_counted():
    assert Diagnosis(2).message == "0/2 nodes are available:"


def test_a_cluster_without_nodes_is_said_so():
    assert Diagnosis(0).message == "no nodes available to schedule pods"


def test_long_messages_are_cut_for_events():
    assert len(cut("x" * 5000)) == 1024
    assert cut("x" * 5000).endswith("x ...")
    assert cut("x" * 1024) == "x" * 1024


def test_scores_are_weighted_and_summed():
    scores = [Scores(2, {"a": 1, "b": 3, "unknown": 100}), Scores(1, {"a": 5})]
    assert choose(["b", "a"], scores, {}) == "a"


def test_equals_go_to_the_least_loaded_and_then_by_name():
    assert choose(["c", "b", "a"], [], {"a": 2, "b": 1, "c": 1}) == "b"
    assert choose(["b", "a"], [Scores(1, {"b": -1})], {"a": 5, "b": 0}) == "a"
