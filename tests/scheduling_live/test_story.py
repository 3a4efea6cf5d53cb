"""The demo's story on a real control plane: the same manifests come to the same outcomes as on the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.rbac import Mode
from deploy.webhooks import configurations
from kube.client import Client, connect
from kube.config import load
from lading.demo import story
from lading.demo.facts import Facts
from lading.demo.judge import is_right, missing
from model.meta import Object
from model.resources import PODS
from model.workloads import Pod
from tests.controlplane.plane import ControlPlane
from tests.sandbox.kubectl.tool import Kubectl
from tests.scheduling_live.api import Api
from tests.scheduling_live.components import Installed, installed
from tests.waiting import eventually

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.kubectl,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
]

ACT_SECONDS = 60.0


async def test_the_story_comes_to_the_same_end(control_plane: ControlPlane, kubectl: Path, api: Api, tmp_path: Path):
    admin = Kubectl(kubectl, control_plane.kubeconfig, tmp_path, story.NAMESPACE)
    storage = ("--host-path-root", str(tmp_path / "storage"))
    async with (
        installed(control_plane, kubectl, tmp_path, Mode.INSTEAD) as lading,
        lading.running("webhooks") as webhooks,
        _registered(admin, webhooks.url, lading),
        lading.running("controllers", "--mode", "instead", *storage),
        lading.running("extender", "--mode", "instead") as extender,
        control_plane.scheduler(lading.scheduler_config(extender.url)),
        connect(await load(control_plane.kubeconfig)) as client,
        _watched(client) as facts,
    ):
        await _apply(admin, story.cluster())
        for act in story.acts():
            await _apply(admin, act.objects)
            for name in act.delete_pods:
                await admin("delete", "pod", name)
            await _come_true(act, facts)


async def _apply(admin: Kubectl, objects: Any) -> None:
    if manifests := list(objects):
        await admin("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))


async def _come_true(act: story.Act, facts: Facts) -> None:
    try:
        await eventually(lambda: all(is_right(each, facts) for each in act.outcomes), within_seconds=ACT_SECONDS)
    except TimeoutError:
        wrong = [missing(each, facts) for each in act.outcomes if not is_right(each, facts)]
        pytest.fail(f"{act.title}: {'; '.join(wrong)}")


@asynccontextmanager
async def _registered(admin: Kubectl, url: str, lading: Installed) -> AsyncIterator[None]:
    """The webhooks' registrations while the block runs."""
    bundle = await asyncio.to_thread((lading.certs / "ca.crt").read_bytes)
    manifests = yaml.safe_dump_all(configurations(url, ca_bundle=bundle))
    await admin("apply", "-f", "-", stdin=manifests)
    try:
        yield
    finally:
        await admin("delete", "-f", "-", stdin=manifests)


@asynccontextmanager
async def _watched(client: Client) -> AsyncIterator[Facts]:
    """The story's facts, and nodes that run what is put on them."""
    facts, kubelets = Facts(client), set[asyncio.Task[None]]()

    def on_change(_old: Object | None, new: Object | None) -> None:
        if isinstance(new, Pod) and new.spec.node_name and new.status.phase == "Pending" and not new.deleting:
            task = asyncio.create_task(_start(client, new))
            kubelets.add(task)
            task.add_done_callback(kubelets.discard)

    facts.subscribe(on_change)
    following = asyncio.create_task(facts.run())
    try:
        await facts.wait_synced()
        yield facts
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def _start(client: Client, pod: Pod) -> None:
    await client.patch(PODS, pod.name, {"status": {"phase": "Running"}}, pod.namespace, subresource="status")
