"""`/healthz`, `/readyz` and `/metrics`, the same on every process.

Healthy means that the event loop turns; ready means that every named check has nothing to complain of.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Check = Callable[[], str | None]
"""None when ready, else why not, in a few words."""

PATHS: Final = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})


class Health:
    """The checks of one process, and the routes that answer with them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._checks: dict[str, Check] = {}

    def add_check(self, name: str, check: Check) -> None:
        """Let readiness depend on this check too."""
        self._checks[name] = check

    def complaints(self) -> dict[str, str]:
        """What is not ready and why; empty when all is."""
        answers = {name: check() for name, check in self._checks.items()}
        return {name: why for name, why in answers.items() if why is not None}

    def routes(self) -> list[web.RouteDef]:
        """The routes to put on a server."""
        return [
            web.get("/healthz", self._healthy),
            web.get("/livez", self._healthy),
            web.get("/readyz", self._ready),
            web.get("/metrics", self._metrics),
        ]

    async def _healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        complaints = self.complaints()
        lines = [f"[-] {name}: {complaints[name]}" if name in complaints else f"[+] {name}" for name in self._checks]
        verdict = "not ready" if complaints else "ok"
        return web.Response(text="\n".join([*lines, verdict, ""]), status=503 if complaints else 200)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
