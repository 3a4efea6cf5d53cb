"""Authorities that live for seconds, rotated while a real API server calls both webhooks, and others the extender."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from certs.rotation import Lives
from deploy.webhooks import configurations
from kube.caches import Caches
from kube.client import Client, PatchType, connect
from kube.config import load
from kube.errors import KubeError
from model.resources import CLASSES, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from serving.http import make_app
from serving.site import serve
from serving.tls import TLSFiles
from tests.certs.extending import Caller, extending, paced
from tests.certs.replicas import CONFIGURATIONS, Installation, installed
from tests.controlplane.plane import ControlPlane
from tests.waiting import eventually
from webhooks.facts import CACHED
from webhooks.service import DEADLINE_SECONDS, webhooks
from webhooks.wire import MAX_BODY_BYTES

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]

LIVES = Lives(
    authority=timedelta(seconds=42),
    overlap=timedelta(seconds=5),
    leaf=timedelta(seconds=16),
    backdate=timedelta(seconds=1),
)
NAME = "lading-rotation"
GENERATIONS = 4
WRITES_A_SECOND = 50


@dataclass
class Load:
    """Classes made and removed; what went wrong."""

    client: Client
    written: int = 0
    faults: list[str] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def run(self) -> None:
        """Begin so many writes a second, until cancelled; then let those under way end."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            async for _ in paced(WRITES_A_SECOND / 2):
                task = asyncio.create_task(self._pair())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        finally:
            await asyncio.gather(*under_way)

    async def _pair(self) -> None:
        """Make a class that both webhooks change or look at, and remove it, which is validated too."""
        name = f"rotated-{next(self.numbers)}"
        body = {"metadata": {"name": name}, "provisioner": "example.com/none", "mountOptions": [" ro "]}
        try:
            made = await self.client.create(CLASSES, body)
            if made.mount_options != ("ro",):
                self.faults.append(f"{name} was not normalized")
            await self.client.delete(CLASSES, name)
        except KubeError as error:
            self.faults.append(str(error))
        else:
            self.written += 2


@asynccontextmanager
async def served(client: Client, installation: Installation) -> AsyncIterator[None]:
    """The webhooks, with the certificate that the first replica keeps up, registered."""
    folder = installation.replicas[0].folder
    files = TLSFiles(folder / "webhooks.crt", folder / "webhooks.key")
    context, caches = files.server_context(), Caches(client, CACHED)
    service = webhooks(client, caches, CollectorRegistry())
    app = make_app(service.routes(), max_body_bytes=MAX_BODY_BYTES, deadline_seconds=DEADLINE_SECONDS)
    tasks = [asyncio.create_task(caches.run()), asyncio.create_task(files.keep_fresh(context, every_seconds=0.1))]
    await caches.wait_synced()
    async with serve(app, tls=context, drain_seconds=1.0) as url:
        made = configurations(url, name=NAME)
        for kind, body in zip(CONFIGURATIONS, made, strict=True):
            # Open at first: closed, nothing of these kinds could be written before the bundle is there.
            hooks = [{**hook, "failurePolicy": "Ignore"} for hook in body["webhooks"]]
            await client.patch(kind, NAME, {"webhooks": hooks})
        await eventually(installation.is_sound)
        yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def normalizes(client: Client) -> bool:
    body = {"metadata": {"name": "rotated"}, "provisioner": "example.com/none", "mountOptions": [" ro "]}
    made = await client.create(CLASSES, body)
    await client.delete(CLASSES, "rotated")
    return made.mount_options == ("ro",)


async def fail_closed(client: Client) -> None:
    """From here on a call that fails fails its request: both kinds of webhooks."""
    for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
        hooks = (await client.get(kind, NAME)).webhooks or ()
        body = [{"op": "replace", "path": f"/webhooks/{place}/failurePolicy", "value": "Fail"}
                for place in range(len(hooks))]  # fmt: skip
        await client.patch(kind, NAME, body, content=PatchType.JSON)


async def test_no_call_fails_while_three_authorities_take_turns(control_plane: ControlPlane, tmp_path: Path) -> None:
    issuers: set[str] = set()
    async with (
        connect(await load(control_plane.kubeconfig), field_manager="lading-webhooks") as client,
        installed(client, NAME, tmp_path, replicas=2, lives=LIVES, every_seconds=0.25) as installation,
    ):
        await eventually(installation.is_sound)
        async with (
            served(client, installation),
            extending(client, NAME, NAME, tmp_path / "extender", LIVES) as url,
        ):
            await eventually(lambda: normalizes(client))
            await fail_closed(client)
            load_ = Load(client)
            caller = Caller(client, NAME, tmp_path / "caller", LIVES, url)
            loading = [asyncio.create_task(each.run()) for each in (load_, caller)]

            async def all_took_turns() -> bool:
                issuers.add(installation.replicas[0].leaf().issuer.rfc4514_string())
                turns = min(len(issuers), len(caller.issuers))
                return turns >= GENERATIONS or bool(load_.faults or caller.faults)

            await eventually(all_took_turns, within_seconds=180.0)
            for each in loading:
                each.cancel()
            await asyncio.wait(loading)
        assert load_.faults == []
        assert caller.faults == []
        assert len(issuers) == GENERATIONS
        assert len(caller.issuers) == GENERATIONS
        assert load_.written > 100 * GENERATIONS
        assert caller.answered > 20 * GENERATIONS
        print(f"{load_.written} writes, {caller.answered} filter calls, {GENERATIONS} authorities, no call failed")  # noqa: T201 - for the report
