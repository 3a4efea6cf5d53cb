"""Pools are never overbooked, nothing is held for ever, and the repaired quirks do what their switches say."""

from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.cached import view_of
from extender.filters import evaluate
from extender.ledger import ABANDONED_SECONDS, UNREPORTED_SECONDS
from extender.snapshot import SERVED_RULES, Rules
from extender.takeover import age_seconds
from model import names
from model.meta import JSON
from model.workloads import Pod
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.tables import RESOURCES, Cluster
from tests.extender.world import World

DRIVER = "csi.example.com"
CSI_DRIVER = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "CSIDriver",
    "metadata": {"name": DRIVER},
    "spec": {"storageCapacity": True},
}


def pool(zone: str, gib: int, **more: str) -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIStorageCapacity",
        "metadata": {"name": f"pool-{zone}", "namespace": "d"},
        "storageClassName": "fast",
        "nodeTopology": {"matchLabels": {"topology.kubernetes.io/zone": zone}},
        "capacity": f"{gib}Gi",
        **more,
    }


def pools(*more: JSON, clock=lambda: 0.0, rules: Rules = SERVED_RULES) -> Cluster:
    nodes = [node("a1", zone="a"), node("a2", zone="a"), node("b1", zone="b")]
    return Cluster([*nodes, storage_class("fast"), CSI_DRIVER, *more], rules, clock)


def feasible(cluster: Cluster, wanting: JSON) -> list[str]:
    found = evaluate(cluster.put(wanting), cluster.snapshot, cluster.snapshot.nodes.all)
    return sorted(cluster.snapshot.nodes.names_of(found.feasible))


def asked_for(name: str, gib: int, on: str) -> list[JSON]:
    """A claim whose volume is being made, and the pod that waits for it."""
    return [claim(name, size=f"{gib}Gi", **{names.SELECTED_NODE: on}), pod(f"pod-of-{name}", name)]


def made_for(name: str, gib: int, zone: str) -> JSON:
    """The volume that was made for a claim."""
    reference = {"namespace": "ns", "name": name, "uid": f"uid-{name}"}
    return volume(f"made-for-{name}", size=f"{gib}Gi", zone=zone, claimRef=reference)


def at(version: int, obj: JSON) -> JSON:
    """The object as it was written at a version."""
    obj["metadata"]["resourceVersion"] = str(version)
    return obj


def test_what_is_being_made_is_gone_from_the_pool():
    cluster = pools(pool("a", 10), pool("b", 10), *asked_for("other", 6, "a2"), claim("c", size="5Gi"))
    assert feasible(cluster, pod("p", "c")) == ["b1"]


def test_kube_schedulers_own_rule_takes_each_report_as_it_stands():
    cluster = pools(pool("a", 10), *asked_for("other", 6, "a2"), claim("c", size="5Gi"), rules=Rules())
    assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]


def test_the_claims_of_one_pod_are_added_up():
    cluster = pools(pool("a", 10), pool("b", 5), claim("c", size="5Gi"), claim("d", size="4Gi"))
    assert feasible(cluster, pod("p", "c", "d")) == ["a1", "a2"]


def test_a_claim_that_two_volumes_of_the_pod_name_is_counted_once():
    twice = [{"name": name, "persistentVolumeClaim": {"claimName": "c"}} for name in "xy"]
    other = {"name": "z", "persistentVolumeClaim": {"claimName": "d"}}
    cluster = pools(pool("a", 8), claim("c", size="3Gi"), claim("d", size="5Gi"))
    assert feasible(cluster, pod("p", volumes=[*twice, other])) == ["a1", "a2"]


def test_a_claim_counts_as_made_though_the_watch_never_showed_it_under_way():
    cluster = pools(pool("a", 10), claim("other", size="6Gi"), claim("c", size="5Gi"))
    cluster.put(made_for("other", 6, "a"))
    cluster.put(claim("other", size="6Gi", volume="made-for-other", **{names.SELECTED_NODE: "a2"}))
    assert feasible(cluster, pod("p", "c")) == []


def test_the_pods_own_claim_under_way_is_not_counted_against_it():
    cluster = pools(pool("a", 10), *asked_for("c", 8, "a1"))
    assert feasible(cluster, pod("pod-of-c", "c")) == ["a1"]


@pytest.mark.parametrize("ended", ["its pod has run to its end", "nobody uses it"])
def test_a_claim_that_nobody_waits_for_holds_its_room_for_a_while_as_its_volume_may_be_on_its_way(ended):
    now = [0.0]
    other, user = asked_for("other", 6, "a2")
    user["status"]["phase"] = "Failed"
    more = [] if ended == "nobody uses it" else [user]
    cluster = pools(pool("a", 10), other, *more, claim("c", size="5Gi"), clock=lambda: now[0])
    assert feasible(cluster, pod("p", "c")) == []
    now[0] = ABANDONED_SECONDS
    assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]


def test_a_claim_that_is_wanted_again_holds_its_room_from_then_on():
    now = [0.0]
    other, user = asked_for("other", 6, "a2")
    cluster = pools(pool("a", 10), other, claim("c", size="5Gi"), clock=lambda: now[0])
    assert feasible(cluster, pod("p", "c")) == []
    cluster.put(user)
    now[0] = ABANDONED_SECONDS
    assert feasible(cluster, pod("p", "c")) == []
    cluster.remove(user)
    assert feasible(cluster, pod("p", "c")) == []
    now[0] = 2 * ABANDONED_SECONDS
    assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]


def test_a_claim_that_is_being_deleted_holds_nothing():
    other, user = asked_for("other", 6, "a2")
    other["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster = pools(pool("a", 10), other, user, claim("c", size="5Gi"))
    assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]


class TestWhatWasMade:
    """A volume was made of zone a's 10Gi pool; its report still says 10Gi."""

    @pytest.fixture
    def now(self) -> list[float]:
        return [0.0]

    @pytest.fixture
    def cluster(self, now: list[float]) -> Cluster:
        cluster = pools(pool("a", 10), *asked_for("other", 6, "a2"), claim("c", size="5Gi"), clock=lambda: now[0])
        cluster.put(made_for("other", 6, "a"))
        bound = claim("other", size="6Gi", volume="made-for-other")
        bound["metadata"]["annotations"][names.SELECTED_NODE] = "a2"
        cluster.put(bound)
        return cluster

    def test_it_counts_until_the_pool_is_reported_anew(self, cluster: Cluster):
        assert feasible(cluster, pod("p", "c")) == []
        cluster.put(pool("a", 7))
        assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]
        assert cluster.snapshot.ledger.unreported == 0

    def test_a_report_of_the_same_says_nothing(self, cluster: Cluster):
        cluster.put(pool("a", 10))
        assert feasible(cluster, pod("p", "c")) == []

    def test_it_is_not_held_for_ever(self, cluster: Cluster, now: list[float]):
        now[0] = UNREPORTED_SECONDS
        assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]

    def test_its_volumes_deletion_ends_it_and_its_claims_does_not(self, cluster: Cluster):
        cluster.remove(claim("other", size="6Gi", volume="made-for-other"))
        assert feasible(cluster, pod("p", "c")) == []
        cluster.remove(made_for("other", 6, "a"))
        assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]


class TestReportsAndClaimsOutOfStep:
    """Claims and reports are watched apart: their versions tell which was written first."""

    @pytest.fixture
    def cluster(self) -> Cluster:
        return pools(at(10, pool("a", 10)), *asked_for("other", 6, "a2"), claim("c", size="5Gi"))

    def bind(self, cluster: Cluster) -> None:
        cluster.put(made_for("other", 6, "a"))
        cluster.put(at(20, claim("other", size="6Gi", volume="made-for-other", **{names.SELECTED_NODE: "a2"})))

    def test_a_report_from_before_a_claim_was_bound_does_not_count_it_however_late_it_is_shown(self, cluster: Cluster):
        self.bind(cluster)
        cluster.put(at(19, pool("a", 9)))
        assert feasible(cluster, pod("p", "c")) == []
        cluster.put(at(21, pool("a", 5)))
        assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]

    def test_a_report_from_after_it_counts_it_however_early_it_is_shown(self, cluster: Cluster):
        cluster.put(at(21, pool("a", 5)))
        self.bind(cluster)
        assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]

    def test_a_report_that_is_taken_back_counts_nothing(self, cluster: Cluster):
        self.bind(cluster)
        cluster.remove(at(10, pool("a", 10)))
        cluster.put(at(19, pool("a", 10)))
        assert feasible(cluster, pod("p", "c")) == []


class TestAfterARestart:
    """A process that has just begun to look: claims are bound already, and the report may not count them."""

    NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def started(self, seconds: float, *, reported_at: int, now: list[float]) -> Cluster:
        made = made_for("other", 6, "a")
        made["metadata"]["creationTimestamp"] = (self.NOW - timedelta(seconds=seconds)).isoformat()
        bound = at(20, claim("other", size="6Gi", volume="made-for-other", **{names.SELECTED_NODE: "a2"}))
        cluster = pools(at(reported_at, pool("a", 10)), made, bound, claim("c", size="5Gi"), clock=lambda: now[0])
        cluster.snapshot.ledger.recall(partial(age_seconds, self.NOW))
        return cluster

    def test_what_was_made_shortly_before_counts_for_the_time_that_is_left(self):
        now = [0.0]
        cluster = self.started(UNREPORTED_SECONDS - 50, reported_at=10, now=now)
        assert feasible(cluster, pod("p", "c")) == []
        now[0] = 50
        assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]

    @pytest.mark.parametrize(("age", "reported_at"), [(UNREPORTED_SECONDS, 10), (1, 21)])
    def test_what_is_old_or_reported_does_not(self, age: float, reported_at: int):
        assert feasible(self.started(age, reported_at=reported_at, now=[0.0]), pod("p", "c")) == ["a1", "a2"]

    def test_a_clock_that_is_behind_holds_it_no_longer(self):
        now = [0.0]
        cluster = self.started(-1000, reported_at=10, now=now)
        assert feasible(cluster, pod("p", "c")) == []
        now[0] = UNREPORTED_SECONDS
        assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]

    @pytest.mark.parametrize("time", ["", "yesterday", "2026-01-01T12:00:00"])
    def test_a_volume_without_a_time_is_taken_for_old(self, time: str):
        made = made_for("other", 6, "a")
        made["metadata"]["creationTimestamp"] = time
        bound = claim("other", size="6Gi", volume="made-for-other", **{names.SELECTED_NODE: "a2"})
        cluster = pools(pool("a", 10), made, bound, claim("c", size="5Gi"))
        cluster.snapshot.ledger.recall(partial(age_seconds, self.NOW))
        assert feasible(cluster, pod("p", "c")) == ["a1", "a2"]


def test_a_largest_size_binds_as_it_is_and_the_pool_as_a_whole():
    cluster = pools(pool("a", 10, maximumVolumeSize="4Gi"), *asked_for("other", 7, "a1"), claim("c", size="4Gi"))
    assert feasible(cluster, pod("p", "c")) == []


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_no_pool_is_ever_given_away_twice(seed):
    """Pods placed one by one while volumes get made and reports lag, in any order."""
    random = Random(seed)
    holds = {"a": random.randint(5, 30), "b": random.randint(5, 30)}
    made = dict.fromkeys(holds, 0)
    cluster = pools(*(pool(zone, gib) for zone, gib in holds.items()))
    under_way = list[tuple[str, int, str]]()
    for number in range(25):
        name, gib = f"c{number}", random.randint(1, 9)
        cluster.put(claim(name, size=f"{gib}Gi"))
        if found := feasible(cluster, pod(f"pod-of-{name}", name)):
            chosen = random.choice(found)
            for obj in asked_for(name, gib, chosen):
                cluster.put(obj)
            under_way.append((name, gib, chosen))
            taken = {zone: made[zone] + sum(g for _, g, on in under_way if on[0] == zone) for zone in holds}
            assert all(taken[zone] <= holds[zone] for zone in holds)
        if under_way and random.random() < 0.6:
            name, gib, on = under_way.pop(random.randrange(len(under_way)))
            cluster.put(made_for(name, gib, on[0]))
            cluster.put(claim(name, size=f"{gib}Gi", volume=f"made-for-{name}"))
            made[on[0]] += gib
        if random.random() < 0.4:
            zone = random.choice("ab")
            cluster.put(pool(zone, holds[zone] - made[zone]))


def test_caches_filled_for_one_question_are_judged_by_the_rules_of_the_service():
    caches = World().caches
    snapshot = view_of(caches)
    objects = [node("a1", zone="a"), storage_class("fast"), CSI_DRIVER, pool("a", 10), *asked_for("other", 6, "a1")]
    for obj in (*objects, claim("c", size="5Gi")):
        kind, resource = next((kind, each) for kind, each in RESOURCES.items() if each.kind == obj["kind"])
        getattr(caches, kind).show(msgspec.convert(obj, resource.view, strict=False))
    wanting = msgspec.convert(pod("p", "c"), Pod, strict=False)
    assert evaluate(wanting, snapshot, snapshot.nodes.all).feasible == 0


# --- the switches ---


def test_a_node_without_csi_node_is_not_ready_if_so_switched():
    objects = [node("n1"), node("n2"), csi_node("n1", **{DRIVER: 1}), storage_class("fast"), claim("c")]
    assert feasible(Cluster(objects), pod("p", "c")) == ["n1", "n2"]
    careful = Cluster(objects, Rules(unready_without_csi_node=True))
    assert feasible(careful, pod("p", "c")) == ["n1"]
    assert feasible(careful, pod("q")) == ["n1", "n2"]


def test_a_volume_still_attached_takes_one_slot_if_so_switched():
    attachment = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": "a"},
        "spec": {"attacher": DRIVER, "nodeName": "n1", "source": {"persistentVolumeName": "v"}},
    }
    objects = [
        node("n1"),
        csi_node("n1", **{DRIVER: 1}),
        storage_class("fast"),
        attachment,
        *(each for name in "vw" for each in (volume(name), claim(f"c{name}", volume=name))),
    ]
    assert feasible(Cluster(objects), pod("p", "cv")) == []
    repaired = Cluster(objects, Rules(attached_is_present=True))
    assert feasible(repaired, pod("p", "cv")) == ["n1"]
    assert feasible(repaired, pod("q", "cw")) == []


def test_a_zonal_volume_keeps_off_nodes_without_a_zone_if_so_switched():
    labelled = volume("v")
    labelled["metadata"]["labels"] = {"topology.kubernetes.io/zone": "a"}
    objects = [node("n1", zone="a"), node("bare"), storage_class("fast"), labelled, claim("c", volume="v")]
    assert feasible(Cluster(objects), pod("p", "c")) == ["bare", "n1"]
    assert feasible(Cluster(objects, Rules(zones_are_required=True)), pod("p", "c")) == ["n1"]


@pytest.mark.parametrize(("operator", "found"), [("In", ["n1"]), ("NotIn", ["n2"])])
def test_match_fields_bind_if_so_switched(operator, found):
    fields = [{"key": "metadata.name", "operator": operator, "values": ["n1"]}]
    affinity = {"required": {"nodeSelectorTerms": [{"matchFields": fields}]}}
    objects = [
        node("n1"), node("n2"), storage_class("fast"), volume("v", nodeAffinity=affinity), claim("c", volume="v"),
    ]  # fmt: skip
    assert feasible(Cluster(objects), pod("p", "c")) == ["n1", "n2"]
    assert feasible(Cluster(objects, Rules(reads_match_fields=True)), pod("p", "c")) == found
