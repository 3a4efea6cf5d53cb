"""Kubernetes' external-provisioner, as a peer: named by a variable, on PATH, else built by Go once and kept.

Its module replaces others, so `go install` refuses it: a copy of its folder is built.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.controlplane.build import BuildError, Say, cache_folder

VARIABLE: Final = "LADING_EXTERNAL_PROVISIONER"
NAME: Final = "csi-provisioner"
VERSION: Final = "v6.4.0"
MODULE: Final = f"github.com/kubernetes-csi/external-provisioner/v6@{VERSION}"


def external_provisioner(say: Say) -> Path | None:
    """The binary; None where it is neither here nor can be built, as there is no Go.

    Raises:
        BuildError: what the variable names is not there, or Go failed.
    """
    if named := os.environ.get(VARIABLE):
        if not Path(named).is_file():
            raise BuildError(f"${VARIABLE}: there is no {named}")
        return Path(named).absolute()
    if found := shutil.which(NAME):
        return Path(found)
    folder = cache_folder(os.environ) / f"{NAME}-{VERSION}"
    binary, go = folder / NAME, shutil.which("go")
    if binary.exists() or go is None:
        return binary if binary.exists() else None
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            say(f"building {NAME} {VERSION}: once, and up to 10 minutes on 2 cores; kept in {folder}")
            _build(go, binary)
    return binary


def _build(go: str, binary: Path) -> None:
    told = json.loads(_go(go, ["mod", "download", "-json", MODULE]))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        shutil.copytree(told["Dir"], source, copy_function=shutil.copyfile)
        for each in (source, *source.rglob("*")):  # modules are kept read-only
            each.chmod(0o755 if each.is_dir() else 0o644)
        # Under its own name only when it is whole.
        part = binary.with_suffix(".part")
        _go(
            go,
            ["build", "-trimpath", "-ldflags", f"-X main.version={VERSION}", "-o", str(part), "./cmd/csi-provisioner"],
            source,
        )
        part.rename(binary)


def _go(go: str, arguments: list[str], place: Path | None = None) -> str:
    settings = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    done = subprocess.run(
        [go, *arguments], cwd=place, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"go {' '.join(arguments[:2])} failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout
