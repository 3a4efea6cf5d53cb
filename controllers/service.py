"""The selected controllers as one service, to be run while the lease is held."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from prometheus_client import CollectorRegistry

from controllers.gate import Gate
from controllers.runtime import Context, Plugins, Runtime
from controllers.settings import ControllerSettings
from controllers.table import ROWS
from controllers.writes import Writer
from kube.caches import Caches
from kube.client import Client
from kube.events import EventRecorder
from model.resources import Resource


def cached(names: Sequence[str]) -> tuple[Resource[Any], ...]:
    """The caches that the controllers of these names need."""
    return tuple(dict.fromkeys(resource for name in names for resource in ROWS[name].caches))


class Controllers:
    """The controllers of these names. The caches and the recorders are run by their owner."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        recorder: Callable[[str], EventRecorder],
        registry: CollectorRegistry,
        names: Sequence[str],
        plugins: Plugins,
        settings: ControllerSettings | None = None,
    ) -> None:
        """`recorder` gives the recorder of events of a component; equal names may get the same one."""
        self._caches = caches
        self._gate = Gate()
        self._runtime = Runtime(registry, self._gate)
        writer = Writer(client, caches, self._gate)
        context = Context(
            client, caches, writer, recorder, registry, plugins, self._gate, settings or ControllerSettings()
        )
        self._makers = [partial(ROWS[name].make, context) for name in names]

    async def run(self) -> NoReturn:
        """Work until cancelled, from when the caches are whole; once, as whoever has lost the lease ends."""
        await self._runtime.run(self._caches, self._makers)

    def complaint(self) -> str | None:
        """Why the controllers do not work: somebody else does what they do. None while they may."""
        return self._gate.complaint
