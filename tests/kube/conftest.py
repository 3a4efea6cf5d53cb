"""A scripted API server and a client of it."""

import pytest

from kube.client import connect
from kube.config import Connection
from kube.credentials import Credential, Static
from tests.kube.server import scripted


@pytest.fixture
async def api():
    async with scripted() as script:
        yield script


@pytest.fixture
async def client(api):
    async with connect(connection_to(api), request_seconds=5.0) as connected:
        yield connected


def connection_to(api, token="token-1"):
    return Connection(api.url, Static(Credential(f"Bearer {token}")))
