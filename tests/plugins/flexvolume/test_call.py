"""How what is printed and how it ends make one outcome."""

from pathlib import Path
from typing import Any

import pytest

from plugins.commands import Limits
from plugins.errors import Failed, InDoubt, NotSupported, PluginError
from plugins.flexvolume.call import Executable
from tests.plugins.flexvolume.conftest import FAILURE, SUCCESS

BYE = {"response": {"status": "Success", "device": "late"}}


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (FAILURE, Failed, "mount command failed, status: Failure, reason: backend busy"),
        ({"response": {"status": "Failure"}, "exit": 0}, Failed, "status: Failure, reason: $"),
        ({"response": {"status": "success"}}, Failed, "status: success"),
        ({"response": {"status": ""}}, Failed, "status: , reason"),
        ({"response": {}}, Failed, "status: , reason"),
        ({"response": {"status": "Not supported"}}, NotSupported, "not supported"),
        ({"response": {"status": "Not supported"}, "exit": 1}, NotSupported, "not supported"),
        ({"stdout": "", "exit": 0}, InDoubt, "printed nothing and ended with exit status 0"),
        ({"stdout": "Segmentation fault", "exit": 139}, InDoubt, "no JSON.* and ended with exit status 139"),
        ({**SUCCESS, "stderr": "a warning"}, InDoubt, "no JSON"),
        ({**SUCCESS, "exit": 3}, InDoubt, "printed Success and ended with exit status 3"),
    ],
)
async def test_outcomes(scripted: Any, answer: dict[str, Any], kind: type[PluginError], message: str) -> None:
    executable, _ = scripted({"mount": answer})
    with pytest.raises(kind, match=message):
        await executable.call("mount", "/target", "{}")


async def test_a_call_that_hangs_is_ended(scripted: Any) -> None:
    executable, _ = scripted({"waitforattach": {**SUCCESS, "sleep_s": 1000}})
    with pytest.raises(InDoubt, match="waitforattach command failed: timeout"):
        await executable.call("waitforattach", "/dev/x", "{}", seconds=0.2)


async def test_one_that_says_success_when_it_is_ended_has_succeeded(tmp_path: Path) -> None:
    script = tmp_path / "driver"
    script.write_text(
        f"#!/bin/sh\nmkfifo {tmp_path}/never\n"
        """trap 'echo "{\\"status\\": \\"Success\\", \\"device\\": \\"late\\"}"; exit 0' TERM\n"""
        f"read x <> {tmp_path}/never\n"
    )
    script.chmod(0o755)
    answer = await Executable(script, Limits(grace_seconds=20)).call("waitforattach", seconds=1)
    assert answer.device == "late"


async def test_more_than_is_read_is_no_answer(scripted: Any, tmp_path: Path) -> None:
    executable, _ = scripted({"attach": {"stdout": "x" * 10000}})
    with pytest.raises(InDoubt, match="more than is read"):
        await Executable(executable.path, Limits(output_bytes=5000)).call("attach")


async def test_long_messages_are_cut(scripted: Any) -> None:
    executable, _ = scripted({"attach": {"response": {"status": "Failure", "message": "x" * 100000}}})
    with pytest.raises(Failed) as caught:
        await executable.call("attach")
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("mode", [None, 0o644])
async def test_what_can_not_be_run_has_done_nothing(tmp_path: Path, mode: int | None) -> None:
    path = tmp_path / "driver"
    if mode is not None:
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
    with pytest.raises(Failed, match="can not be run"):
        await Executable(path).call("init")


@pytest.mark.parametrize("table", [{"mount": FAILURE}, {"mount": {"stdout": "garbage"}}, {}])
async def test_arguments_are_in_no_message(scripted: Any, table: dict[str, Any]) -> None:
    executable, _ = scripted(table)
    with pytest.raises(PluginError) as caught:
        await executable.call("mount", "/target", '{"kubernetes.io/secret/key":"czNjcmV0"}')
    assert "czNjcmV0" not in str(caught.value)


async def test_a_null_byte_in_an_argument_is_an_error_of_ours(scripted: Any) -> None:
    executable, _ = scripted({})
    with pytest.raises(Failed, match="can not be run"):
        await executable.call("detach", "a\0b", "n1")
