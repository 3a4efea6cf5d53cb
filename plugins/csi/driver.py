"""One driver that a process works for: its name, what it is able to do, and its three services on one connection.

Rule: how the CSI sidecars of Kubernetes start: wait for the driver, probe until it is ready, then ask once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from plugins.csi.connection import connect
from plugins.csi.controller import Controller
from plugins.csi.identity import Identity
from plugins.csi.metrics import CallMetrics
from plugins.csi.node import Node
from plugins.errors import Failed

log = structlog.get_logger()

CONTROLLER_SERVICE: Final = "CONTROLLER_SERVICE"
TOPOLOGY: Final = "VOLUME_ACCESSIBILITY_CONSTRAINTS"
WAIT_SECONDS: Final = 30.0
"""How long a driver may take to come up beside its sidecar."""


@dataclass(frozen=True)
class Driver:
    """A driver. The connection comes back when the driver does; calls meanwhile wait within their deadline."""

    name: str
    services: frozenset[str]
    """Its plugin capabilities, by the names of the specification."""
    calls: frozenset[str]
    """Its controller capabilities; none where it has no controller service."""
    node_calls: frozenset[str]
    """Its node capabilities; none where it has no node service here."""
    identity: Identity
    controller: Controller
    node: Node

    @property
    def tells_pods_apart(self) -> bool:
        """Whether it tells one pod of a node from several (SINGLE_NODE_MULTI_WRITER)."""
        return "SINGLE_NODE_MULTI_WRITER" in self.calls

    @property
    def grows_online(self) -> bool:
        """Whether it grows volumes that are in use."""
        return "ONLINE" in self.services


@asynccontextmanager
async def reached(
    endpoint: str, *, seconds: float, wait_seconds: float = WAIT_SECONDS, registry: CollectorRegistry | None = None
) -> AsyncIterator[Driver]:
    """The driver at an endpoint, for as long as the block runs. `seconds` is the deadline of each call.

    All its calls are counted in the registry.

    Raises:
        Failed: the endpoint is none, or the driver is not healthy, or has no name.
        InDoubt: it was not ready in time.
    """
    metrics = CallMetrics(registry or CollectorRegistry())
    async with connect(endpoint, metrics.ended) as connection:
        identity = Identity(connection, seconds=seconds)
        await identity.wait_until_ready(wait_seconds)
        name, services = await identity.name(), await identity.capabilities()
        metrics.driver = name
        controller = Controller(connection, seconds=seconds)
        calls = await controller.capabilities() if CONTROLLER_SERVICE in services else frozenset()
        node = Node(connection, seconds=seconds)
        node_calls: frozenset[str] = frozenset()
        with suppress(Failed):  # beside a controller there may be no node service
            node_calls = await node.capabilities()
        log.info("driver reached", driver=name, endpoint=endpoint, services=sorted(services), calls=sorted(calls))
        yield Driver(name, services, calls, node_calls, identity, controller, node)
