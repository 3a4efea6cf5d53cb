"""The soak of a driver and its sidecar, for seconds rather than minutes."""

from random import Random

import pytest

from tests.soak.csi import at_work

SECONDS = 8.0
LANES = 8
EVERY_SECONDS = 2.0

pytestmark = [pytest.mark.controlplane, pytest.mark.kubectl]


@pytest.mark.timeout(300)  # a step may wait for two minutes before it counts as stuck
@pytest.mark.asyncio(loop_scope="session")
async def test_nothing_leaks_gets_lost_or_sticks_while_driver_and_sidecar_are_killed(control_plane, kubectl, tmp_path):
    async with at_work(control_plane, kubectl, tmp_path, Random(7)) as soak:
        assert await soak.run(SECONDS, LANES, EVERY_SECONDS) == []
    assert soak.stories.told
    assert soak.kills
