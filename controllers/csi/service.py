"""The selected controllers beside a driver as one service, to be run while the lease is held."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

from prometheus_client import CollectorRegistry

from controllers.csi.context import SidecarContext
from controllers.csi.secrets import Secrets
from controllers.csi.settings import SidecarSettings
from controllers.csi.table import ROWS
from controllers.gate import Gate
from controllers.runtime import Context, Runtime
from controllers.settings import ControllerSettings
from controllers.writes import Writer
from kube.caches import Caches
from kube.client import Client
from kube.events import EventRecorder
from plugins.csi.driver import Driver
from plugins.registry import Nothing


class Sidecar:
    """The controllers of these names, for one driver. The caches and the recorders are run by their owner."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        recorder: Callable[[str], EventRecorder],
        registry: CollectorRegistry,
        names: Sequence[str],
        driver: Driver,
        settings: SidecarSettings | None = None,
    ) -> None:
        """`recorder` gives the recorder of events of a component; equal names may get the same one."""
        self._caches = caches
        gate = Gate()
        self._runtime = Runtime(registry, gate)
        writer = Writer(client, caches, gate)
        base = Context(client, caches, writer, recorder, registry, Nothing(), gate, ControllerSettings())
        context = SidecarContext(base, driver, Secrets(client), settings or SidecarSettings())
        self._makers = [partial(ROWS[name], context) for name in names]

    async def run(self) -> NoReturn:
        """Work until cancelled, from when the caches are whole; once, as whoever has lost the lease ends."""
        await self._runtime.run(self._caches, self._makers)
