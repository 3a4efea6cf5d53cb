"""The embedded API server as a whole: store, API, HTTPS, the standard namespaces, and its own controllers.

`serve` is for whoever embeds it; `run` is the process behind `lading sandbox`.
"""

import asyncio
import base64
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
import yaml
from prometheus_client import CollectorRegistry

from sandbox import rules
from sandbox.admission import open_admission
from sandbox.api import Api
from sandbox.attributes import ADMIN
from sandbox.collector import Collector
from sandbox.durable import open_store
from sandbox.errors import ApiError
from sandbox.http.app import ApiServer
from sandbox.http.identity import Identities
from sandbox.kinds import Kinds
from sandbox.node import Nodes
from sandbox.store import Store
from sandbox.tls import Credentials, prepare
from serving.site import parse_listen
from serving.site import serve as serve_site

log = structlog.get_logger()

NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")


@dataclass(frozen=True)
class SandboxSettings:
    """How to run one."""

    listen: str = "127.0.0.1:0"
    """HOST:PORT; port 0 asks for a free one."""
    data: Path | None = None
    """The folder that keeps everything; None keeps nothing."""
    run_pods: bool = True
    """Play kubelet: pods that are bound become Running, pods that are deleted end."""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)


@dataclass(frozen=True)
class Sandbox:
    """A running server."""

    url: str
    credentials: Credentials
    api: Api

    def kubeconfig(self) -> str:
        """A kubeconfig for its administrator."""
        return _kubeconfig(self.url, self.credentials)

    def write_kubeconfig(self, path: Path) -> None:
        """The kubeconfig as a file that its owner alone may read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.kubeconfig())
        partial.replace(path)


@asynccontextmanager
async def serve(settings: SandboxSettings) -> AsyncIterator[Sandbox]:
    """A server while the block runs.

    Raises:
        DataInUseError: another server uses the data folder.
        ListenError: the address can not be listened on.
    """
    with _store(settings.data) as (store, folder):
        host, _ = parse_listen(settings.listen)
        context, credentials = await asyncio.to_thread(prepare, folder, host)
        kinds = Kinds()
        async with open_admission(store, kinds) as admission:
            api = Api(store, kinds, rules, admission)
            await _ensure_namespaces(api)
            stopping = asyncio.Event()
            server = ApiServer(api, Identities({credentials.token: ADMIN}), settings.registry, stopping)
            async with (
                serve_site(server.application(), settings.listen, context, drain_seconds=2.0) as url,
                _background(api, run_pods=settings.run_pods),
            ):
                try:
                    yield Sandbox(url, credentials, api)
                finally:
                    stopping.set()


async def run(settings: SandboxSettings, kubeconfig: Path, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Serve until `stop`; the kubeconfig is written before `ready` is told the URL."""
    async with serve(settings) as sandbox:
        await asyncio.to_thread(sandbox.write_kubeconfig, kubeconfig)
        ready(sandbox.url)
        await stop.wait()


@contextmanager
def _store(data: Path | None) -> Iterator[tuple[Store, Path]]:
    """The store, and the folder for what belongs to it."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="lading-sandbox-") as folder:
            yield Store(), Path(folder)
    else:
        with open_store(data) as store:
            yield store, data


@asynccontextmanager
async def _background(api: Api, *, run_pods: bool) -> AsyncIterator[None]:
    """The parts that follow what is written, ended with the block."""
    async with asyncio.TaskGroup() as group:
        parts = [Collector(api).run(), *([Nodes(api).run()] if run_pods else [])]
        tasks = [group.create_task(part) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _ensure_namespaces(api: Api) -> None:
    kind = api.kind("v1", "Namespace")
    for name in NAMESPACES:
        with contextlib.suppress(ApiError):
            await api.create(kind, "", {"metadata": {"name": name}})


def _kubeconfig(url: str, credentials: Credentials) -> str:
    authority = base64.b64encode(credentials.ca.encode()).decode()
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "lading-sandbox", "cluster": {"server": url, "certificate-authority-data": authority}}
            ],
            "users": [{"name": "lading-sandbox", "user": {"token": credentials.token}}],
            "contexts": [
                {"name": "lading-sandbox", "context": {"cluster": "lading-sandbox", "user": "lading-sandbox"}}
            ],
            "current-context": "lading-sandbox",
        },
        sort_keys=False,
    )
