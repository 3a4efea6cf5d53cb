"""The demo's story against a real API server and a stock kube-scheduler: nothing works only in the sandbox."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from rich.console import Console

from certs.folder import FolderStore
from certs.issuing import ensure
from controllers import select
from deploy.rbac import Mode
from deploy.scheduler import Trust, configuration
from deploy.webhooks import configurations
from kube.cache import Cache
from kube.client import connect
from kube.config import load
from kube.errors import Conflict, NotFound
from lading.cli.certs import wanted
from lading.component import announcement, background, new_registry
from lading.compose import Surroundings, controller_services, extender_services, webhook_services
from lading.demo import play
from lading.demo.facts import Facts
from lading.demo.stage import Stage
from lading.demo.story import acts
from lading.endpoint import Endpoint
from lading.run import Service, run_services
from model.resources import MUTATING_WEBHOOKS, PODS, VALIDATING_WEBHOOKS
from plugins.registry import Settings
from tests.controlplane.plane import control_plane


@pytest.mark.controlplane
@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", Mode)
async def test_the_story_comes_out_right_with_stock_components(
    mode, control_plane_binaries, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(play, "ACT_SECONDS", 60.0)
    if mode is Mode.BESIDE:
        # kube-controller-manager makes hostPath volumes only on its own, without a place of theirs.
        monkeypatch.setattr(play, "acts", lambda: [act for act in acts() if not act.title.startswith("a set of")])
    certs, stop = tmp_path / "certs", asyncio.Event()
    await ensure(FolderStore(certs), wanted((), "lading"), datetime.now(UTC))
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(control_plane(tmp_path, control_plane_binaries))
        urls = {}

        async def given(name):
            client = await stack.enter_async_context(connect(await load(plane.kubeconfig), field_manager=name))
            listening = lambda url: urls.__setitem__(name, url)  # noqa: E731 - one line of a closure
            return Surroundings(client, Endpoint("127.0.0.1:0", certs=certs), new_registry(), listening)

        audience = (await given("audience")).client
        extender, extending = extender_services(await given("extender"), mode)
        plugins = Settings(host_path_root=tmp_path / "volumes")
        services = [
            *webhook_services(await given("webhooks")),
            announcement(lambda: _register(audience, urls["webhooks"], certs), lambda: None),
            *extending,
            *(
                controller_services(await given("controllers"), select("*"), None, plugins)
                if mode is Mode.INSTEAD
                else [_service("kube-controller-manager", plane.controller_manager)]
            ),
            _service("kube-scheduler", lambda: plane.scheduler(_configuration(mode, urls["extender"], certs))),
            background("kubelets", lambda: _run_pods(audience)),
        ]
        stage = Stage(services, audience, extender, plane.kubeconfig)
        story = play._Story(stage, Facts(audience), Console(width=play.WIDTH))
        await run_services([*services, *story.services(stop, keep=False)], stop)
    assert story.status == 0, capsys.readouterr().out


async def _register(client, url, certs):
    mutating, validating = configurations(url, ca_bundle=(certs / "ca.crt").read_bytes())
    await client.create(MUTATING_WEBHOOKS, mutating)
    await client.create(VALIDATING_WEBHOOKS, validating)


def _configuration(mode, url, certs):
    return configuration(mode, url, Trust(certs / "ca.crt", certs / "scheduler.crt", certs / "scheduler.key"))


def _service(name, running):
    """A stock server as a service."""

    async def serve(ready):
        async with running():
            ready.set()
            await asyncio.Event().wait()

    return Service(name, serve)


async def _run_pods(client):
    """Stand in for the kubelets: pods with a node run."""
    pods, changed = Cache(client, PODS), asyncio.Queue()
    pods.subscribe(lambda _old, new: changed.put_nowait(new) if new is not None else None)
    async with asyncio.TaskGroup() as group:
        group.create_task(pods.run())
        while pod := await changed.get():
            if pod.spec.node_name and pod.status.phase == "Pending":
                try:
                    running = {"status": {"phase": "Running"}}
                    await client.patch(PODS, pod.name, running, pod.namespace, subresource="status")
                except (Conflict, NotFound):
                    continue
