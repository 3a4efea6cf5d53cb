"""Where the driver is told to make a volume, and where the volume can be reached."""

from dataclasses import replace
from pathlib import Path

import pytest

from model import names
from model.meta import JSON
from plugins.csi import csi_pb2 as pb
from tests.controllers.csi.provisioner.cluster import KEY, PATIENT, cluster, csi_node, node, wants
from tests.controllers.csi.provisioner.shelf import Shelf, reached
from tests.controllers.csi.provisioner.test_asking import asked, by, why
from tests.controllers.inprocess import world

NODES = tuple(each for number in (1, 2, 3) for each in (node(number), csi_node(number)))


def places(request: pb.CreateVolumeRequest) -> tuple[list[str], list[str]]:
    asked = request.accessibility_requirements
    first, second = ([each.segments[KEY] for each in terms] for terms in (asked.requisite, asked.preferred))
    return first, second


ALLOWED = [{"matchLabelExpressions": [{"key": KEY, "values": ["n2", "n1"]}]}]
WAITS: JSON = {"volumeBindingMode": "WaitForFirstConsumer"}


@pytest.mark.parametrize(
    ("parts", "settings", "on", "expected"),
    [
        (WAITS, {}, "node-2", (["n1", "n2", "n3"], ["n2", "n3", "n1"])),
        (WAITS | {"allowedTopologies": ALLOWED}, {}, "node-2", (["n1", "n2"], ["n2", "n1"])),
        (WAITS, {"strict_topology": True}, "node-2", (["n2"], ["n2"])),
        (WAITS | {"allowedTopologies": ALLOWED}, {"strict_topology": True}, "node-2", (["n2"], ["n2"])),
        ({}, {}, "", (["n1", "n2", "n3"], ["n1", "n2", "n3"])),
        ({"allowedTopologies": ALLOWED}, {}, "", (["n1", "n2"], ["n1", "n2"])),
        ({"allowedTopologies": ALLOWED}, {"immediate_topology": False}, "", (["n1", "n2"], ["n1", "n2"])),
        ({}, {"immediate_topology": False}, "", ([], [])),
    ],
    ids=["late", "late allowed", "strict", "strict allowed", "now", "now allowed", "untold allowed", "untold"],
)
async def test_the_driver_is_told_where(
    tmp_path: Path, parts: JSON, settings: JSON, on: str, expected: tuple[list[str], list[str]]
) -> None:
    told = replace(PATIENT, **settings)
    objects = (*NODES, by(**parts), wants("web", on=on))
    async with asked(tmp_path, *objects, settings=told, topology=True) as (running, shelf):
        requisite, preferred = places(shelf.requests[0])
        assert requisite == expected[0]
        turn = preferred.index(expected[1][0]) if preferred and not on else 0
        assert preferred[turn:] + preferred[:turn] == expected[1]
        affinity = running.volume_of("web")["spec"].get("nodeAffinity")
        if preferred:
            expression = {"key": KEY, "operator": "In", "values": [preferred[0]]}
            assert affinity == {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
        else:
            assert affinity is None


@pytest.mark.parametrize(
    ("objects", "freed"),
    [
        (NODES[2:], True),
        (NODES[1:], True),
        ((NODES[0], *NODES[2:]), True),
        ((NODES[0], csi_node(1, driver="other.csi")), False),
        ((node(1) | {"metadata": {"name": "node-1"}}, csi_node(1)), False),
    ],
    ids=["no node, no CSINode", "no node", "no CSINode", "no driver there", "no label there"],
)
async def test_a_node_that_is_not_there_is_given_back(
    tmp_path: Path, objects: tuple[JSON, ...], *, freed: bool
) -> None:
    async with asked(tmp_path, *objects, by(**WAITS), wants(on="node-1"), topology=True) as (running, shelf):
        assert shelf.requests == []
        assert why(running)
        annotations = running.made.claim("c")["metadata"].get("annotations", {})
        assert (names.SELECTED_NODE not in annotations) is freed


async def test_a_driver_that_is_registered_late_is_noticed(tmp_path: Path) -> None:
    async with asked(tmp_path, by(), wants(), NODES[0], topology=True) as (running, shelf):
        assert "no node has the driver" in why(running)
        await running.made.create(NODES[1])
        await running.sidecar.rest()
        assert places(shelf.requests[0]) == (["n1"], ["n1"])


async def test_an_answer_of_several_places_is_reached_from_each(tmp_path: Path) -> None:
    topologies = [pb.Topology(segments={"z": "a", "r": "1"}), pb.Topology(), pb.Topology(segments={"z": "b"})]
    shelf = Shelf(answer={"accessible_topology": topologies})
    async with reached(tmp_path, shelf) as driver, world(by(), wants()) as made, cluster(made, driver, tmp_path) as run:
        await run.settle()
        terms = run.volume_of()["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        found = [{each["key"]: each["values"] for each in term["matchExpressions"]} for term in terms]
        assert found == [{"z": ["a"], "r": ["1"]}, {"z": ["b"]}]
