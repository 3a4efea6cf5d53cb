"""Finding the binaries: in $KUBEBUILDER_ASSETS, as for envtest; on PATH; else built from `go/` once.

What is found before it is built counts only if it runs, and if it is not too old: 1.34 for the servers, 3.5 for etcd.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.controlplane.build import PROGRAMS, BuildError, NoGoError, Program, Say, build
from tests.controlplane.release import numbers

SERVERS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
NAMES: Final = ("kubectl", *SERVERS, "volume-plugins")

_OLDEST: Final = {"etcd": (3, 5), "kubectl": (1,)}
_OLDEST_SERVER: Final = (1, 34)
_RUNS_WITHIN_SECONDS: Final = 60.0


class MissingBinaryError(Exception):
    """A binary is not here and can not be built; one line says what was tried."""


class SkewError(Exception):
    """Two binaries, found in different places, are of releases that do not go together."""


@dataclass(frozen=True)
class Binary:
    """A binary that runs, its version, and where it was found: `$KUBEBUILDER_ASSETS`, `PATH` or `built`."""

    name: str
    path: Path
    version: tuple[int, ...]
    origin: str

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))} {self.path} ({self.origin})"


@dataclass
class Binaries:
    """The binaries of this machine, each looked for once, when first asked for."""

    say: Say
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _known: dict[str, Binary | MissingBinaryError | BuildError] = field(default_factory=dict)

    def get(self, name: str) -> Binary:
        """The binary of this name; may build it, which takes minutes.

        Raises:
            MissingBinaryError: there is none and it can not be built here.
            BuildError: Go failed to build it.
        """
        if name not in self._known:
            try:
                self._known[name] = find(name, self.environ, self.say)
            except (MissingBinaryError, BuildError) as error:
                self._known[name] = error
        found = self._known[name]
        if isinstance(found, Binary):
            return found
        raise found


def find(name: str, environ: Mapping[str, str], say: Say) -> Binary:
    """Look for one binary in the order above, and build it when there is none.

    Raises:
        MissingBinaryError: there is none, and no Go to build it.
        BuildError: Go failed to build it.
    """
    refused = []
    for path, origin in _candidates(name, environ):
        version = _version(name, path)
        if version >= _oldest(name):
            return Binary(name, path, version, origin)
        refused.append(f"{path} {'is ' + '.'.join(map(str, version)) if version else 'does not run'}")
    try:
        path = build(_program(name), environ, say) / name
    except NoGoError as error:
        why = "; ".join([*refused, str(error)])
        raise MissingBinaryError(f"no {name} in $KUBEBUILDER_ASSETS or on PATH, and {why}") from error
    version = _version(name, path)
    if not version:
        raise BuildError(f"{path} was built but does not run; remove its folder to build it again")
    return Binary(name, path, version, "built")


def check_skew(server: Binary, apiserver: Binary) -> None:
    """A server may be as new as the API server, not newer: https://kubernetes.io/releases/version-skew-policy/.

    Raises:
        SkewError: it is of a newer minor release.
    """
    if server.version[:2] > apiserver.version[:2]:
        raise SkewError(
            f"{server} is newer than {apiserver}: put the {server.name} of that release beside it, or unset "
            "KUBEBUILDER_ASSETS"
        )


def _candidates(name: str, environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for folder, origin in ((environ.get("KUBEBUILDER_ASSETS"), "$KUBEBUILDER_ASSETS"), (environ.get("PATH"), "PATH")):
        if folder and (path := shutil.which(name, path=folder)):
            yield Path(path).absolute(), origin


def _version(name: str, path: Path) -> tuple[int, ...]:
    """What the binary says of itself; () when it does not run."""
    asked = [str(path), *(("version", "--client") if name == "kubectl" else ("--version",))]
    try:
        answer = subprocess.run(
            asked, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_RUNS_WITHIN_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return numbers(answer.stdout) if answer.returncode == 0 else ()


def _oldest(name: str) -> tuple[int, ...]:
    return _OLDEST.get(name, _OLDEST_SERVER)


def _program(name: str) -> Program:
    for program in PROGRAMS:
        if name in program.binaries:
            return program
    raise ValueError(f"{name!r} is none of {', '.join(NAMES)}")
