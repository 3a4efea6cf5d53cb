"""The fixtures for every folder of tests: `kubectl`, `volume_plugins` and `control_plane`.

What the chosen tests need is found, or built, after the collection: a build of minutes belongs to no single test's
deadline. Where it is missing those tests skip with one line that says so; in CI they fail.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.controlplane.binaries import SERVERS, Binaries, Binary, MissingBinaryError
from tests.controlplane.build import BuildError
from tests.controlplane.plane import ControlPlane, control_plane

_BINARIES: Final = pytest.StashKey[Binaries]()
_NEEDED: Final = {
    "kubectl": ("kubectl",),
    "volume_plugins": ("volume-plugins",),
    "control_plane_binaries": SERVERS,
}


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_BINARIES] = Binaries(say=lambda line: _tell(config, line))


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    for name in (name for fixture, names in _NEEDED.items() if fixture in asked for name in names):
        try:
            session.config.stash[_BINARIES].get(name)
        except (MissingBinaryError, BuildError) as error:
            _tell(session.config, f"the tests that need {name} can not run: {error}")


@pytest.fixture(scope="session")
def kubectl(pytestconfig: pytest.Config) -> Path:
    """A kubectl that works."""
    return _get(pytestconfig, "kubectl").path


@pytest.fixture(scope="session")
def volume_plugins(pytestconfig: pytest.Config) -> Path:
    """The program that asks kube-scheduler's volume plugins about clusters of JSON."""
    return _get(pytestconfig, "volume-plugins").path


@pytest.fixture(scope="session")
def control_plane_binaries(pytestconfig: pytest.Config) -> Binaries:
    """Binaries of which the four servers are known to be there."""
    for name in SERVERS:
        _get(pytestconfig, name)
    return pytestconfig.stash[_BINARIES]


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="control_plane")
async def shared_control_plane(
    control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ControlPlane]:
    """One control plane for all tests of a run: each works in a namespace of its own, and cleans up what has none."""
    async with control_plane(tmp_path_factory.mktemp("controlplane"), control_plane_binaries) as running:
        yield running


def _get(config: pytest.Config, name: str) -> Binary:
    try:
        return config.stash[_BINARIES].get(name)
    except MissingBinaryError as error:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    except BuildError as error:
        pytest.fail(str(error), pytrace=False)


def _tell(config: pytest.Config, line: str) -> None:
    """Past pytest's capture: whoever waits wants to know what for."""
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line(line)
