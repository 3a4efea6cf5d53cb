"""Certificates that a replica keeps up itself: the authority in a Secret, its own in a folder, trust in registrations.

In a cluster nobody hands certificates out; `certs.upkeep` says in which order what is done.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import structlog

from certs.errors import CertificateError
from certs.folder import FolderStore
from certs.gate import Gate
from certs.inject import registrations
from certs.issue import Identity, Server, service_hosts
from certs.secret import SecretStore
from certs.state import BUNDLE
from certs.upkeep import Upkeep
from kube.errors import KubeError
from lading.component import Address
from lading.compose import Besides, Surroundings
from lading.endpoint import Endpoint
from lading.run import Service

log = structlog.get_logger()

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
FIRST_TRY_SECONDS: Final = 2.0
"""Between tries for the first certificate: nothing is served before."""


@dataclass(frozen=True)
class OwnCertificates:
    """Where they are kept, whom they are for, and who is to trust them."""

    folder: Path
    secret: str
    hosts: tuple[str, ...]
    """By which the server is called, besides its Service and loopback."""
    registration: str
    injects: bool = True
    """Whether the registrations are filled, or only looked at."""

    def endpoint(self, name: str, listen: str, client_ca: Path | None = None) -> Endpoint:
        """Where the server of that name listens, with the replica's own certificate."""
        return Endpoint(listen, self.folder / f"{name}.crt", self.folder / f"{name}.key", client_ca)

    @property
    def bundle(self) -> Path:
        """All authorities of now: whom to ask for certificates of."""
        return self.folder / BUNDLE


def with_own(
    name: str, own: OwnCertificates, given: Surroundings, services: Callable[[Besides], Sequence[Service]]
) -> list[Service]:
    """The upkeep, the component's services, and a gate that lets it be ready once callers accept its certificate."""
    hosts = (*service_hosts(f"lading-{name}", given.namespace), *LOOPBACK, *own.hosts)
    store = SecretStore(given.client, given.namespace, own.secret)
    upkeep = _upkeep(own, given, store, {name: Server(hosts)})
    gate = Gate(given.client, registrations(own.registration) if own.injects else (), store, hosts[0])
    address = Address()
    handshakes = Service(f"handshakes of the {name}", lambda passed: gate.run(lambda: address.parts, passed))
    checks = {"certificates": upkeep.complaint, "handshake": gate.complaint}
    return [_upkeep_service(name, upkeep), *services(Besides(checks, [handshakes], address))]


def _upkeep(own: OwnCertificates, given: Surroundings, store: SecretStore, wanted: Mapping[str, Identity]) -> Upkeep:
    return Upkeep(
        given.client,
        store,
        FolderStore(own.folder),
        wanted,
        registrations=registrations(own.registration),
        injects=own.injects,
        registry=given.registry,
        clock=lambda: datetime.now(UTC),
        jitter=Random().uniform(-1.0, 1.0),  # noqa: S311 - it spreads renewals, it guards nothing
    )


def _upkeep_service(name: str, upkeep: Upkeep) -> Service:
    """The upkeep's service, which is ready once there is a certificate to serve with."""

    async def run(ready: asyncio.Event) -> None:
        while upkeep.complaint() is not None:
            try:
                await upkeep.once()
            except (CertificateError, KubeError) as error:
                log.warning("no certificate yet", error=str(error))
                await asyncio.sleep(FIRST_TRY_SECONDS)
        ready.set()
        await upkeep.run()

    return Service(f"certificates of the {name}", run)
