"""One long-running component: its caches, its own work and its HTTPS site, as services in the order they start."""

import asyncio
import gc
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from lading.endpoint import Endpoint
from lading.run import Service
from serving.health import Check, Health
from serving.http import make_app, require_client_certificate
from serving.site import serve

MAX_BODY_BYTES: Final = 128 << 20
"""Enough for a filter request with 5,000 whole nodes, of about 50 MB."""


@dataclass(frozen=True)
class Site:
    """What a component answers over HTTP, besides health and metrics."""

    routes: Sequence[web.RouteDef] = ()
    open_routes: Sequence[web.RouteDef] = ()
    """Those that need no certificate of the caller's, as health does not."""
    deadline_seconds: float = 30.0
    max_body_bytes: int = MAX_BODY_BYTES
    checks: dict[str, Check] = field(default_factory=dict)
    mutual: bool = True
    """Whether callers show certificates of the folder that ours comes from."""


class Address:
    """The URL of a site, once it accepts connections."""

    def __init__(self) -> None:
        self.url = ""

    @property
    def parts(self) -> tuple[str, int]:
        """Its host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0


def new_registry() -> CollectorRegistry:
    """The metrics of one process, with what every process shows of itself."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def site_service(name: str, site: Site, endpoint: Endpoint, registry: CollectorRegistry, address: Address) -> Service:
    """The component's server. It comes first: probes are answered while the rest is not ready yet."""

    async def run(ready: asyncio.Event) -> None:
        files = endpoint.tls_files(name, mutual=site.mutual)
        context = None if files is None else await asyncio.to_thread(files.server_context)
        async with serve(_application(site, registry, context), endpoint.listen, context) as url:
            address.url = url
            ready.set()
            if files is None or context is None:
                await asyncio.Event().wait()
            else:
                await files.keep_fresh(context)

    return Service(f"{name} site", run)


def background(name: str, run: Callable[[], Awaitable[None]]) -> Service:
    """Work that is ready as soon as it runs."""

    async def serve_(ready: asyncio.Event) -> None:
        ready.set()
        await run()

    return Service(name, serve_)


def announcement(wait: Callable[[], Awaitable[None]], tell: Callable[[], None]) -> Service:
    """What comes last: once `wait` returns, everything before it is ready, and somebody is told."""

    async def run(ready: asyncio.Event) -> None:
        await wait()
        # What the caches hold stays. To walk all of it takes the collector a quarter of a second with 5,000 nodes, in
        # the middle of a call.
        gc.collect()
        gc.freeze()
        tell()
        ready.set()
        await asyncio.Event().wait()

    return Service("announcement", run)


def _application(site: Site, registry: CollectorRegistry, context: ssl.SSLContext | None) -> web.Application:
    health = Health(registry)
    for name, check in site.checks.items():
        health.add_check(name, check)
    guards = [require_client_certificate(_paths(site.routes))] if _asks_for_certificates(context) else []
    return make_app(
        [*site.routes, *site.open_routes, *health.routes()],
        max_body_bytes=site.max_body_bytes,
        deadline_seconds=site.deadline_seconds,
        middlewares=guards,
    )


def _paths(routes: Iterable[web.RouteDef]) -> frozenset[str]:
    return frozenset(route.path for route in routes)


def _asks_for_certificates(context: ssl.SSLContext | None) -> bool:
    return context is not None and context.verify_mode is not ssl.CERT_NONE
