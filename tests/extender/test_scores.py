"""Scores: what the chosen volumes leave free, in bytes and in slots."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.filters import evaluate
from extender.masks import Ranks
from extender.scores import SCORES, headroom, prioritize
from extender.scores.capacity_fit import at
from extender.slots import pod_slots
from extender.snapshot import MOST_ROOM_LEFT, Shape
from extender.verdict import EvaluationError
from model import names
from model.meta import JSON
from model.workloads import Pod
from tests.extender.clusters import Draw
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.tables import Cluster

DRIVER = "csi.example.com"
ZONED = (node("n1", zone="a"), node("n2", zone="b"))
STATIC = storage_class("static", names.NO_PROVISIONER)
REPORTING = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "CSIDriver",
    "metadata": {"name": DRIVER},
    "spec": {"storageCapacity": True},
}


def scores(wanted: JSON, *objects: JSON) -> dict[str, int]:
    return _all(wanted, objects)[0]


def opinions(wanted: JSON, *objects: JSON) -> dict[str, dict[str, int] | None]:
    return _all(wanted, objects)[1]


def _all(wanted: JSON, objects: tuple[JSON, ...]) -> tuple[dict[str, int], dict[str, dict[str, int] | None]]:
    snapshot = Cluster([*ZONED, STATIC, storage_class("fast"), *objects]).snapshot
    view = msgspec.convert(wanted, Pod, strict=False)
    verdicts = evaluate(view, snapshot, snapshot.nodes.all)
    judged = {name: score.judge(view, verdicts, snapshot) for name, score in SCORES.items()}

    def by_name(ranks: Ranks) -> dict[str, int]:
        return {name: rank for rank, nodes in ranks.items() for name in snapshot.nodes.names_of(nodes)}

    return by_name(prioritize(view, verdicts, snapshot)), {
        name: None if each is None else by_name(each) for name, each in judged.items()
    }


def report(zone: str, capacity: str | None = None, largest: str | None = None) -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIStorageCapacity",
        "metadata": {"name": f"in-{zone}", "namespace": "kube-system"},
        "storageClassName": "fast",
        "nodeTopology": {"matchLabels": {names.ZONE: zone}},
        **({"capacity": capacity} if capacity else {}),
        **({"maximumVolumeSize": largest} if largest else {}),
    }


def test_without_anything_to_judge_all_nodes_are_alike():
    assert scores(pod("p")) == {"n1": 0, "n2": 0}
    assert opinions(pod("p")) == {"CapacityFit": None, "AttachHeadroom": None, "AttachedAlready": None}


def test_rejected_nodes_are_not_scored():
    assert scores(pod("p", "c"), claim("c", volume="v"), volume("v", zone="a")).keys() == {"n1"}


def test_the_volume_that_leaves_most_room_wins():
    small, large = volume("small", "static", "2Gi", zone="a"), volume("large", "static", "10Gi", zone="b")
    assert opinions(pod("p", "c"), small, large, claim("c", "static"))["CapacityFit"] == {"n1": 50, "n2": 90}


def test_the_emptiest_pool_wins():
    found = scores(pod("p", "c"), REPORTING, claim("c"), report("a", "2Gi"), report("b", "10Gi"))
    assert found == {"n1": 5, "n2": 9}


def test_claims_of_one_pod_share_a_pool():
    made = [REPORTING, claim("c"), claim("d"), report("a", "2Gi"), report("b", "10Gi")]
    assert opinions(pod("p", "c", "d"), *made)["CapacityFit"] == {"n1": 0, "n2": 80}


def test_volumes_of_one_class_are_added_up():
    volumes = [volume(f"v{n}", "static", "4Gi", zone="a") for n in range(2)]
    made = [*volumes, claim("c", "static", "1Gi"), claim("d", "static", "3Gi")]
    assert opinions(pod("p", "c", "d"), *made)["CapacityFit"] == {"n1": 50}


def test_classes_count_alike():
    other = storage_class("other", names.NO_PROVISIONER)
    made = [
        other,
        volume("v", "static", "4Gi", zone="a"),
        volume("w", "other", "100Gi", zone="a"),
        claim("c", "static", "1Gi"),
        claim("d", "other", "1Gi"),
    ]
    assert opinions(pod("p", "c", "d"), *made)["CapacityFit"] == {"n1": (75 + 99) // 2}


def test_where_a_volume_is_taken_pools_do_not_count():
    made = [REPORTING, report("a", "100Gi"), volume("v", "static", "2Gi"), claim("c", "static"), claim("d")]
    assert opinions(pod("p", "c", "d"), *made)["CapacityFit"] == {"n1": 50}


def test_a_pool_that_states_only_its_largest_volume_is_as_good_as_full():
    made = [REPORTING, claim("c"), report("a", largest="50Gi"), report("b", "2Gi")]
    assert opinions(pod("p", "c"), *made)["CapacityFit"] == {"n1": 0, "n2": 50}


def test_the_node_with_most_slots_left_wins():
    made = [claim("c"), csi_node("n1", **{DRIVER: 2}), csi_node("n2", **{DRIVER: 10})]
    assert opinions(pod("p", "c"), *made)["AttachHeadroom"] == {"n1": 50, "n2": 90}


def test_a_volume_that_is_there_takes_no_slot():
    made = [
        *(csi_node(name, **{DRIVER: 2}) for name in ("n1", "n2")),
        claim("c", volume="v"),
        volume("v"),
        pod("user", "c", node="n1"),
    ]
    assert opinions(pod("p", "c"), *made)["AttachHeadroom"] == {"n1": 50, "n2": 50}


def test_the_driver_with_the_least_left_decides_and_unlimited_nodes_are_best():
    made = [
        storage_class("slow", "other.example.com"),
        claim("c"),
        claim("d", "slow"),
        csi_node("n1", **{DRIVER: 10, "other.example.com": 4}),
    ]
    assert opinions(pod("p", "c", "d"), *made)["AttachHeadroom"] == {"n1": 75, "n2": 100}


def test_opinions_are_weighed_and_rounded_half_up():
    made = [
        REPORTING,
        claim("c"),
        report("a", "4Gi"),
        report("b", "4Gi"),
        csi_node("n1", **{DRIVER: 1}),
        csi_node("n2", **{DRIVER: 4}),
    ]
    assert scores(pod("p", "c"), *made) == {"n1": 4, "n2": 8}, "37.5 and 75 percent"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (MOST_ROOM_LEFT, {0: 100, 1: 99, 50: 50, 99: 1, 100: 0}),
        (((0, 0), (100, 100)), {0: 0, 33: 33, 100: 100}),
        (((20, 100), (30, 0), (40, 50)), {0: 100, 20: 100, 25: 50, 30: 0, 35: 25, 40: 50, 100: 50}),
        (((50, 70),), {0: 70, 50: 70, 100: 70}),
    ],
)
def test_shapes_are_lines_between_points_and_flat_outside(shape: Shape, expected: dict[int, int]):
    assert {utilization: at(shape, utilization) for utilization in expected} == expected


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=5, unique=True).map(sorted),
    st.lists(st.integers(0, 100), min_size=5, max_size=5),
    st.integers(0, 100),
)
def test_a_score_lies_between_those_of_its_neighbours(utilizations: list[int], heights: list[int], utilization: int):
    shape = tuple(zip(utilizations, heights, strict=False))
    found = at(shape, utilization)
    assert all(at(shape, point) == height for point, height in shape)
    for (left, low), (right, high) in pairwise(shape):
        if left <= utilization <= right:
            assert min(low, high) <= found <= max(low, high)


def attachment(name: str, node: str, volume: str) -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": name},
        "spec": {"attacher": DRIVER, "nodeName": node, "source": {"persistentVolumeName": volume}},
    }


def test_a_node_with_the_volumes_attached_is_preferred():
    bound = [each for name in "vw" for each in (volume(name), claim(f"c{name}", volume=name))]
    attached = [attachment("a", "n1", "v"), attachment("b", "n2", "v"), attachment("c", "n2", "w")]
    wanted = pod("p", "cv", "cw")
    assert opinions(wanted, *bound, *attached)["AttachedAlready"] == {"n1": 50, "n2": 100}
    assert opinions(wanted, *bound, attachment("a", "gone", "v"))["AttachedAlready"] is None


def test_a_disk_that_only_nodes_with_a_csi_node_could_not_name_is_no_fault_without_one():
    disk = {"name": "d", "azureDisk": {"diskName": "d", "diskURI": "/d", "kind": "Shared"}}
    assert scores(pod("p", volumes=[disk])) == {"n1": 0, "n2": 0}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**40))
def test_headroom_by_masks_is_what_each_node_has(seed: int):
    draw = Draw(seed)
    sent = draw.pod("p")
    snapshot = Cluster(draw.cluster(sent)).snapshot
    wanted = msgspec.convert(sent, Pod, strict=False)
    try:
        verdicts = evaluate(wanted, snapshot, snapshot.nodes.all)
    except EvaluationError:
        return
    ranks = headroom.judge(wanted, verdicts, snapshot)
    if ranks is None:
        return
    assert sum(nodes.bit_count() for nodes in ranks.values()) == verdicts.feasible.bit_count()
    new = pod_slots(wanted, snapshot.stores, migrated=True)
    for rank, nodes in ranks.items():
        for name in snapshot.nodes.names_of(nodes):
            held = snapshot.slots.on(name)
            more = [driver for key, driver in new.items() if key not in held.present]
            limits = {driver: held.limits[driver] for driver in new.values() if driver in held.limits}
            left = [100 * max(held.free(each) - more.count(each), 0) // max(limits[each], 1) for each in limits]
            assert rank == min(left, default=100)
