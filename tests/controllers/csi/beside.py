"""The controllers beside a driver, at work on a server in this process; and drivers that answer as they are told."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from controllers.csi import names as csi_names
from controllers.csi.service import Sidecar
from controllers.csi.settings import SidecarSettings
from kube.caches import Caches
from kube.client import Client
from kube.events import EventRecorder
from kube.metrics import Metrics
from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.driver import Driver, reached
from plugins.csi.serving import Bound, bind, serve
from tests.controllers.at_work import AtWork
from tests.controllers.inprocess import Direct, World
from tests.plugins.csi.test_clients import Script

SETTINGS = SidecarSettings(backoff_seconds=(0.01, 0.1), resync_seconds=1e6, reconcile_attachments_seconds=1e6)
NAME = "a.csi"


@dataclass(frozen=True)
class Running:
    """Controllers at work."""

    work: AtWork
    transport: Direct
    caches: Caches
    registry: CollectorRegistry

    async def settle(self) -> None:
        """Return when nothing is left to do, even for a resync."""
        await self.work.settle()

    async def rest(self) -> None:
        """Return when nothing is left to do without one."""
        await self.work._rest()


@asynccontextmanager
async def beside(
    made: World,
    driver: Driver,
    *names: str,
    settings: SidecarSettings = SETTINGS,
    prepare: Callable[[Direct], None] = lambda _: None,
) -> AsyncIterator[Running]:
    """These controllers at work for the driver while the block runs; `prepare` may make their client fail."""
    transport = Direct(made.api)
    prepare(transport)
    registry = CollectorRegistry()
    client = Client(transport, Metrics(registry), "lading")  # type: ignore[arg-type]
    tasks: list[asyncio.Task[Any]] = []

    @functools.cache
    def recorder(component: str) -> EventRecorder:
        recorder = EventRecorder(client, component)
        tasks.append(asyncio.create_task(recorder.run()))
        return recorder

    pods = settings.handle_volume_in_use and not driver.grows_online
    caches = Caches(client, csi_names.cached(names, pods=pods))
    sidecar = Sidecar(client, caches, recorder, registry, names, driver, settings)
    tasks.append(asyncio.create_task(caches.run()))
    await caches.wait_synced()
    loops = [loop for make in sidecar._makers for loop in make().loops]
    work = AtWork(made, caches, loops)  # type: ignore[arg-type]
    tasks.append(asyncio.create_task(sidecar._runtime.run_loops([work.counted(loop) for loop in loops])))
    try:
        yield Running(work, transport, caches, registry)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def told(
    folder: Path,
    calls: Iterable[Bound],
    *,
    name: str = NAME,
    controller: Iterable[str] = (),
    plugin: Iterable[str] = (),
    node: Iterable[str] = (),
    seconds: float = 30.0,
) -> AsyncIterator[Driver]:
    """A driver with these capabilities that answers these calls, reached."""
    rpc, on_node = pb.ControllerServiceCapability.RPC, pb.NodeServiceCapability.RPC
    growing = pb.PluginCapability.VolumeExpansion
    services = [pb.PluginCapability(service={"type": "CONTROLLER_SERVICE"})]
    services += [pb.PluginCapability(volume_expansion={"type": growing.Type.Value(each)}) for each in plugin]
    controller_calls = [pb.ControllerServiceCapability(rpc={"type": rpc.Type.Value(each)}) for each in controller]
    node_calls = [pb.NodeServiceCapability(rpc={"type": on_node.Type.Value(each)}) for each in node]
    identity = [
        bind(wire.PROBE, Script(pb.ProbeResponse())),
        bind(wire.GET_PLUGIN_INFO, Script(pb.GetPluginInfoResponse(name=name))),
        bind(wire.GET_PLUGIN_CAPABILITIES, Script(pb.GetPluginCapabilitiesResponse(capabilities=services))),
        bind(wire.CONTROLLER_CAPABILITIES, Script(pb.ControllerGetCapabilitiesResponse(capabilities=controller_calls))),
        bind(wire.NODE_CAPABILITIES, Script(pb.NodeGetCapabilitiesResponse(capabilities=node_calls))),
    ]
    endpoint = f"unix://{folder}/told.sock"
    async with serve(endpoint, [*identity, *calls]), reached(endpoint, seconds=seconds) as driver:
        yield driver
