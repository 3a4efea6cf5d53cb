"""Where the API server is and as whom we speak.

By the usual rules: an explicit file, $KUBECONFIG, ~/.kube/config, in-cluster. Credentials stay fresh, failures are
errors, and no file is read on the event loop.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from kube.credentials import Credential, Credentials, token_file
from kube.errors import ConfigError
from kube.kubeconfig import Entry, choose
from kube.official import Kubeconfig, in_cluster_server
from kube.proxy import check_proxy, proxy_for
from kube.tls import Contexts, Pem
from kube.users import credentials_of, impersonation_of, key_pair_of

log = structlog.get_logger()

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts a pod's token, authority and namespace."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Access:
    """What one request needs: headers that say who we are, and the TLS context (None for plain HTTP)."""

    headers: Headers = field(repr=False)
    tls: ssl.SSLContext | None
    credential: Credential = field(repr=False)


@dataclass(frozen=True)
class Connection:
    """A server and the credentials for it, renewed as files rotate and plugins' answers expire. Prints no secret."""

    server: str
    """Base URL without a trailing slash."""
    credentials: Credentials = field(repr=False)
    contexts: Contexts | None = field(default=None, repr=False)
    """None for plain HTTP."""
    namespace: str = "default"
    """The namespace of the context, or of the pod."""
    proxy: str | None = field(default=None, repr=False)
    server_name: str | None = None
    """The name that the server's certificate must bear, where it is not the host's."""
    impersonation: Headers = field(default=(), repr=False)

    async def access(self) -> Access:
        """What the next request needs.

        Raises:
            ConfigError: there are no usable credentials or certificates now.
        """
        credential = await self.credentials.current()
        tls = await self.contexts.current(credential.pair) if self.contexts else None
        who = (("Authorization", credential.authorization),) if credential.authorization else ()
        return Access(who + self.impersonation, tls, credential)

    async def renew(self, refused: Access) -> bool:
        """After a 401: whether other credentials than the refused ones can be had now."""
        return await self.credentials.renew(refused.credential)


async def load(
    kubeconfig: Path | None = None,
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> Connection:
    """The connection by the usual rules; `context` names another than the current one.

    Raises:
        ConfigError: nothing usable; the message names the file and what is wrong.
    """
    return await asyncio.to_thread(_load, kubeconfig, context, environ, service_account)


def _load(kubeconfig: Path | None, context: str | None, environ: Mapping[str, str], account: Path) -> Connection:
    paths = _locate(kubeconfig, environ)
    if paths:
        return _from_kubeconfig(Kubeconfig(paths), context, environ)
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return _in_cluster(environ, account)
    raise ConfigError(
        "no cluster is configured: give --kubeconfig, set KUBECONFIG, write ~/.kube/config, or run in a pod"
    )


def _locate(kubeconfig: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """The files to merge: an explicit one must be there, of the others those that are count."""
    if kubeconfig is not None:
        if not kubeconfig.is_file():
            raise ConfigError(f"{kubeconfig}: there is no such file")
        return [kubeconfig]
    named = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    home = Path(environ.get("HOME") or Path.home())
    return [path for path in named or [home / ".kube" / "config"] if path.is_file()]


def _from_kubeconfig(kubeconfig: Kubeconfig, context: str | None, environ: Mapping[str, str]) -> Connection:
    chosen = choose(kubeconfig, context)
    cluster, user = chosen.cluster, chosen.user
    server, verify = _server(cluster), not cluster.flag("insecure-skip-tls-verify")
    if not verify:
        log.warning("TLS verification is off, as the kubeconfig says", entry=cluster.where)
    proxy = cluster.text("proxy-url")
    contexts = Contexts(ca=cluster.pem("certificate-authority"), pair=key_pair_of(user), verify=verify)
    return Connection(
        server,
        credentials_of(chosen, kubeconfig, environ),
        contexts if server.startswith("https://") else None,
        chosen.namespace or "default",
        check_proxy(proxy, f"{cluster.where}, proxy-url") if proxy else proxy_for(server, environ),
        cluster.text("tls-server-name") or None,
        impersonation_of(user),
    )


def _server(cluster: Entry) -> str:
    server = cluster.text("server").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise ConfigError(f"{cluster.where}: server {server!r} is no https:// or http:// URL")
    return server


def _in_cluster(environ: Mapping[str, str], account: Path) -> Connection:
    token, ca, namespace = account / "token", account / "ca.crt", account / "namespace"
    server = in_cluster_server(environ, token, ca)
    return Connection(
        server,
        token_file(token),
        Contexts(ca=Pem(path=ca), pair=None, verify=True),
        namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else "default",
        proxy_for(server, environ),
    )
