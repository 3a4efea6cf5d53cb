"""The soak of scheduling for a few seconds: two extenders, of which the one that leads dies once."""

from pathlib import Path

import pytest

from tests.controlplane.plane import ControlPlane
from tests.scheduling_live.api import Api
from tests.soak.scheduling import Plan, soaked
from tests.soak.verdict import table

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.kubectl,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(420),
]


async def test_another_replica_takes_over_and_nothing_is_given_twice(
    control_plane: ControlPlane, kubectl: Path, tmp_path: Path
):
    async with control_plane.client() as session:
        api = Api(session)
        await api.sweep()
        try:
            rows = await soaked(control_plane, kubectl, tmp_path, Plan(seconds=12.0, kill_seconds=6.0, pods=24, seed=3))
        finally:
            await api.sweep()
    assert all(row.well for row in rows), table(rows)
