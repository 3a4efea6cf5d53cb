"""The driver of the cases, as it is where they take place."""

from contextlib import AsyncExitStack

import pytest_asyncio

from tests.controlplane.guard import guarding
from tests.csi_live.programs import hostpath, running

NAME = "hostpath.csi.test"
ON_NODES = ("--node-id", "worker-3")
"""Its volumes can be reached from one node, as its registration there says."""
EVERYWHERE = ("--node-id", "worker-3", "--other-node", "worker-4")
"""It knows no places: where it is registered nowhere, a driver that has some waits until it is."""


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="hostpath")
async def shared_hostpath(tmp_path_factory):
    """The endpoint of one `lading csi-hostpath` on nodes, and of one that is everywhere: by whether it is on nodes.

    All cases share them, each takes away the volumes that it made.
    """
    async with AsyncExitStack() as stack:
        guard = await stack.enter_async_context(guarding())
        urls = {}
        for on_nodes in (True, False):
            options = ("--driver-name", NAME, *(ON_NODES if on_nodes else EVERYWHERE))
            program = hostpath(tmp_path_factory.mktemp("csi"), guard, *options)
            urls[on_nodes] = (await stack.enter_async_context(running(program))).url
        yield urls
