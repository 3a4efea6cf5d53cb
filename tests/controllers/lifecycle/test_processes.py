"""The cases in which a driver has something to do, with all who act as processes of their own, as in a cluster.

They are at work before anything is there. A step is taken once something was done about each claim.
"""

from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from plugins.csi.driver import reached
from sandbox.server import SandboxSettings, serve
from tests.controllers.api import connected
from tests.controllers.lifecycle.conftest import EVERYWHERE, NAME
from tests.controllers.lifecycle.replay import Replay, cases, swept
from tests.controllers.lifecycle.test_cases import DRIVEN
from tests.controlplane.guard import guarding
from tests.csi_live.programs import controllers, hostpath, running, sidecar
from tests.waiting import eventually

CASES = cases()
ALONE = "--no-leader-elect"

pytestmark = pytest.mark.asyncio(loop_scope="session")


class AmongProcesses(Replay):
    """A replay by which nobody is told to begin, and that does not know when all rest."""

    async def run(self):
        kept = await self._handles()
        async with self._cleared(kept):
            for obj in self._case["before"]:
                await self._take({"apply": {key: value for key, value in obj.items() if key != "status"}})
            for step in self._case.get("steps", ()):
                _ = await eventually(self._all_are_answered)
                await self._take(step)
            try:
                _ = await eventually(lambda: self._is_as_expected(kept))
            except TimeoutError:
                return await self._found(kept)
            return []

    async def _all_are_answered(self):
        """Whether each claim is bound, or was told that nothing suits it."""
        await self._versions()
        claims = await self._api.all("PersistentVolumeClaim")
        events = await self._api.events("default")
        told = {each["involvedObject"].get("uid") for each in events if each["reason"] == "FailedBinding"}
        return all(each["status"].get("phase") == "Bound" or each["metadata"]["uid"] in told for each in claims)

    async def _is_as_expected(self, kept):
        await self._versions()
        return not await self._found(kept)

    async def _found(self, kept):
        return [difference async for difference in self._differences(kept)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def acting(tmp_path_factory):
    """Starts driver, sidecar and controllers on the server of a kubeconfig, once; the driver's endpoint."""
    async with AsyncExitStack() as stack:
        guard = await stack.enter_async_context(guarding())
        urls = {}

        async def start(kubeconfig):
            if kubeconfig not in urls:
                folder = tmp_path_factory.mktemp("processes")
                driver = hostpath(folder, guard, "--driver-name", NAME, *EVERYWHERE)
                urls[kubeconfig] = (await stack.enter_async_context(running(driver))).url
                for program in (sidecar, controllers):
                    await stack.enter_async_context(running(program(folder, guard, kubeconfig, ALONE)))
            return urls[kubeconfig]

        yield start


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sandbox(tmp_path_factory):
    """The kubeconfig of a sandbox for all cases."""
    kubeconfig = tmp_path_factory.mktemp("sandbox") / "kubeconfig"
    async with serve(SandboxSettings(run_pods=False)) as server:
        server.write_kubeconfig(kubeconfig)
        yield kubeconfig


@pytest.mark.parametrize("name", DRIVEN)
async def test_on_the_sandbox(name, sandbox, acting):
    assert await _replayed(name, sandbox, acting) == []


@pytest.mark.controlplane
@pytest.mark.parametrize("name", DRIVEN)
async def test_on_a_real_api_server(name, control_plane, acting):
    assert await _replayed(name, control_plane.kubeconfig, acting) == []


async def _replayed(name, kubeconfig, acting):
    """What differs from the case."""
    async with connected(kubeconfig) as api, swept(api):
        endpoint = await acting(kubeconfig)
        async with reached(endpoint, seconds=15.0) as driver:
            return await AmongProcesses(api, kubeconfig, CASES[name], driver).run()
