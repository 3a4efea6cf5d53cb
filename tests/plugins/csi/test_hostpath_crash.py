"""What the driver has answered survives its being killed, and what it has not leaves nothing behind."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from plugins.csi import csi_pb2 as pb
from plugins.csi import registration_pb2 as registration
from plugins.csi import wire
from plugins.csi.connection import connect
from plugins.csi.controller import Controller
from plugins.csi.hostpath import driver
from plugins.csi.hostpath.content import Content
from plugins.csi.hostpath.controller import ControllerService
from plugins.csi.hostpath.operations import Operations
from plugins.csi.hostpath.settings import Settings
from plugins.csi.hostpath.snapshots import SnapshotService
from plugins.csi.hostpath.store import READY, Snapshot, Store, Volume, opened
from plugins.errors import Failed
from tests.plugins.csi.hostpath import MI, create, grow, publish
from tests.plugins.csi.hostpath import driver as hostpath
from tests.plugins.mounts import RecordedMounts
from tests.waiting import eventually


def command(folder: Path, *more: str) -> tuple[str, ...]:
    """The command that users run."""
    options = ("--node-id", "n1", "--state", str(folder / "state"), "--log-level", "error")
    return ("lading", "csi-hostpath", "--endpoint", f"unix://{folder}/csi.sock", *options, *more)


@asynccontextmanager
async def process(folder: Path, *module: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The driver as a process of its own, answering; killed at the end."""
    module = module or ("tests.plugins.csi.hostpath_process", str(folder))
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert started.stdout is not None
    try:
        assert await started.stdout.readline() == f"listening unix://{folder}/csi.sock\n".encode()
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_it_stops_cleanly_when_it_is_asked_to(tmp_path: Path) -> None:
    async with process(tmp_path, *command(tmp_path)) as running:
        running.send_signal(signal.SIGTERM)
        assert await running.wait() == 0
    assert not (tmp_path / "csi.sock").exists()


async def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    async with connect(f"unix://{tmp_path}/csi.sock") as connection:
        controller = Controller(connection, seconds=60)
        async with process(tmp_path):
            made = await controller.create_volume(create())
            await controller.publish(publish(made.volume_id))
            snapshot = await controller.create_snapshot(
                pb.CreateSnapshotRequest(name="snap", source_volume_id=made.volume_id)
            )
        async with process(tmp_path):
            assert await controller.create_volume(create()) == made
            assert await controller.snapshot(snapshot.snapshot_id) == snapshot
            state = await controller.volume(made.volume_id)
            assert list(state.status.published_node_ids) == ["n1"]
            assert not state.status.volume_condition.abnormal


async def test_a_kill_in_the_middle_of_a_rush_loses_and_leaks_nothing(tmp_path: Path) -> None:
    enough = random.Random().randrange(1, 40)
    async with connect(f"unix://{tmp_path}/csi.sock") as connection:
        controller = Controller(connection, seconds=20)
        async with process(tmp_path) as running:
            asked = [asyncio.create_task(controller.create_volume(create(f"pvc-{number}"))) for number in range(40)]
            await eventually(lambda: sum(each.done() for each in asked) >= enough)
            running.kill()
        for each in asked:
            each.cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
    answered = {volume.volume_id for volume in answers if isinstance(volume, pb.Volume)}
    async with process(tmp_path), connect(f"unix://{tmp_path}/csi.sock") as connection:
        found = {entry.volume.volume_id async for entry in Controller(connection).volumes()}
    assert answered <= found, f"killed after {enough} answers"
    assert names_in(tmp_path / "state" / "volumes") == found


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class CrashError(BaseException):
    """The process ends here."""


STEPS = (
    (Store, "put"),
    (Store, "remove"),
    (Content, "make"),
    (Content, "copy"),
    (Content, "remove"),
    (Content, "grow"),
)


@contextmanager
def crash_at(step: int) -> Iterator[list[int]]:
    """Let the process end at one of its steps: even ones before they are made, odd ones after."""
    count = [0]

    def crashing(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*arguments: Any) -> Any:
            if count[0] == step:
                raise CrashError
            answer = await real(*arguments)
            count[0] += 1
            if count[0] == step:
                raise CrashError
            count[0] += 1
            return answer

        return counted

    with pytest.MonkeyPatch.context() as patched:
        for owner, name in STEPS:
            patched.setattr(owner, name, crashing(getattr(owner, name)))
        yield count


@contextmanager
def services(folder: Path) -> Iterator[tuple[ControllerService, SnapshotService, Store, Content]]:
    settings = Settings(state=folder, node_id="n1", endpoint="")
    with opened(folder) as store:
        content, operations = Content(folder), Operations()
        controller = ControllerService(settings, store, content, operations)
        yield controller, SnapshotService(controller, store, content, operations), store, content


async def story(controller: ControllerService, snapshots: SnapshotService) -> None:
    """All that changes anything, each asked for until it is answered."""
    made = (await controller.create(create("a", block=True))).volume
    await controller.publish(publish(made.volume_id, block=True))
    taken = (await snapshots.create(pb.CreateSnapshotRequest(name="s", source_volume_id=made.volume_id))).snapshot
    await controller.expand(grow(made.volume_id, 2 * MI))
    await controller.create(create("b", 3 * MI, block=True, snapshot=taken.snapshot_id))
    await snapshots.delete(pb.DeleteSnapshotRequest(snapshot_id=taken.snapshot_id))
    await controller.unpublish(pb.ControllerUnpublishVolumeRequest(volume_id=made.volume_id, node_id="n1"))


async def test_after_a_crash_at_any_step_the_same_calls_come_to_the_same_end(tmp_path: Path) -> None:
    step, crashed = 0, True
    while crashed:
        folder = tmp_path / str(step)
        with services(folder) as (controller, snapshots, _, _), crash_at(step), suppress(CrashError):
            await story(controller, snapshots)
            crashed = False
        with services(folder) as (controller, snapshots, store, content):
            await driver.recover(store, content)
            if crashed and not store.named(Volume, "b"):
                await story(controller, snapshots)
            check(folder, store, content)
        step += 1
    assert step > 20


def check(folder: Path, store: Store, content: Content) -> None:
    """Every record has its content and is whole; no content is without a record."""
    volumes = store.all(Volume)
    assert {volume.name for volume in volumes} == {"a", "b"}
    assert {volume.state for volume in volumes} == {READY}
    for volume in volumes:
        assert content.path(volume).stat().st_size >= volume.size_bytes
    assert names_in(folder / "volumes") == {content.path(volume).name for volume in volumes}
    assert names_in(folder / "snapshots") == {content.path(snapshot).name for snapshot in store.all(Snapshot)}


async def test_two_drivers_do_not_share_their_state(tmp_path: Path, recorded_mounts: RecordedMounts) -> None:
    async with hostpath(tmp_path, recorded_mounts):
        with pytest.raises(Failed, match="another driver"), opened(tmp_path / "state"):
            pass


async def test_a_state_that_is_none_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("no database at all, but long enough to be taken for one" * 100)
    with pytest.raises(Failed, match="can not use"), opened(tmp_path):
        pass


async def test_it_ends_when_the_node_does_not_take_it(tmp_path: Path) -> None:
    socket = tmp_path / "hostpath.csi.lading-reg.sock"
    async with process(tmp_path, *command(tmp_path, "--registration-dir", str(tmp_path))) as running:
        await eventually(socket.exists)
        async with connect(str(socket)) as agent:
            assert (await agent.call(wire.GET_INFO, registration.InfoRequest(), 30)).endpoint == f"{tmp_path}/csi.sock"
            await agent.call(wire.NOTIFY, registration.RegistrationStatus(error="a newer one is there"), 30)
        assert await running.wait() == 1
