"""A driver is introduced to the node's agent."""

import asyncio
import socket
from pathlib import Path

import pytest

from plugins.csi import registration_pb2 as registration
from plugins.csi import wire
from plugins.csi.connection import connect
from plugins.csi.registrar import introduced, keep_introduced
from plugins.errors import Failed


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


async def test_kubelets_refusal_ends_the_introduction(tmp_path: Path) -> None:
    ready = asyncio.Event()
    keeping = asyncio.create_task(keep_introduced(tmp_path, "a.csi", Path("/run/a.sock"), ready))
    await ready.wait()
    async with connect(f"{tmp_path}/a.csi-reg.sock") as agent:
        await agent.call(wire.NOTIFY, registration.RegistrationStatus(error="a newer one is there"), 30)
    with pytest.raises(Failed, match=r"kubelet does not take driver a\.csi: a newer one is there"):
        await keeping
    assert names_in(tmp_path) == []


async def test_a_socket_that_is_removed_ends_the_introduction(tmp_path: Path) -> None:
    ready = asyncio.Event()
    keeping = asyncio.create_task(keep_introduced(tmp_path, "a.csi", Path("/run/a.sock"), ready))
    await ready.wait()
    (tmp_path / "a.csi-reg.sock").unlink()
    with pytest.raises(Failed, match="was removed"):
        await keeping


async def test_a_socket_that_a_killed_registrar_left_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "a.csi-reg.sock"))
    left.close()
    async with introduced(tmp_path, "a.csi", Path("/run/a.sock")), connect(f"{tmp_path}/a.csi-reg.sock") as agent:
        assert (await agent.call(wire.GET_INFO, registration.InfoRequest(), 30)).name == "a.csi"


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]
