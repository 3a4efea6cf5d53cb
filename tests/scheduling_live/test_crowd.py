"""kube-scheduler with the extender in place of its volume plugins, over mutual TLS, and the extender dies thrice."""

from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.rbac import Mode
from kube.caches import Caches
from tests.controlplane.plane import ControlPlane
from tests.sandbox.kubectl.tool import Kubectl
from tests.scheduling_live import workload
from tests.scheduling_live.api import Api
from tests.scheduling_live.cluster import faults, followed, placed, refusals
from tests.scheduling_live.components import Installed, installed
from tests.waiting import eventually

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.kubectl,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(420),
]

STEP_SECONDS = 120.0
WHY = {"disk": "exceed max volume count", "large": "didn't find available persistent volumes to bind"}
"""Why a pod of these groups has no node."""
STORY = ("Scheduled", "FailedScheduling", "ProvisioningSucceeded")


@pytest_asyncio.fixture(loop_scope="session")
async def lading(control_plane: ControlPlane, kubectl: Path, api: Api, tmp_path: Path) -> AsyncIterator[Installed]:
    await api.ensure_namespaces([workload.NAMESPACE])
    async with installed(control_plane, kubectl, tmp_path, Mode.INSTEAD) as lading:
        yield lading


async def test_a_crowd_is_placed_though_the_extender_dies_thrice(
    control_plane: ControlPlane, kubectl: Path, api: Api, lading: Installed, tmp_path: Path
):
    await api.create_all([*workload.nodes(), *workload.classes()])
    await api.create_all(workload.volumes())
    made = list(workload.pods())
    admin = Kubectl(kubectl, control_plane.kubeconfig, tmp_path, workload.NAMESPACE)
    storage = ("--host-path-root", str(tmp_path / "storage"))
    async with (
        lading.running("controllers", "--mode", "instead", "--no-leader-elect", *storage),
        lading.running("extender", "--mode", "instead") as extender,
        control_plane.scheduler(lading.scheduler_config(extender.url)),
        followed(control_plane) as caches,
    ):
        await api.create_all([each for pod, claims in made for each in (*claims, pod)])
        for part in (0.25, 0.5, 0.75):
            await eventually(partial(_are_placed, caches, part), within_seconds=STEP_SECONDS)
            assert faults(caches, workload.LIMITS) == []
            await extender.kill()
            await extender.start()
        await eventually(lambda: placed(caches) == workload.BOUND, within_seconds=STEP_SECONDS)
        told = await eventually(lambda: _all_told(api), within_seconds=STEP_SECONDS)
        await eventually(lambda: _is_told(admin, told))
        assert faults(caches, workload.LIMITS) == []
    groups = Counter(name.partition("-")[0] for name in told)
    assert groups == {"disk": workload.UNPLACED, "large": workload.TOO_LARGE}


def _are_placed(caches: Caches, part: float) -> bool:
    return placed(caches) >= workload.BOUND * part


async def _all_told(api: Api) -> dict[str, str]:
    """The pods that stay without a node and why, once the scheduler has said so of each."""
    told = await refusals(api, workload.NAMESPACE)
    done = len(told) == workload.UNPLACED + workload.TOO_LARGE and all(_is_why(*each) for each in told.items())
    return told if done else {}


def _is_why(pod: str, message: str) -> bool:
    return WHY.get(pod.partition("-")[0], "") in message if message else False


async def _is_told(admin: Kubectl, told: dict[str, str]) -> bool:
    """Whether `kubectl get events` tells the story.

    Of every pod where it went or why not: one that was bound by an extender which died before it could say so has
    failed, in the scheduler's eyes. And of every claim whose volume was made that it was.
    """
    events: dict[str, dict[str, list[str]]] = {}
    for event in (await admin.get("events"))["items"]:
        by_name = events.setdefault(event["reason"], {})
        by_name.setdefault(event["involvedObject"]["name"], []).append(event["message"])
    scheduled, failed, made = (events.get(reason, {}) for reason in STORY)
    return (
        len({*scheduled, *failed}) == workload.BOUND + len(told)
        and all(any(_is_why(name, message) for message in failed.get(name, ())) for name in told)
        and len(made) == 2 * workload.MADE
    )
