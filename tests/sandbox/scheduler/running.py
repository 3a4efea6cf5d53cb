"""A scheduler at work, and what it has said of pods."""

import asyncio
from contextlib import asynccontextmanager

from sandbox.scheduler import Scheduler
from tests.sandbox.scheduler.extender import serving
from tests.sandbox.world import condition, get_pod
from tests.waiting import eventually


@asynccontextmanager
async def scheduling(api, *extenders, **configuration):
    """A scheduler that runs during the block; what it raises ends the block."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(Scheduler(api, {"extenders": list(extenders), **configuration}).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert asyncio.all_tasks() <= before


@asynccontextmanager
async def extending(api, certificates, extender, **settings):
    """A scheduler with this extender over mutual TLS."""
    async with serving(extender, certificates.server_context(mutual=True)) as url:
        tls = {name: certificates.file(f) for name, f in (("caFile", "ca.crt"), ("certFile", "client.crt"))}
        tls |= {"keyFile": certificates.file("client.key")}
        given = {"urlPrefix": url, "filterVerb": "filter", "enableHTTPS": True, "tlsConfig": tls, **settings}
        async with scheduling(api, given) as task:
            yield task


def node_of(api, name):
    return get_pod(api, name)["spec"].get("nodeName")


async def placed(api, name):
    return await eventually(lambda: node_of(api, name))


async def refused(api, name, reason="Unschedulable"):
    """What is said about a pod without a node, once it is said."""
    return await eventually(
        lambda: (found := condition(get_pod(api, name), "PodScheduled")).get("reason") == reason and found["message"]
    )
