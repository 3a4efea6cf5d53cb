"""Every scheduling case, with its objects on a real API server and the extender's caches following it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from extender.service import ExtenderSettings, extender
from kube.cache import Cache
from kube.caches import Caches
from kube.client import connect
from kube.config import load as connection_of
from model.meta import JSON
from serving.http import make_app
from serving.site import serve
from tests.controlplane.plane import ControlPlane
from tests.extender.cases import Case, load
from tests.extender.tables import RESOURCES
from tests.extender.world import Caller
from tests.scheduling_live import loading
from tests.scheduling_live.api import Api
from tests.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.asyncio(loop_scope="session")]

CASES = load()


@dataclass(frozen=True)
class Following:
    """An extender, and the caches that it reads."""

    caller: Caller
    caches: Caches

    def shows(self, objects: list[JSON]) -> bool:
        """Whether the caches have caught up with these."""
        return all(self._version(obj) >= int(obj["metadata"]["resourceVersion"]) for obj in objects)

    def is_empty(self) -> bool:
        """Whether they hold nothing at all."""
        return not any(self._cache(name).values() for name in RESOURCES)

    def _version(self, obj: JSON) -> int:
        name = next(name for name, resource in RESOURCES.items() if resource.kind == obj["kind"])
        namespace = obj["metadata"].get("namespace")
        shown = self._cache(name).get(
            f"{namespace}/{obj['metadata']['name']}" if namespace else obj["metadata"]["name"]
        )
        return int(shown.metadata.resource_version) if shown else -1

    def _cache(self, name: str) -> Cache:
        cache: Cache = getattr(self.caches, name)
        return cache


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def following(control_plane: ControlPlane, api: Api) -> AsyncIterator[Following]:
    """One extender for all cases: it follows what comes and goes."""
    await api.ensure_namespaces(
        obj["metadata"]["namespace"] for case in CASES for obj in case.objects if "namespace" in obj["metadata"]
    )
    async with connect(await connection_of(control_plane.kubeconfig)) as client, asyncio.TaskGroup() as group:
        caches, registry = Caches(client), CollectorRegistry()
        # Healing would write into the cases.
        service = extender(client, caches, registry, settings=ExtenderSettings(heals=False))
        running = [group.create_task(caches.run()), group.create_task(service.run())]
        app = make_app(service.routes(), max_body_bytes=1 << 20, deadline_seconds=60.0)
        async with serve(app, drain_seconds=0.1) as url, aiohttp.ClientSession() as session:
            await eventually(lambda: service.complaint() is None)
            yield Following(Caller(session, url, registry), caches)
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_holds_on_a_real_api_server(api: Api, following: Following, case: Case):
    try:
        stored = await loading.load(api, case.objects)
        await eventually(lambda: following.shows(stored))
        case.holds_for(await following.caller.filter(case.pod, case.nodes))
    finally:
        await api.sweep({obj["kind"] for obj in case.objects})
        await eventually(following.is_empty)
