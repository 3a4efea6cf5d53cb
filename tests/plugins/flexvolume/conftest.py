"""A driver that is scripted, on a host that only records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.commands import Limits
from plugins.flexvolume.answer import Capabilities
from plugins.flexvolume.call import Executable
from plugins.flexvolume.driver import Driver
from plugins.host import Host
from plugins.source import Source
from tests.plugins.flexvolume.drivers import ScriptedDriver
from tests.plugins.objects import persistent

SUCCESS = {"response": {"status": "Success"}}
UNSUPPORTED = {"response": {"status": "Not supported"}}
FAILURE = {"response": {"status": "Failure", "message": "backend busy"}, "exit": 1}
SHORT = Limits(seconds=20, grace_seconds=20)


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[[dict[str, Any]], tuple[Executable, ScriptedDriver]]:
    """An executable that answers by a table."""

    def make(table: dict[str, Any]) -> tuple[Executable, ScriptedDriver]:
        driver = ScriptedDriver(tmp_path / "scripted", table)
        return Executable(driver.install(tmp_path / "bin" / "disk"), SHORT), driver

    return make


@pytest.fixture
def driver(
    scripted: Callable[[dict[str, Any]], tuple[Executable, ScriptedDriver]], recorded_host: Host
) -> Callable[..., tuple[Driver, ScriptedDriver]]:
    """A loaded driver that answers by a table."""

    def make(table: dict[str, Any], **capabilities: bool) -> tuple[Driver, ScriptedDriver]:
        executable, record = scripted(table)
        return Driver("acme.io/disk", executable, Capabilities(**capabilities), recorded_host), record

    return make


def flex(name: str = "pv-a", *, read_only: bool = False, **more: Any) -> Source:
    source = {"driver": "acme.io/disk", **more.pop("source", {})}
    return persistent(name, read_only=read_only, flexVolume=source, **more)
