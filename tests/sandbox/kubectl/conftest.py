"""One sandbox for all of these tests, a namespace of its own for each."""

import itertools
from dataclasses import replace

import pytest
import pytest_asyncio

from sandbox.server import SandboxSettings, serve
from tests.sandbox.kubectl.tool import Kubectl

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server():
    async with serve(SandboxSettings()) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def home(server, tmp_path_factory):
    """A home folder with a kubeconfig."""
    folder = tmp_path_factory.mktemp("home")
    server.write_kubeconfig(folder / "kubeconfig")
    return folder


@pytest_asyncio.fixture(loop_scope="session")
async def kubectl(kubectl, server, home):
    """The kubectl of this machine, in a namespace that no other test uses."""
    name = f"test-{next(_numbers)}"
    await server.api.create(server.api.kind("v1", "Namespace"), "", {"metadata": {"name": name}})
    return Kubectl(kubectl, home / "kubeconfig", home, namespace=name)


@pytest.fixture
def anywhere(kubectl):
    """kubectl in the namespace `default`."""
    return replace(kubectl, namespace="default")
