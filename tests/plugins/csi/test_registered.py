"""Drivers introduce themselves to their node, are checked, and leave."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from plugins.csi import csi_pb2 as pb
from plugins.csi import registration_pb2 as registration
from plugins.csi import wire
from plugins.csi.registered import Registered, newest
from plugins.csi.registrar import introduced
from plugins.csi.serving import bind, serve
from plugins.errors import Failed
from plugins.host import Host
from tests.plugins.csi.hostpath import driver
from tests.plugins.csi.test_clients import Script

NAME = "hostpath.csi.lading"


@dataclass
class Record:
    """What was written down; `faults` are raised first."""

    drivers: dict[str, str] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)

    async def add(self, driver: str, info: pb.NodeGetInfoResponse) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.drivers[driver] = info.node_id

    async def remove(self, driver: str) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.drivers.pop(driver, None)


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
def registered(folder: Path, record: Record) -> Registered:
    return Registered(folder, record)


INFO = Script(pb.NodeGetInfoResponse(node_id="n1"))


@asynccontextmanager
async def scripted(
    folder: Path, name: str = "a.csi", *, file: str = "", versions: tuple[str, ...] = ("1.0.0",), **more: Any
) -> AsyncIterator[Script]:
    """A registrar and driver on one socket; what the registrar is told."""
    info = registration.PluginInfo(**{"type": "CSIPlugin", "name": name, "supported_versions": versions, **more})
    told = Script(registration.RegistrationStatusResponse())
    calls = [bind(wire.GET_INFO, Script(info)), bind(wire.NOTIFY, told), bind(wire.NODE_INFO, INFO)]
    async with serve(f"{folder}/{file or name}-reg.sock", calls):
        yield told


async def test_a_driver_comes_and_goes(
    tmp_path: Path, folder: Path, recorded_host: Host, registered: Registered, record: Record
) -> None:
    await registered.reconcile()
    async with (
        driver(tmp_path, recorded_host.mounts),
        introduced(folder, NAME, tmp_path / "csi.sock"),
    ):
        for _ in range(2):
            await registered.reconcile()
        assert registered.endpoint(NAME) == f"unix://{tmp_path}/csi.sock"
        assert record.drivers == {NAME: "n1"}
    await registered.reconcile()
    assert registered.endpoint(NAME) is None
    assert record.drivers == {}


async def test_a_driver_is_told_that_it_was_taken(folder: Path, registered: Registered) -> None:
    async with scripted(folder) as told:
        for _ in range(3):
            await registered.reconcile()
    assert [status.plugin_registered for status in told.requests] == [True]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"type": "DevicePlugin"}, "of type 'DevicePlugin'"),
        ({"versions": ("0.3.0", "2.0.0")}, "none is a version 1"),
        ({"versions": ()}, "none is a version 1"),
        ({"endpoint": "tcp://1.2.3.4:5"}, "no endpoint"),
        ({"endpoint": "relative.sock"}, "no endpoint"),
    ],
)
async def test_what_is_no_driver_is_refused_once(
    folder: Path, registered: Registered, record: Record, more: dict[str, Any], why: str
) -> None:
    async with scripted(folder, **more) as told:
        for _ in range(3):
            await registered.reconcile()
    (status,) = told.requests
    assert not status.plugin_registered
    assert why in status.error
    assert record.drivers == {}


async def test_the_newer_of_two_stays_and_its_going_does_not_return_the_older(
    folder: Path, registered: Registered, record: Record
) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(scripted(folder, file="one"))
        await registered.reconcile()
        same = await stack.enter_async_context(scripted(folder, file="two"))
        await registered.reconcile()
        assert "is registered already" in same.requests[0].error
        async with scripted(folder, file="three", versions=("1.2.0",)) as newer:
            await registered.reconcile()
            assert newer.requests[0].plugin_registered
        await registered.reconcile()
        assert record.drivers == {"a.csi": "n1"}


async def test_a_socket_that_is_made_anew_is_registered_anew(folder: Path, registered: Registered) -> None:
    async with scripted(folder) as first:
        await registered.reconcile()
    async with scripted(folder) as second:
        await registered.reconcile()
    assert [len(each.requests) for each in (first, second)] == [1, 1]


async def test_what_can_not_be_written_down_is_refused_and_written_off(
    folder: Path, registered: Registered, record: Record
) -> None:
    record.faults = [Failed("conflict")]
    async with scripted(folder) as told:
        await registered.reconcile()
        assert told.requests[0].error == "conflict"
        assert registered.endpoint("a.csi") is None
        record.drivers = {"a.csi": "half written"}
        await registered.reconcile()
        assert record.drivers == {}


async def test_who_has_left_is_written_off_until_it_is_written(
    folder: Path, registered: Registered, record: Record
) -> None:
    async with scripted(folder):
        await registered.reconcile()
    record.faults = [Failed("no answer")]
    with pytest.raises(Failed, match="no answer"):
        await registered.reconcile()
    assert registered.endpoint("a.csi") is None
    await registered.reconcile()
    assert record.drivers == {}


async def test_a_socket_that_does_not_answer_is_asked_less_and_less(folder: Path, record: Record) -> None:
    import socket

    now = [0.0]
    registered = Registered(folder, record, introduction_seconds=0.05, clock=lambda: now[0])
    await registered.reconcile()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(folder / "left.sock"))
    left.close()
    pauses = []
    for _ in range(3):
        await registered.reconcile()
        pauses.append(next(iter(registered._waiting.values())).not_before - now[0])
        now[0] += pauses[-1]
    assert pauses == [0.5, 1.0, 2.0]
    (folder / "left.sock").unlink()
    await registered.reconcile()
    assert registered._waiting == {}


async def test_files_and_hidden_sockets_are_passed_over_and_deeper_ones_found(
    folder: Path, registered: Registered, record: Record
) -> None:
    (folder / "deep").mkdir(parents=True)
    (folder / "file").write_text("x")
    async with scripted(folder, "hidden.csi", file=".hidden") as hidden, scripted(folder / "deep", "deep.csi"):
        await registered.reconcile()
    assert record.drivers == {"deep.csi": "n1"}
    assert hidden.requests == []


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        (["1.0.0"], (1, 0, 0)),
        (["v1.2.3", "1.10", "0.9"], (1, 10, 0)),
        (["1"], (1, 0, 0)),
        (["1.5.0-rc1"], (1, 5, 0)),
        (["2.0.0", "0.3.0", "x", "", "1.x"], None),
    ],
)
def test_the_newest_version_of_the_first_counts(versions: list[str], found: Any) -> None:
    assert newest(versions) == found
