"""The specification's own suite, csi-sanity, against the driver; where it is installed.

`go install github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@v5.6.0` puts it on PATH.
"""

import asyncio
import shutil
from pathlib import Path

import pytest

from plugins.csi.hostpath.driver import running
from plugins.csi.hostpath.settings import GI, Settings
from plugins.mounts import LinuxMounts

WAYS = {
    "directories": (0, ()),
    "devices": (0, ("--csi.testvolumeaccesstype=block",)),
    "a limit": (5, ("--csi.testnodevolumeattachlimit",)),
}


@pytest.fixture
def sanity() -> str:
    found = shutil.which("csi-sanity")
    if found is None:
        pytest.skip("not tested here: csi-sanity is not on PATH")
    return found


@pytest.mark.parametrize("way", WAYS)
async def test_sanity(
    sanity: str, real_mounts: LinuxMounts, loop_device: Path, tmp_path_factory: pytest.TempPathFactory, way: str
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
    assert suite.returncode == 0, output.decode()[-5000:]
