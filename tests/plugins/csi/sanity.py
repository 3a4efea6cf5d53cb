"""Finding csi-sanity: on PATH, else built by Go once and kept in the user's cache folder."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.controlplane.build import BuildError, cache_folder

VERSION: Final = "v5.6.0"
PACKAGE: Final = "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"


def csi_sanity() -> Path | None:
    """The suite's binary; None where it is not installed and there is no Go to build it.

    Raises:
        BuildError: Go failed.
    """
    if found := shutil.which("csi-sanity"):
        return Path(found)
    folder = cache_folder(os.environ) / f"csi-sanity-{VERSION}"
    binary = folder / "csi-sanity"
    go = shutil.which("go")
    if binary.exists() or go is None:
        return binary if binary.exists() else None
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _install(go, folder)
    return binary


def _install(go: str, folder: Path) -> None:
    settings = {"GOBIN": str(folder), "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    done = subprocess.run(
        [go, "install", "-trimpath", f"{PACKAGE}@{VERSION}"],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"go install {PACKAGE}@{VERSION} failed:\n{done.stderr[-2000:]}")
