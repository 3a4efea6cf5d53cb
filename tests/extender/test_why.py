"""Why a pod's volumes let it run where they do: one sentence, with the claim, volume, label or driver at fault."""

from typing import Any

import msgspec
import pytest

from extender.filters import evaluate
from extender.snapshot import Rules
from extender.why import why
from model import names
from model.meta import JSON
from model.workloads import Pod
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.tables import Cluster

DRIVER = "csi.example.com"
NODES = (node("n1", zone="a"), node("n2", zone="b"), node("n3", zone="b"))
STATIC = storage_class("static", names.NO_PROVISIONER)
FAST = storage_class("fast")


def said(wanted: JSON, *objects: JSON, **rules: Any) -> str:
    cluster = Cluster([*NODES, STATIC, FAST, *objects], Rules(**rules))
    view = msgspec.convert(wanted, Pod, strict=False)
    return why(evaluate(view, cluster.snapshot, cluster.snapshot.nodes.all), cluster.snapshot)


def test_nothing_stands_in_the_way():
    assert said(pod("p")) == "3/3 nodes fit"


def test_a_missing_claim_is_named():
    assert said(pod("p", "ghost")) == '0/3 nodes fit: persistentvolumeclaim "ghost" not found'


def test_a_volume_in_another_zone():
    assert said(pod("p", "c"), claim("c", volume="v"), volume("v", zone="a")) == (
        "1/3 nodes fit: 2 can not reach volume v (zone a wanted, nodes in b)"
    )


def test_a_volume_in_no_zone_that_there_is():
    assert said(pod("p", "c"), claim("c", volume="v"), volume("v", zone="c")) == (
        "0/3 nodes fit: 3 can not reach volume v (zone c wanted, nodes in a, b)"
    )


def test_a_zone_label_of_a_volume():
    labelled = volume("v")
    labelled["metadata"]["labels"] = {names.BETA_ZONE: "c__a"}
    assert said(pod("p", "c"), claim("c", volume="v"), labelled) == (
        "1/3 nodes fit: 2 can not reach volume v (zone a or c wanted, nodes in b)"
    )


def _affinity(*expressions: JSON) -> JSON:
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ({"key": "rack", "operator": "NotIn", "values": ["r1"]}, "rack other than r1 wanted, node in r1"),
        ({"key": "gpu", "operator": "Exists"}, "a gpu wanted, nodes without that label"),
        ({"key": "rack", "operator": "DoesNotExist"}, "no rack wanted, node in r1"),
        ({"key": "slots", "operator": "Gt", "values": ["4"]}, "slots above 4 wanted, node in 4"),
        ({"key": "slots", "operator": "Lt", "values": ["4"]}, "slots below 4 wanted, node in 4"),
    ],
)
def test_every_operator_has_words(expression: JSON, wanted: str):
    sentence = said(
        pod("p", "c"),
        claim("c", volume="v"),
        volume("v", nodeAffinity=_affinity(expression)),
        node("r", rack="r1", slots="4"),
    )
    assert "can not reach volume v" in sentence
    assert wanted.split(" wanted", maxsplit=1)[0] in sentence


def test_terms_and_expressions_are_joined():
    terms = [
        {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1", "r2"]}]},
        {"matchExpressions": [{"key": "gpu", "operator": "Exists"}, {"key": "rack", "operator": "Exists"}]},
    ]
    affinity = {"required": {"nodeSelectorTerms": terms}}
    assert said(pod("p", "c"), claim("c", volume="v"), volume("v", nodeAffinity=affinity)) == (
        "0/3 nodes fit: 3 can not reach volume v (rack r1 or r2 or a gpu and a rack wanted, nodes without that label)"
    )


def test_long_lists_are_cut():
    racks = [f"r{n}" for n in range(8)]
    affinity = _affinity({"key": "rack", "operator": "In", "values": racks})
    assert "rack r0 or r1 or r2 or r3 or r4 or 3 more wanted" in said(
        pod("p", "c"), claim("c", volume="v"), volume("v", nodeAffinity=affinity)
    )


def test_no_free_volume():
    assert said(pod("p", "c"), claim("c", "static", "2Gi"), volume("v", "static", "1Gi")) == (
        "0/3 nodes fit: 3 have no free volume of class static for claim c (2Gi wanted)"
    )


def test_one_that_is_short_is_told_in_the_singular():
    assert said(pod("p", "c"), claim("c", "static"), volume("v", "static", zone="b")) == (
        "2/3 nodes fit: 1 has no free volume of class static for claim c (1Gi wanted)"
    )


def test_a_reserved_volume_out_of_reach():
    reserved = volume("v", "static", zone="a", claimRef={"namespace": "ns", "name": "c"})
    assert said(pod("p", "c"), claim("c", "static"), reserved) == (
        "1/3 nodes fit: 2 can not reach volume v, which is reserved for claim c"
    )


def test_storage_that_is_being_made_elsewhere():
    assert said(pod("p", "c"), claim("c", **{names.SELECTED_NODE: "n2"})) == (
        "1/3 nodes fit: 2 can not run it: storage for claim c is being made for node n2"
    )
    assert "for node (none)" in said(pod("p", "c"), claim("c", **{names.SELECTED_NODE: ""}))


def test_a_class_for_one_zone():
    topologies = [{"matchLabelExpressions": [{"key": names.ZONE, "values": ["a"]}]}]
    zonal = storage_class("zonal", allowedTopologies=topologies)
    assert said(pod("p", "c"), claim("c", "zonal"), zonal) == (
        "1/3 nodes fit: 2 can not get a volume of class zonal for claim c (zone a wanted, nodes in b)"
    )


def test_too_little_space():
    driver = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": DRIVER},
        "spec": {"storageCapacity": True},
    }
    assert said(pod("p", "c"), claim("c"), driver) == (
        "0/3 nodes fit: 3 have too little free storage of class fast for claim c (1Gi wanted)"
    )


def test_slots_that_are_taken_and_by_what():
    there = [each for n in "de" for each in (claim(n, volume=f"v-{n}"), volume(f"v-{n}"))]
    sentence = said(
        pod("p", "c"),
        *there,
        claim("c"),
        csi_node("n1", **{DRIVER: 2}),
        csi_node("n2", **{DRIVER: 0}),
        csi_node("n3", **{DRIVER: 0}),
        pod("user", "d", "e", node="n1"),
    )
    assert sentence.startswith("0/3 nodes fit: ")
    assert f"1 has all 2 attach slots of driver {DRIVER} in use (handle-v-d, handle-v-e)" in sentence
    assert f"2 have all 0 attach slots of driver {DRIVER} in use" in sentence


def test_slots_taken_by_claims_without_a_volume_and_by_what_is_left_attached():
    attachment = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": "a"},
        "spec": {"attacher": DRIVER, "nodeName": "n1", "source": {"persistentVolumeName": "v"}},
    }
    sentence = said(
        pod("p", "c", "d"),
        claim("c"),
        claim("d"),
        claim("e"),
        volume("v"),
        attachment,
        csi_node("n1", **{DRIVER: 3}),
        pod("user", "e", node="n1"),
    )
    assert sentence == (
        f"2/3 nodes fit: 1 has 2 of 3 attach slots of driver {DRIVER} in use (claim ns/e, 1 attached without a pod)"
    )


def test_a_driver_that_has_not_registered():
    driver = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": DRIVER},
        "spec": {"preventPodSchedulingIfMissing": True},
    }
    assert said(pod("p", "c"), claim("c"), driver, csi_node("n1", **{DRIVER: None}), wait_for_drivers=True) == (
        f"1/3 nodes fit: 2 have no driver {DRIVER}"
    )


def test_a_disk_in_use():
    disk = {"name": "d", "awsElasticBlockStore": {"volumeID": "vol-1"}}
    assert said(pod("p", volumes=[disk]), pod("user", node="n2", volumes=[disk])) == (
        "2/3 nodes fit: 1 has disk ebs/vol-1 in use by another pod"
    )


def test_a_claim_for_one_pod_alone():
    exclusive = claim("c", volume="v")
    exclusive["spec"]["accessModes"] = ["ReadWriteOncePod"]
    assert said(pod("p", "c"), exclusive, volume("v"), pod("user", "c", node="n2")) == (
        "0/3 nodes fit: 3 must wait for pod ns/user on n2, which has claim c for itself (ReadWriteOncePod)"
    )


def test_a_volume_that_does_not_exist_is_told_by_who_found_out():
    ephemeral = {"name": "e", "ephemeral": {"volumeClaimTemplate": {}}}
    owner = {"kind": "Pod", "name": "p", "uid": "uid-p", "controller": True}
    owned = claim("p-e", volume="ghost")
    owned["metadata"]["ownerReferences"] = [owner]
    assert said(pod("p", volumes=[ephemeral]), owned) == (
        "0/3 nodes fit: 3 can not run it: claim p-e is bound to volume ghost, which does not exist"
    )
    assert said(pod("p", "c"), claim("c", volume="ghost")) == '0/3 nodes fit: persistentvolume "ghost" not found'


def test_different_faults_of_different_nodes_are_listed_once_each():
    sentence = said(
        pod("p", "c", "d"),
        claim("c", volume="v"),
        volume("v", zone="b"),
        claim("d", "static"),
        volume("w", "static", zone="a"),
    )
    assert sentence == (
        "0/3 nodes fit: 1 can not reach volume v (zone b wanted, node in a), "
        "2 have no free volume of class static for claim d (1Gi wanted)"
    )
