"""Commands end within their deadline, with all that they started, and can not flood us."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from plugins import commands
from plugins.commands import Limits
from plugins.errors import Failed, InDoubt
from tests.waiting import eventually

SOON = Limits(seconds=0.2, grace_seconds=0.2)


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended stays a zombie until somebody waits for it.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def test_both_outputs_come_together_with_the_code() -> None:
    ended = await commands.run(shell("echo out; echo err >&2; exit 3"))
    assert (ended.code, ended.output, ended.timed_out) == (3, b"out\nerr\n", False)


async def test_it_has_nothing_to_read_and_no_environment_but_the_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    ended = await commands.run(shell("cat; env"))
    assert b"PATH=" in ended.output
    assert b"s3cret" not in ended.output


async def test_arguments_are_not_read_by_a_shell() -> None:
    ended = await commands.run(("printf", "%s", "$(id) `id` ; id"))
    assert ended.output == b"$(id) `id` ; id"


async def test_at_the_deadline_it_may_end_by_itself(tmp_path: Path) -> None:
    script = f"mkfifo {tmp_path}/never; trap 'echo bye; exit 0' TERM; echo up; read x <> {tmp_path}/never"
    ended = await commands.run(shell(script), Limits(seconds=1, grace_seconds=20))
    assert (ended.code, ended.timed_out) == (0, True)
    assert ended.output == b"up\nbye\n"


async def test_after_the_grace_it_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"trap '' TERM; (trap '' TERM; echo $$ > /dev/null; exec sleep 1000) & echo $! > {tmp_path}/child; wait"
    ended = await commands.run(shell(script), SOON)
    assert (ended.code, ended.timed_out) == (-signal.SIGKILL, True)
    child = int((tmp_path / "child").read_text())
    await eventually(lambda: not alive(child))


async def test_being_cancelled_ends_it(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    running = asyncio.create_task(
        commands.run(shell(f"echo $$ > {started}.new; mv {started}.new {started}; sleep 1000"))
    )
    await eventually(started.exists)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not alive(int(started.read_text()))


async def test_a_daemon_that_it_leaves_behind_is_left_alone(tmp_path: Path) -> None:
    ended = await commands.run(shell(f"sleep 1000 & echo $! > {tmp_path}/child; echo done"))
    child = int((tmp_path / "child").read_text())
    try:
        assert (ended.code, ended.output) == (0, b"done\n")
        assert alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


async def test_more_output_than_the_limit_is_dropped_and_does_not_stall_it() -> None:
    ended = await commands.run(("head", "-c", "300000", "/dev/zero"), Limits(output_bytes=1000))
    assert (ended.code, len(ended.output), ended.too_long) == (0, 1000, True)


async def test_a_command_that_must_succeed_says_why_it_did_not() -> None:
    with pytest.raises(Failed, match="ended with 5: broken"):
        await commands.checked(shell("echo broken; exit 5"))
    with pytest.raises(Failed, match="can not run /nowhere: No such file"):
        await commands.checked(("/nowhere",))
    with pytest.raises(InDoubt, match="did not end in time"):
        await commands.checked(("sleep", "1000"), SOON)


async def test_no_descriptor_is_left_open() -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count

    await commands.run(("true",))
    before = opened()
    for _ in range(3):
        await commands.run(("true",))
        with pytest.raises(OSError, match="nowhere"):
            await commands.run(("/nowhere",))
    assert opened() == before
