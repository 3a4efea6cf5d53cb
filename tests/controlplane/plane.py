"""A control plane on loopback: etcd and kube-apiserver, and with them kube-scheduler and kube-controller-manager.

Nodes are objects: no kubelet runs, so pods are bound and then stay as they are until a test writes their status.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from certs.issue import User
from tests.controlplane import credentials, flags
from tests.controlplane.binaries import Binaries, check_skew
from tests.controlplane.credentials import Pki
from tests.controlplane.guard import Guard, guarding
from tests.controlplane.ports import LOOPBACK, reserved
from tests.controlplane.processes import Ready, Server, running


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane."""

    url: str
    """Of the API server, without a trailing slash."""
    kubeconfig: Path
    """For the administrator."""
    pki: Pki
    folder: Path
    """Kubeconfigs, logs, keys, and the data of etcd."""
    binaries: Binaries
    servers: tuple[Server, ...]
    """etcd and kube-apiserver."""
    _guard: Guard = field(repr=False)
    etcd_url: str = ""
    """Of etcd, which anybody on this machine may ask."""

    @property
    def token(self) -> str:
        """The administrator's, for the Authorization header."""
        return self.pki.admin_token

    def kubeconfig_for(self, user: User, namespace: str = "default") -> Path:
        """A kubeconfig for any user, who is known by a new certificate and may do what RBAC lets him."""
        return self._write_kubeconfig(user.name, credentials.user_entry(self.pki, user), namespace)

    async def kubeconfig_for_service_account(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a service account, which must be there; the token is good for a day.

        Raises:
            aiohttp.ClientResponseError: the API server does not give one.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        wanted = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 86400},
        }
        async with self.client() as client, client.post(path, json=wanted, raise_for_status=True) as answer:
            token = (await answer.json())["status"]["token"]
        return self._write_kubeconfig(f"{namespace}.{name}", {"token": token}, namespace)

    def client(self) -> aiohttp.ClientSession:
        """An HTTP client of the API server as its administrator, for paths below its URL."""
        return _admin(self.url, self.pki)

    @asynccontextmanager
    async def scheduler(
        self, config: Mapping[str, Any] | None = None, more: Sequence[str] = ()
    ) -> AsyncIterator[Server]:
        """kube-scheduler while the block runs.

        Args:
            config: a KubeSchedulerConfiguration; where it connects to is filled in, the election is off.
            more: further flags; a later one wins over an earlier.
        """
        kubeconfig = await asyncio.to_thread(self.kubeconfig_for, User("system:kube-scheduler"))
        file = self.folder / "scheduler.json"
        file.write_text(json.dumps(flags.scheduler_config(config or {}, kubeconfig)), encoding="utf-8")
        with reserved(1) as (port,):
            wanted = [*flags.scheduler(file, kubeconfig, self.pki, port), *more]
            async with self._running("kube-scheduler", wanted, f"https://{LOOPBACK}:{port}/readyz") as server:
                yield server

    @asynccontextmanager
    async def controller_manager(
        self, controllers: str = flags.CONTROLLERS, more: Sequence[str] = ()
    ) -> AsyncIterator[Server]:
        """kube-controller-manager while the block runs.

        Args:
            controllers: in the notation of its flag: `*` for those on by default, names, `-name`.
            more: further flags; a later one wins over an earlier.
        """
        # Its own role only makes the service accounts that its controllers then use: many clients where one will do.
        user = User("system:kube-controller-manager", credentials.ADMIN.groups)
        kubeconfig = await asyncio.to_thread(self.kubeconfig_for, user)
        with reserved(1) as (port,):
            wanted = [*flags.controller_manager(controllers, kubeconfig, self.pki, port), *more]
            async with self._running("kube-controller-manager", wanted, f"https://{LOOPBACK}:{port}/healthz") as server:
                yield server

    @asynccontextmanager
    async def _running(self, name: str, wanted: list[str], probe: str) -> AsyncIterator[Server]:
        binary = await asyncio.to_thread(self.binaries.get, name)
        check_skew(binary, self.servers[1].binary)
        log = self.folder / f"{name}.log"
        async with (
            self.client() as client,
            running(binary, wanted, log, _answers(client, probe), self._guard) as server,
        ):
            yield server

    def _write_kubeconfig(self, name: str, user: dict[str, str], namespace: str) -> Path:
        path = self.folder / f"{name.replace(':', '_')}.kubeconfig"
        return credentials.write_private(path, credentials.kubeconfig(self.url, self.pki, user, namespace))


@asynccontextmanager
async def control_plane(
    folder: Path, binaries: Binaries, *, durable: bool = False, more: Sequence[str] = ()
) -> AsyncIterator[ControlPlane]:
    """etcd and kube-apiserver while the block runs, from when they are ready.

    Args:
        folder: for everything that they write. What etcd holds there is there again at the next start; keys and
            kubeconfigs are made anew.
        binaries: where they are found; building them here would take minutes.
        durable: whether writes wait for the disk.
        more: further flags of kube-apiserver; a later one wins over an earlier.

    Raises:
        MissingBinaryError: a binary is not here and can not be built.
        BuildError: Go failed to build it.
        ServerError: a server ended, or was not ready in time.
    """
    folder = await asyncio.to_thread(folder.resolve)
    pki = await asyncio.to_thread(credentials.create, folder / "pki")
    etcd, apiserver = [await asyncio.to_thread(binaries.get, name) for name in ("etcd", "kube-apiserver")]
    with reserved(3) as numbers:
        ports = flags.Ports(*numbers)
        etcd_flags = flags.etcd(folder / "etcd", ports, durable=durable)
        apiserver_flags = [*flags.apiserver(pki, ports), *more]
        async with (
            guarding() as guard,
            _admin(ports.apiserver_url, pki) as client,
            running(
                etcd, etcd_flags, folder / "etcd.log", _answers(client, f"{ports.etcd_url}/readyz"), guard
            ) as first,
            running(apiserver, apiserver_flags, folder / "kube-apiserver.log", _is_set_up(client), guard) as second,
        ):
            admin = credentials.kubeconfig(ports.apiserver_url, pki, {"token": pki.admin_token})
            kubeconfig = credentials.write_private(folder / "admin.kubeconfig", admin)
            servers = (first, second)
            yield ControlPlane(
                ports.apiserver_url, kubeconfig, pki, folder, binaries, servers, guard, etcd_url=ports.etcd_url
            )


def _admin(url: str, pki: Pki) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=pki.ca)),
        headers={"Authorization": f"Bearer {pki.admin_token}"},
        timeout=aiohttp.ClientTimeout(total=30.0),
    )


def _answers(client: aiohttp.ClientSession, url: str) -> Ready:
    async def ready() -> bool:
        try:
            async with client.get(url) as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    return ready


def _is_set_up(client: aiohttp.ClientSession) -> Ready:
    """Readiness includes the roles that are there from the start, but not the namespace that everybody uses."""
    ready, has_default = _answers(client, "/readyz"), _answers(client, "/api/v1/namespaces/default")

    async def is_set_up() -> bool:
        return await ready() and await has_default()

    return is_set_up
