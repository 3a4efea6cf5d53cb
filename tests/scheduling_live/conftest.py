"""What the tests of this folder share: the API of the control plane, empty but for namespaces."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.controlplane.plane import ControlPlane
from tests.scheduling_live.api import Api


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """Emptied before and after the tests of a file, of what storage and scheduling are about."""
    async with control_plane.client() as session:
        api = Api(session)
        await api.sweep()
        yield api
        await api.sweep()
