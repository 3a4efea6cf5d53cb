"""What is kept encoded is what would be sorted anew."""

from random import Random

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.answer import Answers, answer
from extender.filters import evaluate
from extender.verdict import EvaluationError
from model.workloads import Pod
from tests.extender.clusters import Draw
from tests.extender.objects import claim, node, pod, storage_class, volume
from tests.extender.tables import Cluster


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**40))
def test_kept_or_sorted_anew_it_is_the_same(seed: int):
    draw, random = Draw(seed), Random(seed)
    pods = [draw.pod(f"p{number}") for number in range(4)]
    snapshot = Cluster(draw.cluster(pods[0])).snapshot
    nodes, answers = snapshot.nodes, Answers(snapshot.nodes)
    for wanting in pods:
        names = random.sample(list(nodes.position), random.choice([len(nodes.position), len(nodes.position) // 2]))
        names += ["unknown"] * random.randint(0, 1)
        try:
            verdicts = evaluate(msgspec.convert(wanting, Pod, strict=False), snapshot, nodes.all)
        except EvaluationError:
            continue
        kept, sorted_anew = answers.of(names, verdicts), answer(names, verdicts, nodes)
        if "unknown" in names and len(names) == len(nodes.position):
            continue  # it may stand where a rejected one was left out: neither is then said to be feasible
        assert orjson.loads(orjson.dumps(vars(kept))) == orjson.loads(orjson.dumps(vars(sorted_anew)))


def test_what_was_kept_ends_when_a_node_comes_or_goes():
    cluster = Cluster(
        [
            node("n1", zone="a"),
            node("n2", zone="b"),
            storage_class("fast"),
            volume("v", zone="a"),
            claim("c", volume="v"),
        ]
    )
    answers, wanting = Answers(cluster.snapshot.nodes), cluster.put(pod("p", "c"))

    def unresolvable(*names: str) -> set[str]:
        verdicts = evaluate(wanting, cluster.snapshot, cluster.snapshot.nodes.all)
        return set(orjson.loads(orjson.dumps(answers.of(names, verdicts).unresolvable)))

    assert unresolvable("n1", "n2") == {"n2"}
    cluster.remove(node("n2", zone="b"))
    cluster.put(node("n3", zone="b"))
    assert unresolvable("n1", "n3") == {"n3"}
