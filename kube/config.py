"""Where the API server is and as whom we speak: kubeconfig or in-cluster, by the usual rules."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Access:
    """What one request needs: headers that authenticate it, and the TLS context to make it in."""

    headers: dict[str, str] = field(repr=False)
    tls: ssl.SSLContext | None = None


class Connection:
    """A server and the credentials for it, renewed as files rotate and plugins' answers expire. Prints no secret."""

    server: str
    """Base URL without a trailing slash."""
    namespace: str
    """The namespace of the context, or of the pod; "default" where neither says."""
    proxy: str | None

    async def access(self) -> Access:
        """What the next request needs.

        Raises:
            CredentialsError: there are none now.
        """
        raise NotImplementedError

    async def renew(self, refused: Access) -> bool:
        """After a 401: whether other credentials than the refused ones can be had now."""
        raise NotImplementedError


async def load(kubeconfig: Path | None = None, context: str | None = None) -> Connection:
    """The connection by the usual rules: `kubeconfig`, $KUBECONFIG (several files merge), ~/.kube/config, in-cluster.

    Raises:
        ConfigError: nothing usable; the message names the file and what is wrong.
    """
    raise NotImplementedError
