"""The specification's own suite, csi-sanity, against the driver: on PATH, or built by Go in a minute or two."""

import asyncio
import os
import re
from pathlib import Path

import pytest
import structlog

from plugins.csi.hostpath.driver import running
from plugins.csi.hostpath.settings import GI, Settings
from plugins.mounts import LinuxMounts
from tests.plugins.csi.sanity import csi_sanity

log = structlog.get_logger()

WAYS = {
    "directories": (0, ()),
    "devices": (0, ("--csi.testvolumeaccesstype=block",)),
    "a limit": (5, ("--csi.testnodevolumeattachlimit",)),
}


@pytest.fixture(scope="module")
def sanity() -> Path:
    found = csi_sanity()
    if found is None:
        why = "csi-sanity is not on PATH, and there is no Go to build it"
        (pytest.fail if os.environ.get("CI", "").lower() in {"1", "true"} else pytest.skip)(why)
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", WAYS)
async def test_sanity(
    sanity: Path, real_mounts: LinuxMounts, loop_device: Path, tmp_path_factory: pytest.TempPathFactory, way: str
) -> None:
    folder = tmp_path_factory.mktemp("sanity")
    limit, more = WAYS[way]
    endpoint = f"unix://{folder}/csi.sock"
    settings = Settings(
        state=folder / "state", node_id="n1", endpoint=endpoint, capacity_bytes=2048 * GI, max_volumes_per_node=limit
    )
    paths = (f"--csi.mountdir={folder}/target", f"--csi.stagingdir={folder}/staging")
    async with running(settings, real_mounts):
        suite = await asyncio.create_subprocess_exec(
            sanity, f"--csi.endpoint={endpoint}", *paths, *more, "--ginkgo.no-color", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await suite.communicate()
    told = output.decode()
    assert suite.returncode == 0, told[-5000:]
    passed = re.search(r"(\d+) Passed", told)
    assert passed, told[-500:]
    log.info("csi-sanity", with_=way, specs_passed=int(passed[1]))
    assert int(passed[1]) >= 80
