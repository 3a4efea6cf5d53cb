"""Who may speak to the API server, and the files that servers and clients show each other.

An authority of the control plane's own signs the servers' certificate and the certificate of any user that a test
wants to be; the administrator also has a token, for clients that are no more than an HTTP request.
"""

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml

from certs import authority
from certs.authority import Authority
from certs.issue import Leaf, Server, User, issue
from tests.controlplane.ports import LOOPBACK

ADMIN = User("admin", ("system:masters",))


@dataclass(frozen=True)
class Pki:
    """The authority, and the files in `folder` that are made from it; keys are readable by their owner alone."""

    folder: Path
    authority: Authority = field(repr=False)
    admin_token: str = field(repr=False)

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.crt"

    @property
    def tokens(self) -> Path:
        """The API server's token file."""
        return self.folder / "tokens.csv"

    def pair(self, name: str) -> tuple[Path, Path]:
        """Certificate and key: `server` for TLS, `service-accounts` for their tokens."""
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"


def create(folder: Path) -> Pki:
    """A new authority, and in the folder what the servers need of it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki = Pki(folder, authority.create("controlplane", 1, datetime.now(UTC)), secrets.token_urlsafe(32))
    pki.ca.write_bytes(pki.authority.certificate_pem)
    write_private(pki.tokens, f'{pki.admin_token},{ADMIN.name},{ADMIN.name},"{",".join(ADMIN.groups)}"\n')
    hosts = (LOOPBACK, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    _write_pair(pki, "server", issue(pki.authority, Server(hosts), datetime.now(UTC)))
    # Only its key counts: the API server signs tokens with it, and reads the public half from the certificate.
    _write_pair(pki, "service-accounts", issue(pki.authority, User("service-accounts"), datetime.now(UTC)))
    return pki


def user_entry(pki: Pki, user: User) -> dict[str, str]:
    """What a kubeconfig says of a user: paths of a new certificate and its key."""
    name = "user-" + "".join(each if each.isalnum() or each in "-." else "_" for each in user.name)
    _write_pair(pki, name, issue(pki.authority, user, datetime.now(UTC)))
    certificate, key = pki.pair(name)
    return {"client-certificate": str(certificate), "client-key": str(key)}


def kubeconfig(url: str, pki: Pki, user: dict[str, str], namespace: str = "default") -> str:
    """A kubeconfig with one cluster, one user and one context."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "controlplane", "cluster": {"server": url, "certificate-authority": str(pki.ca)}}],
            "users": [{"name": "user", "user": user}],
            "contexts": [
                {"name": "controlplane", "context": {"cluster": "controlplane", "user": "user", "namespace": namespace}}
            ],
            "current-context": "controlplane",
        },
        sort_keys=False,
    )


def write_private(path: Path, text: str) -> Path:
    """A file that its owner alone may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _write_pair(pki: Pki, name: str, leaf: Leaf) -> None:
    certificate, key = pki.pair(name)
    certificate.write_bytes(leaf.certificate)
    write_private(key, leaf.key.decode())
