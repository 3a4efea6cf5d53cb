"""Which objects there are to be, and what they say."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.csi.capacity.decide import Known, Pair, Room, body, change, is_ours, pair_of, pairs, touched
from model import names
from model.csi import CSIStorageCapacity
from model.meta import JSON
from model.volumes import StorageClass
from tests.controllers.given import volume

DRIVER = "a.csi"
LATE, NOW = "WaitForFirstConsumer", "Immediate"
A, B = (("zone", "a"),), (("zone", "b"),)
LABELS = {names.CAPACITY_DRIVER: DRIVER, names.CAPACITY_MANAGER: "external-provisioner"}
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "u", "controller": True}


def of(name: str, provisioner: str = DRIVER, mode: str = LATE) -> StorageClass:
    parts = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}
    return msgspec.convert(parts, StorageClass)


def found(metadata: JSON | None = None, **parts: Any) -> CSIStorageCapacity:
    whole = {"metadata": {"namespace": "ns", "labels": LABELS, **(metadata or {})}, "storageClassName": "late", **parts}
    return msgspec.convert(whole, CSIStorageCapacity)


@pytest.mark.parametrize(
    ("immediate", "expected"),
    [(False, {("late", A), ("late", B)}), (True, {(c, s) for c in ("late", "now") for s in (A, B)})],
)
def test_there_is_one_for_each_class_and_place(*, immediate: bool, expected: set[Any]) -> None:
    classes = [of("late"), of("now", mode=NOW), of("other", "b.csi")]
    made = pairs(classes, [A, B], DRIVER, immediate=immediate)
    assert {(each.storage_class, each.segment) for each in made} == expected


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"matchLabels": {"zone": "a"}}, A),
        ({"matchLabels": {"zone": "a", "rack": "1"}}, (("rack", "1"), ("zone", "a"))),
        ({}, ()),
        (None, None),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, None),
    ],
)
def test_what_an_object_is_about(place: JSON | None, expected: Any) -> None:
    pair = pair_of(found(nodeTopology=place))
    assert pair == (None if expected is None else Pair("late", expected))


@pytest.mark.parametrize(
    ("metadata", "ours"),
    [
        ({}, True),
        ({"namespace": "other"}, False),
        ({"labels": None}, False),
        ({"labels": LABELS | {names.CAPACITY_DRIVER: "b.csi"}}, False),
        ({"labels": LABELS | {names.CAPACITY_MANAGER: "external-provisioner-node-1"}}, False),
    ],
)
def test_whose_an_object_is(metadata: JSON, *, ours: bool) -> None:
    assert is_ours(found(metadata), DRIVER, "ns") is ours


def test_what_a_new_object_says() -> None:
    said = body(Pair("late", A), Room(1 << 30, 1 << 20), DRIVER, [OWNER])
    assert said == {
        "metadata": {"generateName": "csisc-", "labels": LABELS, "ownerReferences": [OWNER]},
        "storageClassName": "late",
        "nodeTopology": {"matchLabels": {"zone": "a"}},
        "capacity": "1Gi",
        "maximumVolumeSize": "1Mi",
    }
    bare = body(Pair("late", ()), Room(0), DRIVER, [])
    assert (bare["nodeTopology"], bare["capacity"], "maximumVolumeSize" in bare) == ({}, "0", False)


@pytest.mark.parametrize(
    ("seen", "room", "owners", "expected"),
    [
        ({"capacity": "1Gi"}, Room(1 << 30), [], None),
        ({"capacity": "1024Mi"}, Room(1 << 30), [], None),
        ({"capacity": "1Gi"}, Room(1 << 20), [], {"capacity": "1Mi", "maximumVolumeSize": None}),
        ({"capacity": "1Gi", "maximumVolumeSize": "1Mi"}, Room(1 << 30, 1 << 20), [], None),
        ({"capacity": "1Gi"}, Room(1 << 30, 1 << 20), [], {"capacity": "1Gi", "maximumVolumeSize": "1Mi"}),
        (
            {"capacity": "1Gi", "maximumVolumeSize": "1Mi"},
            Room(1 << 30),
            [],
            {"capacity": "1Gi", "maximumVolumeSize": None},
        ),
        ({}, Room(0), [], {"capacity": "0", "maximumVolumeSize": None}),
        ({"capacity": "1Gi"}, Room(1 << 30), [OWNER], {"metadata": {"ownerReferences": [OWNER]}}),
        ({"capacity": "1Gi", "metadata": {"ownerReferences": [OWNER]}}, Room(1 << 30), [OWNER], None),
        ({"capacity": "1Gi", "metadata": {"ownerReferences": [OWNER]}}, Room(1 << 30), [], None),
    ],
)
def test_what_is_to_be_changed(seen: JSON, room: Room, owners: list[JSON], expected: JSON | None) -> None:
    assert change(found(**seen), room, owners) == expected


def affinity(*zones: str) -> JSON:
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]} for zone in zones]
    return {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (affinity("a"), {("late", A), ("other", A), ("late", ())}),
        (affinity("a", "b"), {("late", A), ("other", A), ("late", B), ("late", ())}),
        (affinity("c"), {("late", ())}),
        ({"storageClassName": "late"}, {("late", A), ("late", B), ("late", ())}),
        ({"storageClassName": "other"}, {("other", A)}),
        ({}, set()),
    ],
)
def test_whose_room_a_volume_takes(spec: JSON, expected: set[Any]) -> None:
    known = Known([Pair("late", A), Pair("other", A), Pair("late", B), Pair("late", ())])
    assert {(each.storage_class, each.segment) for each in touched(volume(spec=spec), known)} == expected


def test_of_thousands_of_places_few_are_looked_at() -> None:
    """Volumes come and go all the time: a look at all places for each would leave time for nothing else."""
    known = Known(Pair("late", (("host", f"h{number}"), ("zone", "a"))) for number in range(5000))
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": [at]} for key, at in (("host", "h7"), A[0])]}
    on_host = volume(spec={"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}})
    affinity = on_host.spec.node_affinity
    assert affinity is not None
    assert affinity.required is not None
    (near,) = [list(known.near(each)) for each in affinity.required.node_selector_terms or ()]
    assert near == touched(on_host, known) == [Pair("late", (("host", "h7"), ("zone", "a")))]


_LABELS = st.text("abz019-_./", min_size=1, max_size=8)


@given(st.text("abz019-.", min_size=1, max_size=8), st.dictionaries(_LABELS, _LABELS | st.just(""), max_size=3))
def test_keys_are_read_as_they_are_written(storage_class: str, segment: dict[str, str]) -> None:
    pair = Pair(storage_class, tuple(sorted(segment.items())))
    assert Pair.read(str(pair)) == pair
