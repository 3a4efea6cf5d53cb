"""Claims that ask for more and less at random, a driver that fails in every way, and a resizer that is killed."""

import asyncio
import os
from contextlib import AsyncExitStack
from random import Random

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.serving import Refused, bind
from tests.controllers.csi.beside import beside, told
from tests.controllers.csi.resizer.objects import CLAIM, ask, bound, conditions, grown
from tests.controllers.inprocess import world

HISTORIES = int(os.environ.get("LADING_GROWTH_HISTORIES", "6"))
STEPS = 14
GI = 1 << 30
LARGEST = 6


class Storage:
    """A volume; growing it may fail before or after it had its effect, and beyond a size it does while it is broken."""

    def __init__(self, random, *, node):
        self.size = 1
        self.random = random
        self.node = node
        self.broken = True

    async def expand(self, request):
        wanted = request.capacity_range.required_bytes // GI
        fault = self.random.choice(["none", "none", "before", "doubt before", "doubt"]) if self.broken else "none"
        await asyncio.sleep(0)
        if self.broken and wanted > LARGEST:
            raise Refused(StatusCode.OUT_OF_RANGE, "never")
        if fault == "before":
            raise Refused(StatusCode.INTERNAL, "no")
        if fault == "doubt before":
            raise Refused(StatusCode.RESOURCE_EXHAUSTED, "no word")
        self.size = max(self.size, wanted)
        if fault == "doubt":
            raise Refused(StatusCode.RESOURCE_EXHAUSTED, "no word, though it is done")
        return pb.ControllerExpandVolumeResponse(capacity_bytes=self.size * GI, node_expansion_required=self.node)


@pytest.mark.parametrize("node", [False, True], ids=["at once", "with the node"])
@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_in_the_end_all_have_the_same_size_and_the_claim_what_it_asks_for(tmp_path, seed, node):
    random = Random(seed)
    storage = Storage(random, node=node)
    calls = [bind(wire.CONTROLLER_EXPAND, storage.expand)]
    async with world() as made, told(tmp_path, calls, controller=["EXPAND_VOLUME"], plugin=["ONLINE"]) as driver:
        await bound(made)
        await live(made, driver, random)
        storage.broken = False
        async with beside(made, driver, "csi-resizer") as running:
            for _ in range(4):
                await running.settle()
                await node_grows(made)
        size = f"{storage.size}Gi"
        assert (grown(made)[:2], grown(made)[3]) == ((size, size), None)
        assert conditions(made) == {}
        wanted = made.claim("c")["spec"]["resources"]["requests"]["storage"]
        assert storage.size >= int(wanted.removesuffix("Gi"))


async def live(made, driver, random):
    """Ask for more and less, let the node do its part, and kill the resizer."""
    async with AsyncExitStack() as stack:
        for _ in range(STEPS):
            match random.choice(["ask", "ask", "kill", "node", "wait"]):
                case "ask":
                    await ask_if_allowed(made, random.randint(2, LARGEST + 3))
                case "kill":
                    await stack.aclose()
                    await stack.enter_async_context(beside(made, driver, "csi-resizer"))
                case "node":
                    await node_grows(made)
                case "wait":
                    await asyncio.sleep(random.random() / 50)


async def ask_if_allowed(made, size):
    """The API server lets claims ask for less only as long as it is more than they have."""
    has = int(made.claim("c")["status"]["capacity"]["storage"].removesuffix("Gi"))
    asks_for = int(made.claim("c")["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))
    if size > has or size > asks_for:
        await ask(made, f"{size}Gi")


async def node_grows(made):
    """What kubelet does once it has grown the file system."""
    if grown(made)[3] != "NodeResizePending":
        return
    size = made.volume("v")["spec"]["capacity"]["storage"]
    done = {"capacity": {"storage": size}, "allocatedResourceStatuses": None, "conditions": None}
    await made.merge(*CLAIM, {"status": done}, "status")
