"""Certificates for servers that tests start on loopback, and for those who call them."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from certs import authority, issue


@dataclass(frozen=True)
class Certificates:
    """An authority with a server's and a client's certificate, as files in a folder."""

    folder: Path
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")

    @cached_property
    def ca(self) -> Path:
        """The file of the authority's certificate; the others are made with it."""
        now = datetime.now(UTC)
        made = authority.create("tests", 1, now)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "ca.crt").write_bytes(made.certificate_pem)
        for name, identity in (("server", issue.Server(self.hosts)), ("client", issue.User("scheduler"))):
            leaf = issue.issue(made, identity, now)
            (self.folder / f"{name}.crt").write_bytes(leaf.certificate)
            (self.folder / f"{name}.key").write_bytes(leaf.key)
        return self.folder / "ca.crt"

    def file(self, name: str) -> str:
        """The path of `server.crt`, `client.key` and so on."""
        return str(self.ca.with_name(name))

    def server_context(self, *, mutual: bool = False) -> ssl.SSLContext:
        """What a server of these certificates serves with; `mutual` demands the client's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file("server.crt"), self.file("server.key"))
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context
