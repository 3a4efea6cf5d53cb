"""One sandbox for all of these tests, a namespace of its own for each."""

import itertools
from dataclasses import replace

import pytest
import pytest_asyncio

from sandbox.server import SandboxSettings, serve
from tests.controlplane.binaries import Binaries, MissingBinaryError
from tests.controlplane.build import BuildError
from tests.sandbox.kubectl.tool import Kubectl

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kubectl_binary():
    try:
        return Binaries(print).get("kubectl").path
    except (MissingBinaryError, BuildError) as error:
        pytest.fail(f"the tests that drive kubectl need one: {error}. Leave them out with -m 'not kubectl'.")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server():
    async with serve(SandboxSettings()) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def anywhere(server, kubectl_binary, tmp_path_factory):
    """kubectl in the namespace `default`."""
    home = tmp_path_factory.mktemp("home")
    server.write_kubeconfig(home / "kubeconfig")
    return Kubectl(kubectl_binary, home / "kubeconfig", home)


@pytest_asyncio.fixture(loop_scope="session")
async def kubectl(server, anywhere):
    """kubectl in a namespace that no other test uses."""
    name = f"test-{next(_numbers)}"
    await server.api.create(server.api.kind("v1", "Namespace"), "", {"metadata": {"name": name}})
    return replace(anywhere, namespace=name)
