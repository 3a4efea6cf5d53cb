"""A driver that goes, returns, and perhaps returns as another one, is noticed."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.driver import reached
from plugins.csi.serving import Refused, bind, serve
from plugins.csi.watch import Watch, unhealthy
from plugins.errors import Failed
from tests.plugins.csi.test_clients import Script
from tests.waiting import eventually


def answers(name="a.csi", *, services=("CONTROLLER_SERVICE",), calls=("GET_CAPACITY",), probe=None):
    """A driver's answers to who asks what it is."""
    plugin = [pb.PluginCapability(service={"type": each}) for each in services]
    rpc = [pb.ControllerServiceCapability(rpc={"type": each}) for each in calls]
    return [
        bind(wire.PROBE, probe or Script(pb.ProbeResponse())),
        bind(wire.GET_PLUGIN_INFO, Script(pb.GetPluginInfoResponse(name=name))),
        bind(wire.GET_PLUGIN_CAPABILITIES, Script(pb.GetPluginCapabilitiesResponse(capabilities=plugin))),
        bind(wire.CONTROLLER_CAPABILITIES, Script(pb.ControllerGetCapabilitiesResponse(capabilities=rpc))),
    ]


@pytest.fixture
def socket(tmp_path):
    return f"unix://{tmp_path}/csi.sock"


@asynccontextmanager
async def watched(socket, *, look=0.01, probe=1000.0):
    """A watch at work, and its task. The driver is there when it begins."""
    async with reached(socket, seconds=5.0) as driver:
        watch = Watch(driver, look_seconds=look, probe_seconds=probe)
        task = asyncio.create_task(watch.run())
        try:
            yield watch, task
        finally:
            task.cancel()
            await asyncio.wait([task])


@asynccontextmanager
async def restarted(socket, **after):
    """A watch over a driver that has gone, and is there again while the block runs."""
    first = serve(socket, answers())
    await first.__aenter__()
    async with watched(socket) as (watch, task):
        await first.__aexit__(None, None, None)
        async with serve(socket, answers(**after)):
            yield watch, task


async def test_a_driver_that_goes_is_complained_of_until_it_returns(socket):
    first = serve(socket, answers())
    await first.__aenter__()
    async with watched(socket) as (watch, task):
        assert watch.complaint() is None
        await first.__aexit__(None, None, None)
        await eventually(lambda: "does not answer" in (watch.complaint() or ""))
        async with serve(socket, answers()):
            await eventually(lambda: watch.complaint() is None)
        assert not task.done()


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ({"name": "b.csi"}, "was a.csi, and is b.csi now"),
        ({"calls": ("LIST_VOLUMES",)}, "lost is controller GET_CAPACITY, new is controller LIST_VOLUMES"),
        (
            {"services": ("CONTROLLER_SERVICE", "VOLUME_ACCESSIBILITY_CONSTRAINTS")},
            "lost is nothing, new is VOLUME_ACCESSIBILITY_CONSTRAINTS",
        ),
    ],
)
async def test_one_that_returns_as_another_ends_the_watch(socket, after, why):
    async with restarted(socket, **after) as (_, task):
        with pytest.raises(Failed, match=why):
            await asyncio.wait_for(task, 30)


async def test_one_that_is_not_ready_is_complained_of(socket):
    probe = Script(pb.ProbeResponse(), pb.ProbeResponse(ready={}))
    async with serve(socket, answers(probe=probe)), watched(socket, probe=0.0) as (watch, _):
        await eventually(lambda: watch.complaint() == "is not ready")
        probe.answers = [pb.ProbeResponse(ready={"value": True})]
        await eventually(lambda: watch.complaint() is None)


async def test_one_that_says_so_of_itself_without_its_service_is_taken_for_a_nodes(socket):
    calls = [each for each in answers() if each.method is not wire.CONTROLLER_CAPABILITIES]
    async with serve(socket, calls), reached(socket, seconds=5.0) as driver:
        assert (driver.calls, driver.node_calls) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (pb.ProbeResponse(), None),
        (pb.ProbeResponse(ready={"value": True}), None),
        (pb.ProbeResponse(ready={"value": False}), "the driver is not ready"),
        (Refused(StatusCode.FAILED_PRECONDITION, "no disk"), "Probe: FAILED_PRECONDITION: no disk"),
    ],
)
async def test_what_a_probe_says(socket, answer, why):
    async with serve(socket, [bind(wire.PROBE, Script(answer))]):
        assert await unhealthy(socket, 5.0) == why


async def test_a_driver_that_is_not_there_or_hangs_is_not_healthy(socket):
    assert "UNAVAILABLE" in await unhealthy(socket, 0.2)

    async def hang(request):
        await asyncio.Event().wait()

    async with serve(socket, [bind(wire.PROBE, hang)]):
        assert "DEADLINE_EXCEEDED" in await unhealthy(socket, 0.2)
