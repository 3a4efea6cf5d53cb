"""A driver is introduced to the node's agent."""

import asyncio
from pathlib import Path

from plugins.csi import registration_pb2 as registration
from plugins.csi import wire
from plugins.csi.connection import connect
from plugins.csi.registrar import introduced


async def test_the_agent_is_told_where_the_driver_is(tmp_path: Path) -> None:
    async with introduced(tmp_path, "a.csi", Path("/run/a.sock")), connect(f"{tmp_path}/a.csi-reg.sock") as agent:
        info = await agent.call(wire.GET_INFO, registration.InfoRequest(), 30)
    assert info == registration.PluginInfo(
        type="CSIPlugin", name="a.csi", endpoint="/run/a.sock", supported_versions=["1.0.0"]
    )
    assert names_in(tmp_path) == []


async def test_a_refusal_is_heard_and_being_taken_is_not_one(tmp_path: Path) -> None:
    async with (
        introduced(tmp_path, "a.csi", Path("/run/a.sock")) as registrar,
        connect(f"{tmp_path}/a.csi-reg.sock") as agent,
    ):
        refused = asyncio.create_task(registrar.refused())
        await agent.call(wire.NOTIFY, registration.RegistrationStatus(plugin_registered=True), 30)
        assert not refused.done()
        await agent.call(wire.NOTIFY, registration.RegistrationStatus(error="a newer one is there"), 30)
        assert await refused == "a newer one is there"


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]
