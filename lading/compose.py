"""What each component consists of: one readable function a component, for its own process and for the demo."""

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from controllers.csi import names as csi_names
from controllers.csi.settings import SidecarSettings
from controllers.service import Controllers, cached
from deploy.grants import Mode
from extender.bind import BindLimits
from extender.budgets import FOLLOWED
from extender.service import Extender, ExtenderSettings, extender
from extender.snapshot import SERVED_RULES, Rules
from kube.caches import ALL, Caches
from kube.client import Client
from kube.events import EventRecorder
from kube.lease import lead
from lading.component import Address, Site, announcement, background, site_service
from lading.election import Election
from lading.endpoint import Endpoint
from lading.run import Service
from plugins.registry import Registry, Settings
from serving.health import Check
from webhooks.service import DEADLINE_SECONDS, webhooks
from webhooks.settings import Settings as WebhookSettings

if TYPE_CHECKING:
    from plugins.csi.driver import Driver

MAX_REVIEW_BYTES: Final = 7 << 20
"""A review holds two objects of at most 3 MiB."""


@dataclass(frozen=True)
class Surroundings:
    """What a component is given: the API, where to serve, where to count, and whom to tell its URL when it is ready."""

    client: Client
    endpoint: Endpoint
    registry: CollectorRegistry
    listening: Callable[[str], None]
    namespace: str = "default"
    """The namespace of the kubeconfig's context, or of the pod."""
    stopping: Check = lambda: None
    """Complains once the process is asked to stop: it answers still, and nobody is to be sent to it any more."""


@dataclass(frozen=True)
class Alone:
    """What a component is given that needs no API server."""

    endpoint: Endpoint
    registry: CollectorRegistry
    listening: Callable[[str], None]
    stopping: Check = lambda: None


@dataclass(frozen=True)
class Besides:
    """What comes with a component: checks of its readiness, work to run, and where its address is to be told."""

    checks: Mapping[str, Check] = field(default_factory=dict)
    work: Sequence[Service] = ()
    address: Address = field(default_factory=Address)
    open_routes: Sequence[web.RouteDef] = ()


def extender_services(
    given: Surroundings,
    mode: Mode,
    election: Election | None = None,
    rules: Rules = SERVED_RULES,
    besides: Besides | None = None,
) -> tuple[Extender, list[Service]]:
    """The extender, and what runs it. Beside the scheduler's own plugins it writes nothing of its own accord.

    With an election one replica answers and the others stand by, unready: which slots, claims and pools are spoken for
    is known to whoever binds, and two who bind would have to guess.
    """
    caches = Caches(given.client, FOLLOWED if mode is Mode.INSTEAD else ALL)
    recorder = EventRecorder(given.client, "lading-extender")
    limits = BindLimits()
    part = extender(
        given.client,
        caches,
        given.registry,
        recorder=recorder,
        settings=ExtenderSettings(
            bind=limits,
            rules=rules,
            heals=mode is Mode.INSTEAD,
            adopts=mode is Mode.INSTEAD and rules.adopts_placed_pods,
            takes_over=election is not None,
        ),
    )
    # The extender says itself that it is not done yet; the site's deadline is for what it did not foresee.
    site = Site(part.routes(), deadline_seconds=limits.answer + 5.0, checks={"extender": part.complaint})
    work = [
        background("extender", lambda: _led(given.client, election, part.run)),
        background("events of the extender", recorder.run),
    ]
    return part, _component("extender", given, site, caches, work, besides)


def webhook_services(
    given: Surroundings, rules: WebhookSettings | None = None, besides: Besides | None = None
) -> list[Service]:
    """The webhooks. API servers show no certificate unless they are told to, so none is asked for by default."""
    rules = rules or WebhookSettings()
    caches = Caches(given.client, rules.caches)
    part = webhooks(given.client, caches, given.registry, settings=rules)
    site = Site(
        part.routes(),
        deadline_seconds=DEADLINE_SECONDS,
        max_body_bytes=MAX_REVIEW_BYTES,
        checks={"webhooks": part.complaint},
        mutual=False,
    )
    return _component("webhooks", given, site, caches, [], besides)


def controller_services(
    given: Surroundings, names: Sequence[str], election: Election | None, plugins: Settings | None = None
) -> list[Service]:
    """The controllers of these names. A replica that waits for the lease is ready: it could take over."""
    caches, recorders = Caches(given.client, cached(names)), Recorders(given.client)
    part = Controllers(given.client, caches, recorders, given.registry, names, Registry(plugins))
    site = Site(checks={"caches": caches.complaint, "controllers": part.complaint})

    work = background("controllers", lambda: _led(given.client, election, part.run))
    services = [work, background("events of the controllers", recorders.run)]
    return _component("controllers", given, site, caches, services)


def csi_sidecar_services(
    given: Surroundings,
    names: Sequence[str],
    driver: "Driver",
    election: Election | None,
    settings: SidecarSettings | None = None,
    besides: Besides | None = None,
) -> list[Service]:
    """The controllers of these names beside a driver. A replica that waits for the lease is ready, too."""
    from controllers.csi.service import Sidecar  # noqa: PLC0415 - loads gRPC

    settings = settings or SidecarSettings()
    cached = csi_names.cached(names, pods=settings.handle_volume_in_use and not driver.grows_online)
    caches, recorders = Caches(given.client, cached), Recorders(given.client)
    part = Sidecar(given.client, caches, recorders, given.registry, names, driver, settings)
    site = Site(checks={"caches": caches.complaint})
    work = background("sidecar", lambda: _led(given.client, election, part.run))
    services = [work, background("events of the sidecar", recorders.run)]
    return _component("csi-sidecar", given, site, caches, services, besides)


def alone_services(name: str, given: Alone, besides: Besides) -> list[Service]:
    """A component without an API server: what comes with it is all there is to it."""
    address = besides.address
    site = Site(checks={**besides.checks, "stop": given.stopping}, open_routes=besides.open_routes)
    served = site_service(name, site, given.endpoint, given.registry, address)
    return [served, *besides.work, announcement(_at_once, lambda: given.listening(address.url))]


async def _at_once() -> None:
    """There is nothing to wait for."""


async def _led(client: Client, election: Election | None, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work, where there is an election while this process is the leader."""
    if election is None:
        await work()
        return
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    await lead(
        client,
        election.namespace,
        election.name,
        identity,
        work,
        duration=election.duration,
        renew=election.renew,
        retry=election.retry,
    )


class Recorders:
    """A recorder of events for each component that asks for one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._made: dict[str, EventRecorder] = {}
        self._group: asyncio.TaskGroup | None = None

    def __call__(self, component: str) -> EventRecorder:
        """The component's."""
        if component not in self._made:
            recorder = self._made[component] = EventRecorder(self._client, component)
            if self._group is not None:
                self._group.create_task(recorder.run())
        return self._made[component]

    async def run(self) -> None:
        """Run all that there are and that will be asked for."""
        async with asyncio.TaskGroup() as self._group:
            for recorder in self._made.values():
                self._group.create_task(recorder.run())
            await asyncio.Event().wait()


def _component(
    name: str, given: Surroundings, site: Site, caches: Caches, work: list[Service], besides: Besides | None = None
) -> list[Service]:
    """The site first, the announcement last."""
    besides = besides or Besides()
    checks = {**site.checks, **besides.checks, "stop": given.stopping}
    address, site = besides.address, replace(site, checks=checks, open_routes=besides.open_routes)
    return [
        site_service(name, site, given.endpoint, given.registry, address),
        background(f"caches of the {name}", caches.run),
        *work,
        *besides.work,
        announcement(caches.wait_synced, lambda: given.listening(address.url)),
    ]
