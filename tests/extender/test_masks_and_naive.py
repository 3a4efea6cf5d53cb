"""The masks say what one says who looks at every node, one by one, with the reference in hand."""

import copy

import msgspec
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from extender.filters import evaluate
from extender.snapshot import Snapshot
from extender.verdict import EvaluationError
from model.meta import JSON
from model.workloads import Pod
from tests.extender import naive
from tests.extender.clusters import NODES, Draw
from tests.extender.tables import Cluster

Outcome = dict[str, naive.Verdict] | str
SEEDS = st.integers(0, 2**40)
# A seed has no structure to shrink along.
MANY = settings(max_examples=600, deadline=None, phases=(Phase.explicit, Phase.generate))


def by_masks(snapshot: Snapshot, pod: JSON, names: list[str]) -> Outcome:
    try:
        verdicts = evaluate(msgspec.convert(pod, Pod), snapshot, snapshot.nodes.mask_of(names))
    except EvaluationError:
        return "E"
    outcome: dict[str, naive.Verdict] = dict.fromkeys(snapshot.nodes.names_of(verdicts.feasible), ("", ()))
    for group in verdicts.groups():
        for name in snapshot.nodes.names_of(group.nodes):
            outcome[name] = ("U" if group.resolvable else "UU", tuple(group.message.split(", ")))
    return outcome


def one_by_one(objects: list[JSON], pod: JSON, names: list[str]) -> Outcome:
    try:
        return naive.evaluate(pod, naive.state(objects), names)
    except naive.FailedError:
        return "E"


def names_in(objects: list[JSON]) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects if obj["kind"] == "Node"]


def note(outcome: Outcome) -> None:
    """Show in the statistics which verdicts were reached."""
    for verdict in ["E"] if isinstance(outcome, str) else sorted({f"{each}" for each in outcome.values()}):
        event(verdict[:70])


@MANY
@given(SEEDS)
def test_both_judge_alike(seed: int):
    draw = Draw(seed)
    pod = draw.pod("new")
    objects = draw.cluster(pod)
    expected = one_by_one(objects, pod, names_in(objects))
    note(expected)
    assert by_masks(Cluster(objects).snapshot, pod, names_in(objects)) == expected


@MANY
@given(SEEDS)
def test_changes_one_by_one_lead_to_the_same_as_starting_anew(seed: int):
    draw = Draw(seed)
    pod = draw.pod("new")
    before, after = draw.cluster(pod), draw.cluster(pod)
    cluster = Cluster(before)
    by_masks(cluster.snapshot, pod, list(NODES))
    kept = {_key(obj) for obj in after}
    steps = [(obj, True) for obj in after] + [(obj, False) for obj in before if _key(obj) not in kept]
    present = {_key(obj): obj for obj in before}
    for number, (obj, stays) in enumerate(draw.shuffled(steps)):
        old = present.get(_key(obj))
        if old and not (stays and _may_become(old, obj)):
            cluster.remove(old)
        if stays:
            cluster.put(copy.deepcopy(obj))
        if number % 5 == 0:
            by_masks(cluster.snapshot, pod, list(NODES))
    assert by_masks(cluster.snapshot, pod, names_in(after)) == one_by_one(after, pod, names_in(after))


def _key(obj: JSON) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _may_become(old: JSON, new: JSON) -> bool:
    """Whether an update may do it: the API lets neither a pod's place and volumes change nor a volume's source."""
    if old["kind"] == "PersistentVolume":
        return all(old["spec"].get(key) == new["spec"].get(key) for key in ("csi", "nfs", *naive.IN_TREE))
    return old["kind"] != "Pod"
