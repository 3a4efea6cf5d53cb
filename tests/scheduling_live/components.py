"""Lading's commands as processes of their own, as an administrator runs them: killed, and started again in place."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import yaml

from deploy.rbac import Component as Role
from deploy.rbac import Mode, Names, roles
from deploy.scheduler import Trust, configuration
from model.meta import JSON
from tests.controlplane.guard import Guard, guarding
from tests.controlplane.plane import ControlPlane
from tests.sandbox.kubectl.tool import Kubectl

ROOT: Final = Path(__file__).parents[2]
NAMESPACE: Final = "lading"
_READY_WITHIN_SECONDS: Final = 60.0
_STOPS_WITHIN_SECONDS: Final = 30.0
_SHOWN_LOG_BYTES: Final = 4_000


@dataclass
class Command:
    """A long-running command, at the same address at every start."""

    arguments: Sequence[str]
    log: Path
    url: str = ""
    _guard: Guard | None = field(default=None, repr=False)
    _process: Process | None = field(default=None, repr=False)

    @property
    def runs(self) -> bool:
        """Whether it was started, and neither killed nor stopped since."""
        return self._process is not None

    @property
    def ended(self) -> bool:
        """Whether it has ended although nobody asked it to, as one does that has lost its lease."""
        return self._process is not None and self._process.returncode is not None

    def forget(self) -> None:
        """Of one that has ended: what it was, so that it can be started again."""
        assert self._process is not None
        assert self._guard is not None
        self._guard.remove(self._process.pid)
        self._process = None

    @property
    def pid(self) -> int:
        """Of its process, which runs."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it says that it listens."""
        where = urlsplit(self.url).netloc or "127.0.0.1:0"
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lading", *self.arguments, "--listen", where),
                cwd=ROOT,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._guard is not None
        self._guard.add(self._process.pid)
        assert self._process.stdout is not None
        async with asyncio.timeout(_READY_WITHIN_SECONDS):
            line = (await self._process.stdout.readline()).decode()
        found = re.fullmatch(r"listening (https?://\S+)\n", line)
        assert found, f"{self.arguments[0]} did not start: {line}{self._end_of_log()}"
        self.url = found[1]

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """End it as asked; its status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.returncode is None, f"{self.arguments[0]} ended unasked: {self._end_of_log()}"
        process.send_signal(number)
        try:
            async with asyncio.timeout(_STOPS_WITHIN_SECONDS):
                _ = await process.communicate()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert self._guard is not None
        self._guard.remove(process.pid)
        assert process.returncode is not None
        return process.returncode

    def _end_of_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-_SHOWN_LOG_BYTES:]


@dataclass(frozen=True)
class Installed:
    """Lading as it is registered with a control plane: certificates, service accounts and roles."""

    plane: ControlPlane
    folder: Path
    mode: Mode
    _guard: Guard = field(repr=False)

    @property
    def certs(self) -> Path:
        """The folder of `lading certs issue`."""
        return self.folder / "certs"

    @asynccontextmanager
    async def running(self, command: str, *more: str) -> AsyncIterator[Command]:
        """A command, served over TLS, with the rights of its own service account."""
        kubeconfig = await self.plane.kubeconfig_for_service_account(NAMESPACE, f"lading-{command}")
        arguments = [command, "--kubeconfig", str(kubeconfig), "--certs", str(self.certs), *more]
        started = Command(arguments, self.folder / f"{command}.log", _guard=self._guard)
        try:
            await started.start()
            yield started
        except BaseException:
            await started.kill()
            raise
        assert await started.stop() == 0, f"{command} did not end cleanly"

    def scheduler_config(self, url: str) -> JSON:
        """What `lading config scheduler` prints, with less time between the attempts to place a pod."""
        trust = Trust(self.certs / "ca.crt", self.certs / "scheduler.crt", self.certs / "scheduler.key")
        return {**configuration(self.mode, url, trust), "podInitialBackoffSeconds": 1, "podMaxBackoffSeconds": 2}


@asynccontextmanager
async def installed(plane: ControlPlane, kubectl: Path, folder: Path, mode: Mode) -> AsyncIterator[Installed]:
    """Lading on a control plane while the block runs."""
    async with AsyncExitStack() as stack:
        guard = await stack.enter_async_context(guarding())
        for namespace, manifests in _manifests(mode).items():
            admin = Kubectl(kubectl, plane.kubeconfig, folder, namespace)
            await admin("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests, sort_keys=False))
            stack.push_async_callback(_remove, admin, manifests)
        made = Installed(plane, folder, mode, guard)
        await issue(made.certs)
        yield made


async def issue(folder: Path) -> None:
    """`lading certs issue`."""
    command = (sys.executable, "-m", "lading", "certs", "issue", "--dir", str(folder))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)
    out, errors = await process.communicate()
    assert process.returncode == 0, (out + errors).decode()


def _manifests(mode: Mode) -> dict[str, list[JSON]]:
    """What `lading config rbac` prints, by the namespace that it is applied to."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    found: dict[str, list[JSON]] = {NAMESPACE: [namespace]}
    for part in Role:
        if mode is Mode.INSTEAD or part is not Role.CONTROLLERS:
            for manifest in roles(part, mode=mode, names=Names(namespace=NAMESPACE)):
                found.setdefault(manifest["metadata"].get("namespace", NAMESPACE), []).append(manifest)
    return found


async def _remove(admin: Kubectl, manifests: list[JSON]) -> None:
    """All but the namespace, which would need a controller to go."""
    kept = yaml.safe_dump_all(each for each in manifests if each["kind"] != "Namespace")
    await admin("delete", "-f", "-", "--ignore-not-found", stdin=kept)
