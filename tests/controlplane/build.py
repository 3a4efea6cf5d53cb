"""Building the programs of `go/` once, into the user's cache folder.

A program's folder there is named by the versions and by a hash of all that it is made from, so what is found is what
would be built; it appears under its name only when complete, whoever else builds at the time.
"""

import fcntl
import hashlib
import platform
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.controlplane.release import MODULE, Release, numbers, release

Say = Callable[[str], object]
"""Where progress is told, a line at a time."""

_FLAGS: Final = ("-trimpath", "-buildvcs=false", "-mod=readonly")
_STAMPED: Final = ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")
_SAY_EVERY_SECONDS: Final = 15.0


class NoGoError(Exception):
    """There is no Go here, or too old a one."""


class BuildError(Exception):
    """Go could not build it; the message holds the end of what Go said."""


@dataclass(frozen=True)
class Program:
    """A main package of the module, and the binaries that it is, each by its name."""

    package: str
    binaries: tuple[str, ...]


PROGRAMS: Final = (
    Program("kubectl", ("kubectl",)),
    Program("servers", ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")),
    Program("scheduling", ("volume-plugins",)),
)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where what was built is kept: in $XDG_CACHE_HOME, which counts only when absolute, or ~/.cache."""
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    base = named if named.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
    return base / "lading" / "controlplane"


def folder_name(program: Program, module: Path = MODULE) -> str:
    """The versions for people, the hash for certainty: `servers-v1.37.2-etcd-v3.7.0-linux-x86_64-0123456789ab`."""
    of, digest = release(module), hashlib.sha256()
    for part in (_arguments(of), *sorted(_sources(program, module))):
        digest.update(repr(part).encode())
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return f"{program.package}-{of.kubernetes}-etcd-{of.etcd}-{machine}-{digest.hexdigest()[:12]}"


def built(program: Program, cache: Path, module: Path = MODULE) -> Path | None:
    """The folder that holds the program's binaries, if it was built before."""
    folder = cache / folder_name(program, module)
    return folder if folder.is_dir() else None


def build(program: Program, environ: Mapping[str, str], say: Say, module: Path = MODULE) -> Path:
    """Build a program unless that was done, and return the folder of its binaries. Of two builders, one waits.

    Raises:
        NoGoError: there is no Go on PATH that is new enough.
        BuildError: Go failed, or the cache folder can not be written.
    """
    cache = cache_folder(environ)
    if found := built(program, cache, module):
        return found
    go = _find_go(environ, release(module))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache / f"{program.package}.lock", say):
            return built(program, cache, module) or _build(go, program, cache, environ, say, module)
    except OSError as error:
        raise BuildError(f"{cache} can not be written: {error}; set XDG_CACHE_HOME to a folder that can") from error


def _build(go: str, program: Program, cache: Path, environ: Mapping[str, str], say: Say, module: Path) -> Path:
    of, target = release(module), cache / folder_name(program, module)
    say(
        f"building {', '.join(program.binaries)} of Kubernetes {of.kubernetes} with {go}: once, and up to 15 minutes "
        f"on 2 cores when nothing of it was built before; kept in {target}"
    )
    # Left behind by a builder that was killed: nobody else holds the lock.
    partial = cache / f".{program.package}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    began = time.monotonic()
    _go_build(go, [*_arguments(of), "-o", str(partial / "program"), f"./{program.package}"], environ, say, module)
    for name in program.binaries:
        (partial / name).symlink_to("program")
    partial.rename(target)
    say(f"built {', '.join(program.binaries)} in {time.monotonic() - began:.0f} s")
    return target


def _go_build(go: str, arguments: list[str], environ: Mapping[str, str], say: Say, module: Path) -> None:
    settings = {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    env = {name: value for name, value in environ.items() if name not in {"GOOS", "GOARCH"}} | settings
    command = [go, "build", "-v", *arguments]
    with subprocess.Popen(command, cwd=module, env=env, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        try:
            told = _follow(process.stderr or (), say)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise BuildError("\n".join([f"go build failed with status {process.returncode}:", *told]))


def _follow(lines: Iterator[str] | tuple[()], say: Say) -> list[str]:
    """Count the packages that go names as it compiles them; return the last of all the rest that it says."""
    compiled, rest = 0, deque[str](maxlen=20)
    began = said = time.monotonic()
    for line in map(str.rstrip, lines):
        if re.fullmatch(r"[\w.~/-]+", line):
            compiled += 1
        else:
            rest.append(line)
        if time.monotonic() - said >= _SAY_EVERY_SECONDS:
            said = time.monotonic()
            say(f"  {said - began:4.0f} s: {compiled} packages compiled, now {line}")
    return list(rest)


def _find_go(environ: Mapping[str, str], of: Release) -> str:
    go = shutil.which("go", path=environ.get("PATH", ""))
    if go is None:
        raise NoGoError(f"there is no Go on PATH (Go {of.go} or newer builds what is missing)")
    version = subprocess.run([go, "version"], capture_output=True, text=True, timeout=60, check=False).stdout
    if numbers(version) < numbers(of.go):
        raise NoGoError(
            f"{go} is too old or does not run ({version.strip() or 'no version'}): {of.go} or newer builds it"
        )
    return go


def _arguments(of: Release) -> list[str]:
    major, minor, *_ = numbers(of.kubernetes)
    stamps = {"gitVersion": of.kubernetes, "gitMajor": major, "gitMinor": minor}
    stamped = [f"-X {package}.{name}={value}" for package in _STAMPED for name, value in stamps.items()]
    return [*_FLAGS, "-ldflags", " ".join(["-s", "-w", *stamped])]


def _sources(program: Program, module: Path) -> Iterator[tuple[str, bytes]]:
    for path in (module / "go.mod", module / "go.sum", *(module / program.package).glob("*.go")):
        yield str(path.relative_to(module)), path.read_bytes()


@contextmanager
def _alone(lock: Path, say: Say) -> Iterator[None]:
    """While the block runs, nobody else holds the lock; it falls with the process that holds it."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is building; waiting for it ({lock})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
