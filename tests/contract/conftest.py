"""The two servers that every test of the contract meets: the sandbox, and a real kube-apiserver."""

import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from sandbox.server import SandboxSettings, serve
from tests.contract.servers import ApiServer, Place

SERVERS = [pytest.param("sandbox"), pytest.param("kubernetes", marks=pytest.mark.controlplane)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "api" in metafunc.fixturenames:
        metafunc.parametrize("api", SERVERS, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the binaries of the real server found before the first test."""
    for item in items:
        if isinstance(item, pytest.Function) and "api" in item.fixturenames and "[kubernetes" in item.name:
            item.fixturenames = [*item.fixturenames, "control_plane_binaries"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox_api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiServer]:
    """The sandbox."""
    kubeconfig = tmp_path_factory.mktemp("contract") / "kubeconfig"
    async with serve(SandboxSettings(run_pods=False)) as sandbox:
        sandbox.write_kubeconfig(kubeconfig)
        store = sandbox.api.store

        async def forget() -> None:
            store.compact()

        async with aiohttp.ClientSession(
            sandbox.url,
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=sandbox.credentials.ca), limit=0),
            headers={"Authorization": f"Bearer {sandbox.credentials.token}"},
        ) as session:
            yield ApiServer("sandbox", session, kubeconfig, forget)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kubernetes_api(control_plane) -> AsyncIterator[ApiServer]:
    """The real API server."""
    async with control_plane.client() as session, aiohttp.ClientSession(control_plane.etcd_url) as etcd:

        async def forget() -> None:
            async with etcd.post("/v3/kv/range", json={"key": "AA=="}, raise_for_status=True) as answer:
                revision = (await answer.json())["header"]["revision"]
            async with etcd.post("/v3/kv/compaction", json={"revision": revision}, raise_for_status=True):
                pass

        yield ApiServer("kubernetes", session, control_plane.kubeconfig, forget)


@pytest.fixture(scope="session")
def api(request: pytest.FixtureRequest) -> ApiServer:
    """The server that a test meets this time."""
    server: ApiServer = request.getfixturevalue(f"{request.param}_api")
    return server


@pytest_asyncio.fixture(loop_scope="session")
async def place(api: ApiServer) -> AsyncIterator[Place]:
    """A namespace of that server for one test."""
    place = await Place.make(api)
    yield place
    await place.clean()
