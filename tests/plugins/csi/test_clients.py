"""Calls to a driver: repeated while that may help, never past the deadline, and checked for what was promised."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.connection import connect
from plugins.csi.controller import Controller, NotFilled, TooSmall
from plugins.csi.errors import code_of
from plugins.csi.identity import Identity
from plugins.csi.node import Node
from plugins.csi.serving import Bound, Refused, bind, serve
from plugins.errors import Exhausted, Failed, InDoubt, NotSupported, PluginError


class Script:
    """Answers in turn, the last one again and again; exceptions are raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[Any] = []

    async def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def socket(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/csi.sock"


@asynccontextmanager
async def talking(socket: str, *calls: Bound) -> AsyncIterator[Any]:
    async with serve(socket, calls), connect(socket) as connection:
        yield connection


VOLUME = pb.CreateVolumeResponse(volume=pb.Volume(volume_id="v", capacity_bytes=10))
BUSY = Refused(StatusCode.ABORTED, "another call runs")


def wanted(size: int = 10) -> pb.CreateVolumeRequest:
    return pb.CreateVolumeRequest(name="pvc-1", capacity_range=pb.CapacityRange(required_bytes=size))


async def test_a_volume_is_made(socket: str) -> None:
    script = Script(VOLUME)
    async with talking(socket, bind(wire.CREATE_VOLUME, script)) as connection:
        volume = await Controller(connection).create_volume(wanted())
    assert (volume.volume_id, volume.capacity_bytes) == ("v", 10)
    assert script.requests == [wanted()]


async def test_a_busy_driver_is_asked_the_same_again(socket: str) -> None:
    script = Script(BUSY, BUSY, VOLUME)
    async with talking(socket, bind(wire.CREATE_VOLUME, script)) as connection:
        await Controller(connection).create_volume(wanted())
    assert script.requests == [wanted()] * 3


async def test_a_final_answer_is_not_asked_for_again(socket: str) -> None:
    script = Script(Refused(StatusCode.RESOURCE_EXHAUSTED, "full"))
    async with talking(socket, bind(wire.CREATE_VOLUME, script)) as connection:
        with pytest.raises(Exhausted, match="CreateVolume: RESOURCE_EXHAUSTED: full") as caught:
            await Controller(connection).create_volume(wanted())
    assert code_of(caught.value) is StatusCode.RESOURCE_EXHAUSTED
    assert len(script.requests) == 1


async def test_a_hung_driver_leaves_the_call_in_doubt(socket: str) -> None:
    async def hang(request: Any) -> Any:
        await asyncio.Event().wait()

    async with talking(socket, bind(wire.CREATE_VOLUME, hang)) as connection:
        with pytest.raises(InDoubt, match="DEADLINE_EXCEEDED"):
            await Controller(connection, seconds=0.2).create_volume(wanted())


async def test_a_driver_that_is_not_there_leaves_the_call_in_doubt(socket: str) -> None:
    async with connect(socket) as connection:
        with pytest.raises(InDoubt, match="UNAVAILABLE"):
            await Controller(connection, seconds=0.3).delete_volume("v")


async def test_a_driver_that_restarts_is_found_again(socket: str) -> None:
    script = Script(pb.DeleteVolumeResponse())
    async with connect(socket) as connection:
        controller = Controller(connection, seconds=60)
        for _ in range(2):
            waiting = asyncio.create_task(controller.delete_volume("v"))
            await asyncio.sleep(0)
            async with serve(socket, [bind(wire.DELETE_VOLUME, script)]):
                await waiting
    assert len(script.requests) == 2


async def test_what_a_driver_does_not_have_is_not_supported(socket: str) -> None:
    async with talking(socket) as connection:
        with pytest.raises(NotSupported):
            await Controller(connection).volume("v")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (pb.CreateVolumeResponse(), Failed),
        (pb.CreateVolumeResponse(volume=pb.Volume(volume_id="v", capacity_bytes=9)), TooSmall),
        (pb.CreateVolumeResponse(volume=pb.Volume(volume_id="v")), NotFilled),
    ],
)
async def test_a_volume_that_is_not_what_was_asked_for_is_an_error(
    socket: str, answer: pb.CreateVolumeResponse, kind: type[PluginError]
) -> None:
    request = wanted()
    request.volume_content_source.volume.volume_id = "source"
    async with talking(socket, bind(wire.CREATE_VOLUME, Script(answer))) as connection:
        with pytest.raises(kind):
            await Controller(connection).create_volume(request)


async def test_a_driver_that_does_not_tell_a_size_made_what_was_asked_for(socket: str) -> None:
    answer = pb.CreateVolumeResponse(volume=pb.Volume(volume_id="v"))
    async with talking(socket, bind(wire.CREATE_VOLUME, Script(answer))) as connection:
        assert (await Controller(connection).create_volume(wanted(7))).capacity_bytes == 7


async def test_listings_go_on_to_their_end(socket: str) -> None:
    entries = [pb.ListVolumesResponse.Entry(volume=pb.Volume(volume_id=str(number))) for number in range(3)]
    pages = [pb.ListVolumesResponse(entries=entries[:2], next_token="2"), pb.ListVolumesResponse(entries=entries[2:])]
    script = Script(*pages)
    async with talking(socket, bind(wire.LIST_VOLUMES, script)) as connection:
        assert [each.volume.volume_id async for each in Controller(connection).volumes()] == ["0", "1", "2"]
    assert [request.starting_token for request in script.requests] == ["", "2"]


async def test_a_listing_that_goes_round_in_circles_ends(socket: str) -> None:
    script = Script(pb.ListSnapshotsResponse(next_token="same"))
    async with talking(socket, bind(wire.LIST_SNAPSHOTS, script)) as connection:
        with pytest.raises(Failed, match="in circles"):
            [each async for each in Controller(connection).snapshots()]


async def test_a_page_that_is_gone_is_not_asked_for_again(socket: str) -> None:
    script = Script(Refused(StatusCode.ABORTED, "bad token"))
    async with talking(socket, bind(wire.LIST_VOLUMES, script)) as connection:
        with pytest.raises(InDoubt, match="bad token"):
            [each async for each in Controller(connection).volumes()]
    assert len(script.requests) == 1


async def test_unknown_capabilities_are_passed_over(socket: str) -> None:
    answer = pb.ControllerGetCapabilitiesResponse(
        capabilities=[{"rpc": {"type": "CREATE_DELETE_VOLUME"}}, {"rpc": {}}, {}]
    )
    answer.MergeFromString(bytes.fromhex("0a05 0a03 08e707"))  # a capability with the number 999
    async with talking(socket, bind(wire.CONTROLLER_CAPABILITIES, Script(answer))) as connection:
        assert await Controller(connection).capabilities() == {"CREATE_DELETE_VOLUME"}


@pytest.mark.parametrize("name", ["", "-x", "a_b", "x" * 64, "ä"])
async def test_a_name_that_is_none_is_refused(socket: str, name: str) -> None:
    script = Script(pb.GetPluginInfoResponse(name=name))
    async with talking(socket, bind(wire.GET_PLUGIN_INFO, script)) as connection:
        with pytest.raises(Failed, match="no name"):
            await Identity(connection).name()


@pytest.mark.parametrize(
    ("answer", "ready"),
    [(pb.ProbeResponse(), True), (pb.ProbeResponse(ready={"value": True}), True), (pb.ProbeResponse(ready={}), False)],
)
async def test_a_driver_that_does_not_say_is_ready(socket: str, answer: pb.ProbeResponse, ready: bool) -> None:
    async with talking(socket, bind(wire.PROBE, Script(answer))) as connection:
        assert await Identity(connection).ready() is ready


async def test_waiting_ends_when_it_is_ready_and_at_once_when_it_is_broken(socket: str) -> None:
    ready, broken = pb.ProbeResponse(), Refused(StatusCode.FAILED_PRECONDITION, "no disk")
    async with talking(socket, bind(wire.PROBE, Script(ready, broken))) as connection:
        await Identity(connection).wait_until_ready(30)
        with pytest.raises(Failed, match="no disk"):
            await Identity(connection).wait_until_ready(30)


async def test_waiting_ends_in_doubt_when_it_never_is(socket: str) -> None:
    async with talking(socket, bind(wire.PROBE, Script(pb.ProbeResponse(ready={})))) as connection:
        with pytest.raises(InDoubt, match=r"was not ready within 0\.5 s: it says so"):
            await Identity(connection).wait_until_ready(0.5)


async def test_a_node_without_name_is_refused(socket: str) -> None:
    async with talking(socket, bind(wire.NODE_INFO, Script(pb.NodeGetInfoResponse()))) as connection:
        with pytest.raises(Failed, match="calls this node ''"):
            await Node(connection).info()


async def test_a_handlers_fault_shows_nothing_of_the_request(socket: str) -> None:
    async def fault(request: Any) -> Any:
        raise ValueError(str(request.secrets))

    async with talking(socket, bind(wire.DELETE_VOLUME, fault)) as connection:
        with pytest.raises(Failed, match="INTERNAL") as caught:
            await Controller(connection).delete_volume("v", {"password": "s3cret"})
    assert "s3cret" not in str(caught.value)


async def test_only_we_may_write_to_the_socket_and_it_goes_with_the_server(socket: str, tmp_path: Path) -> None:
    path = tmp_path / "csi.sock"
    async with serve(socket, []):
        assert mode(path) == 0o600
        with pytest.raises(Failed, match="another process answers"):
            async with serve(socket, []):
                pass
    assert names_in(tmp_path) == []


async def test_a_socket_that_was_left_is_replaced_and_a_file_is_not(socket: str, tmp_path: Path) -> None:
    import socket as sockets

    left = sockets.socket(sockets.AF_UNIX)
    left.bind(str(tmp_path / "csi.sock"))
    left.close()
    async with serve(socket, []):
        pass
    (tmp_path / "csi.sock").write_text("a file")
    with pytest.raises(Failed, match="no socket"):
        async with serve(socket, []):
            pass


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
