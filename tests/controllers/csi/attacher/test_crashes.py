"""Stopped at any of its writes, or without its answer, the attacher and a real driver reach the same end."""

from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from plugins.csi.driver import reached
from tests.controllers.csi.attacher.objects import attachment, csi_node, csi_volume
from tests.controllers.csi.crashing import Fault, Way, run
from tests.controllers.inprocess import world
from tests.plugins.csi.hostpath import driver
from tests.plugins.mounts import RecordedMounts

NAME = "hostpath.csi.lading"


async def nothing(_):
    pass


async def volume_goes(made):
    await made.delete("PersistentVolume", "", "v")


async def attachment_goes(made):
    await made.delete("VolumeAttachment", "", "att")


async def made_again(made):
    await made.create(attachment(attacher=NAME))


SCENARIOS = {
    "attached, and all goes": [nothing, volume_goes, attachment_goes],
    "attached, detached, attached again": [nothing, attachment_goes, made_again],
}


@dataclass(frozen=True)
class End:
    """What is in the end: objects, and the nodes on which the driver has the volume."""

    objects: dict
    nodes: list


async def end_of(folder, steps, fault):
    folder.mkdir()
    async with standing(folder) as (made, reachable):
        await run(made, reachable, "csi-attacher", steps, fault)
        nodes = [list(entry.status.published_node_ids) async for entry in reachable.controller.volumes()]
        return End({kind: [bare(each) for each in made.objects(kind)] for kind in KINDS}, nodes)


@asynccontextmanager
async def standing(folder):
    async with driver(folder, RecordedMounts()) as there, reached(there.connection.endpoint, seconds=30) as reachable:
        volume = await there.made()
        objects = [
            csi_node(**{NAME: "n1"}),
            csi_volume(handle=volume.volume_id, driver=NAME),
            attachment(attacher=NAME),
        ]
        async with world(*objects) as made:
            yield made, reachable


KINDS = ("PersistentVolume", "VolumeAttachment")


def bare(obj):
    """An object without what differs from run to run."""
    metadata = {key: obj["metadata"].get(key) for key in ("name", "finalizers", "annotations")}
    status = {key: value for key, value in obj.get("status", {}).items() if key != "lastPhaseTransitionTime"}
    return {"metadata": metadata, "going": "deletionTimestamp" in obj["metadata"], "status": status}


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_end_is_the_same(tmp_path, name, way):
    steps, undisturbed = SCENARIOS[name], Fault()
    expected = await end_of(tmp_path / "undisturbed", steps, undisturbed)
    assert undisturbed.writes > 2
    for number in range(1, undisturbed.writes + 1):
        fault = Fault(number, way)
        assert await end_of(tmp_path / str(number), steps, fault) == expected, number
        assert fault.happened.is_set()
