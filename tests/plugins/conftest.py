"""Hosts for plugins: with real mounts where this user may mount, with recorded ones everywhere."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from plugins.host import Host
from plugins.mounts import LinuxMounts, read_table
from tests.plugins.mounts import RecordedMounts, RecordedOwnership

CAP_SYS_RESOURCE = 24


@cache
def why_no_mounts() -> str:
    """Why nothing can be mounted here, or ""."""
    if os.geteuid() != 0:
        return "real mounts need root"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, text=True, check=False)
        if tried.returncode:
            return f"this environment does not let root mount: {tried.stderr.strip()}"
        subprocess.run(["umount", folder], check=True)
    return ""


@pytest.fixture
def real_mounts(tmp_path: Path) -> Iterator[LinuxMounts]:
    """Mounts of the system; whatever a failed test left beneath its folder is unmounted."""
    if reason := why_no_mounts():
        pytest.skip(f"not tested here: {reason}")
    yield LinuxMounts()
    left = [entry.target for entry in read_table() if Path(entry.target).is_relative_to(tmp_path)]
    for target in reversed(left):
        subprocess.run(["umount", "--lazy", target], check=True)
    assert left == [], "a test leaves nothing mounted"


@pytest.fixture
def loop_device(tmp_path: Path, real_mounts: LinuxMounts) -> Iterator[Path]:
    """A blank block device of 64 MiB."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    tried = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"not tested here: no loop device can be had: {tried.stderr.strip()}")
    device = tried.stdout.strip()
    yield Path(device)
    subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture
def may_resize() -> None:
    """The kernel lets nobody else grow a mounted file system."""
    status = Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0]
    if not int(status, 16) >> CAP_SYS_RESOURCE & 1:
        pytest.skip("not tested here: growing a mounted file system needs CAP_SYS_RESOURCE")


@pytest.fixture
def recorded_mounts() -> RecordedMounts:
    return RecordedMounts()


@pytest.fixture
def recorded_host(tmp_path: Path, recorded_mounts: RecordedMounts) -> Host:
    ownership = RecordedOwnership()
    return Host(tmp_path / "node", recorded_mounts, ownership=ownership, labels={"kubernetes.io/hostname": "n1"})


@pytest.fixture
def real_host(tmp_path: Path, real_mounts: LinuxMounts) -> Host:
    return Host(tmp_path / "node", real_mounts, labels={"kubernetes.io/hostname": "n1"})
