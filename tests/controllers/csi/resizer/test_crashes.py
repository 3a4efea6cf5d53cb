"""Stopped at any of its writes, or without its answer, the resizer reaches the same end."""

from contextlib import asynccontextmanager
from functools import partial

import pytest

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.serving import bind
from tests.controllers.csi.beside import told
from tests.controllers.csi.crashing import Fault, Way, run
from tests.controllers.csi.resizer.objects import CLAIM, ask, bound, conditions, grown
from tests.controllers.inprocess import world

GI = 1 << 30


class Storage:
    """A volume that grows; asking it for what it has is a success."""

    def __init__(self, *, node):
        self.size = GI
        self.node = node

    async def expand(self, request):
        assert request.capacity_range.required_bytes >= self.size, "nothing smaller than it has is ever asked for"
        self.size = request.capacity_range.required_bytes
        return pb.ControllerExpandVolumeResponse(capacity_bytes=self.size, node_expansion_required=self.node)


async def node_grows(made):
    """What kubelet does once it has grown the file system."""
    if grown(made)[3] is None:
        return
    size = made.volume("v")["spec"]["capacity"]["storage"]
    done = {"capacity": {"storage": size}, "allocatedResourceStatuses": None, "conditions": None}
    await made.merge(*CLAIM, {"status": done}, "status")


STEPS = [partial(ask, size="2Gi"), node_grows, partial(ask, size="3Gi"), node_grows]


async def end_of(folder, fault, *, node):
    folder.mkdir()
    async with standing(folder, Storage(node=node)) as (made, driver, storage):
        await run(made, driver, "csi-resizer", STEPS, fault)
        return storage.size, grown(made), conditions(made)


@asynccontextmanager
async def standing(folder, storage):
    calls = [bind(wire.CONTROLLER_EXPAND, storage.expand)]
    async with world() as made, told(folder, calls, controller=["EXPAND_VOLUME"], plugin=["ONLINE"]) as driver:
        await bound(made)
        yield made, driver, storage


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("node", [False, True], ids=["at once", "with the node"])
async def test_the_end_is_the_same(tmp_path, node, way):
    undisturbed = Fault()
    expected = await end_of(tmp_path / "undisturbed", undisturbed, node=node)
    assert expected == (3 * GI, ("3Gi", "3Gi", "3Gi", None), {})
    assert undisturbed.writes == 6
    for number in range(1, undisturbed.writes + 1):
        fault = Fault(number, way)
        assert await end_of(tmp_path / str(number), fault, node=node) == expected, number
        assert fault.happened.is_set()
