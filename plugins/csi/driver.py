"""One driver that a process works for: its name, what it is able to do, and its three services on one connection.

Rule: how the CSI sidecars of Kubernetes start: wait for the driver, probe until it is ready, then ask once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from plugins.csi.connection import Connection, connect
from plugins.csi.controller import SNAPSHOT_SECONDS, Controller
from plugins.csi.identity import Identity
from plugins.csi.metrics import CallMetrics
from plugins.csi.node import Node
from plugins.errors import NotSupported

log = structlog.get_logger()

CONTROLLER_SERVICE: Final = "CONTROLLER_SERVICE"
TOPOLOGY: Final = "VOLUME_ACCESSIBILITY_CONSTRAINTS"
WAIT_SECONDS: Final = 30.0
"""How long a driver may take to come up beside its sidecar."""


@dataclass(frozen=True)
class Facts:
    """What a driver says of itself, once, when it is reached."""

    name: str
    services: frozenset[str] = frozenset()
    """Its plugin capabilities, by the names of the specification."""
    calls: frozenset[str] = frozenset()
    """Its controller capabilities; none where it has no controller service here."""
    node_calls: frozenset[str] = frozenset()
    """Its node capabilities; none where it has no node service here."""

    @property
    def abilities(self) -> frozenset[str]:
        """All of them, told apart by the service that they are of."""
        services = {"": self.services, "controller ": self.calls, "node ": self.node_calls}
        return frozenset(f"{service}{each}" for service, those in services.items() for each in those)


@dataclass(frozen=True, kw_only=True)
class Driver(Facts):
    """A driver. The connection comes back when the driver does; calls meanwhile wait within their deadline."""

    connection: Connection
    identity: Identity
    controller: Controller
    node: Node

    @property
    def facts(self) -> Facts:
        """What it said of itself when it was reached."""
        return Facts(self.name, self.services, self.calls, self.node_calls)

    @property
    def tells_pods_apart(self) -> bool:
        """Whether it tells one pod of a node from several (SINGLE_NODE_MULTI_WRITER)."""
        return "SINGLE_NODE_MULTI_WRITER" in self.calls

    @property
    def grows_online(self) -> bool:
        """Whether it grows volumes that are in use."""
        return "ONLINE" in self.services

    async def ask(self) -> Facts:
        """What it says of itself now. Raises PluginError."""
        return await _facts(self.identity, self.controller, self.node)


@asynccontextmanager
async def reached(
    endpoint: str, *, seconds: float, wait_seconds: float = WAIT_SECONDS, registry: CollectorRegistry | None = None
) -> AsyncIterator[Driver]:
    """The driver at an endpoint, for as long as the block runs.

    `seconds` is the deadline of each call; those about snapshots are given a minute at least. All calls are counted in
    the registry.

    Raises:
        Failed: the endpoint is none, or the driver is not healthy, or has no name.
        InDoubt: it was not ready in time.
    """
    metrics = CallMetrics(registry or CollectorRegistry())
    async with connect(endpoint, metrics.ended) as connection:
        identity, node = Identity(connection, seconds=seconds), Node(connection, seconds=seconds)
        controller = Controller(connection, seconds=seconds, snapshot_seconds=max(seconds, SNAPSHOT_SECONDS))
        await identity.wait_until_ready(wait_seconds)
        metrics.driver = await identity.name()
        facts = await _facts(identity, controller, node)
        log.info("driver reached", driver=facts.name, endpoint=endpoint, abilities=sorted(facts.abilities))
        yield Driver(**vars(facts), connection=connection, identity=identity, controller=controller, node=node)


async def _facts(identity: Identity, controller: Controller, node: Node) -> Facts:
    name, services = await identity.name(), await identity.capabilities()
    calls = node_calls = frozenset[str]()
    # One image often serves as controller and on nodes, and says of itself the same in both places.
    if CONTROLLER_SERVICE in services:
        with suppress(NotSupported):
            calls = await controller.capabilities()
    with suppress(NotSupported):
        node_calls = await node.capabilities()
    return Facts(name, services, calls, node_calls)
