"""A sandbox in a process of its own, as every server of Lading meets its API server."""

import logging

import pytest
import pytest_asyncio
import structlog

from tests.lading.command import running


@pytest.fixture(autouse=True)
def logs_as_before():
    """A command that runs in this process sets up the process's logs."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory):
    """The path of a kubeconfig for an empty cluster."""
    home = tmp_path_factory.mktemp("sandbox")
    kubeconfig = home / "kubeconfig"
    async with running("sandbox", "--listen", "127.0.0.1:0", "--kubeconfig", str(kubeconfig), home=home, until="ready"):
        yield kubeconfig
