"""All of Lading in one process, as it would stand in a cluster: every part with its own connection, over HTTPS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from certs.folder import FolderStore
from certs.issuing import ensure
from controllers import select as select_controllers
from deploy.grants import Mode
from deploy.scheduler import Trust, configuration
from deploy.webhooks import configurations
from extender.service import Extender
from kube.client import Client, connect
from kube.config import load
from kube.metrics import Metrics
from lading.cli.certs import wanted
from lading.component import new_registry
from lading.compose import Surroundings, controller_services, extender_services, webhook_services
from lading.election import Election
from lading.endpoint import Endpoint
from lading.run import Service
from model.resources import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from plugins.registry import Settings
from sandbox.scheduler import Scheduler
from sandbox.server import Sandbox, SandboxSettings, serve

LOOPBACK = "127.0.0.1:0"


@dataclass(frozen=True)
class Stage:
    """What plays: services in the order of their start, and what the story asks."""

    services: list[Service]
    client: Client
    extender: Extender
    kubeconfig: Path


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """An API server in this process, and Lading around it, *instead* of what Kubernetes would bring.

    Files go into `folder`: kubeconfig, certificates, and the storage of the volumes.
    """
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(serve(SandboxSettings(registry=new_registry())))
        kubeconfig, certs = folder / "kubeconfig", folder / "certs"
        await asyncio.to_thread(sandbox.write_kubeconfig, kubeconfig)
        await ensure(FolderStore(certs), wanted((), "lading"), datetime.now(UTC))
        urls: dict[str, str] = {}

        async def given(name: str) -> Surroundings:
            connection, registry = await load(kubeconfig), new_registry()
            agent = f"lading-{name}"
            client = await stack.enter_async_context(
                connect(connection, user_agent=agent, field_manager=agent, metrics=Metrics(registry))
            )
            return Surroundings(client, Endpoint(LOOPBACK, certs=certs), registry, _keep(urls, name))

        extender, extending = extender_services(await given("extender"), Mode.INSTEAD)
        plugins = Settings(host_path_root=folder / "volumes")
        controllers = controller_services(
            await given("controllers"), select_controllers("*"), Election("kube-system", "lading-controllers"), plugins
        )
        audience = (await given("demo")).client
        services = [
            *webhook_services(await given("webhooks")),
            _once("registration of the webhooks", lambda: _register(audience, urls["webhooks"], certs)),
            *extending,
            *controllers,
            _scheduler(sandbox, urls, certs),
        ]
        yield Stage(services, audience, extender, kubeconfig)


def _keep(urls: dict[str, str], name: str) -> Callable[[str], None]:
    def listening(url: str) -> None:
        urls[name] = url

    return listening


def _once(name: str, work: Callable[[], Awaitable[None]]) -> Service:
    """Something that is done before the next service starts."""

    async def run(ready: asyncio.Event) -> None:
        await work()
        ready.set()
        await asyncio.Event().wait()

    return Service(name, run)


def _scheduler(sandbox: Sandbox, urls: Mapping[str, str], certs: Path) -> Service:
    async def run(ready: asyncio.Event) -> None:
        trust = Trust(certs / "ca.crt", certs / "scheduler.crt", certs / "scheduler.key")
        scheduler = Scheduler(sandbox.api, configuration(Mode.INSTEAD, urls["extender"], trust))
        ready.set()
        await scheduler.run()

    return Service("scheduler", run)


async def _register(client: Client, url: str, certs: Path) -> None:
    bundle = await asyncio.to_thread((certs / "ca.crt").read_bytes)
    mutating, validating = configurations(url, ca_bundle=bundle)
    await client.create(MUTATING_WEBHOOKS, mutating)
    await client.create(VALIDATING_WEBHOOKS, validating)
