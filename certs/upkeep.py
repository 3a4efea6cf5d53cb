"""The certificates of a replica in a cluster, kept up for ever.

The authorities are in a Secret that all replicas share, the replica's own certificate is in a private folder, the
bundle in the webhook registrations. No lease is needed: a write that another replica preceded is refused by its
version, and the next pass finds the work done. The order of a pass matters: who verifies learns of an authority before
anybody shows a certificate of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NoReturn

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from certs import authority
from certs.errors import BrokenAuthorityError, CertificateError
from certs.inject import Registration, holds, inject
from certs.issue import Identity
from certs.issuing import Change, issued, rotated, status
from certs.rotation import LIVES, Lives
from certs.state import BUNDLE, Authorities
from certs.state import read as read_authorities
from certs.store import Store, Stored
from kube.client import Client
from kube.errors import KubeError, NotFound

log = structlog.get_logger()

EVERY_SECONDS: Final = 60.0
"""Between passes. Short, as somebody may empty a caBundle at any time, and a laptop may wake from sleep."""


class Upkeep:
    """What one replica does for its certificates."""

    def __init__(
        self,
        client: Client,
        authorities: Store,
        leaves: Store,
        wanted: Mapping[str, Identity],
        *,
        registrations: Sequence[Registration],
        registry: CollectorRegistry,
        clock: Callable[[], datetime],
        jitter: float = 0.0,
        lives: Lives = LIVES,
    ) -> None:
        """`jitter` from -1 to 1 moves renewals of this replica's certificates; `clock` tells UTC."""
        self._client = client
        self._authorities = authorities
        self._leaves = leaves
        self._wanted = wanted
        self._registrations = registrations
        self._clock = clock
        self._jitter = jitter
        self._lives = lives
        self._complaint: str | None = "no certificate yet"
        self._expiry = Gauge(
            "lading_certs_expiry_timestamp_seconds", "When it expires", ["certificate"], registry=registry
        )
        self._passes = Counter("lading_certs_passes_total", "Passes of upkeep", ["result"], registry=registry)
        self._changes = Counter("lading_certs_changes_total", "Rotations, issues, injections", registry=registry)

    def complaint(self) -> str | None:
        """Why this replica must not be called yet; None when its certificate is there and trusted."""
        return self._complaint

    async def run(self) -> NoReturn:
        """Keep up for ever. Faults are logged and tried again: what is there goes on serving."""
        while True:
            try:
                await self.once()
            except (CertificateError, KubeError) as error:
                self._passes.labels("failed").inc()
                log.warning("certificates not kept up", error=str(error))
            else:
                self._passes.labels("done").inc()
            await asyncio.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        """One pass.

        Raises:
            CertificateError: `ConflictError` among them, after which the next pass reads again.
            KubeError: the API server can not be asked or refuses.
        """
        now = self._clock()
        authorities = await self._rotate(now)
        for registration in self._registrations:
            await self._publish(registration, authorities)
        await self._issue(authorities, now)
        self._complaint = None

    async def _rotate(self, now: datetime) -> Authorities:
        stored = await self._authorities.load()
        trusted = await self._is_following_trusted(stored)
        authorities, changes = rotated(stored.files, now, trusted_by_all=trusted, lives=self._lives)
        if changes:
            await self._authorities.save(authorities.files(), stored.version)
        self._tell(changes)
        return authorities

    async def _is_following_trusted(self, stored: Stored) -> bool:
        try:
            following = read_authorities(stored.files).following
        except BrokenAuthorityError:
            return False
        if following is None:
            return False
        certificate = authority.pem(following.certificate)
        return all([await holds(self._client, each, certificate) for each in self._registrations])

    async def _publish(self, registration: Registration, authorities: Authorities) -> None:
        try:
            if await inject(self._client, registration, authorities.bundle):
                self._tell([Change(f"injected into {registration.name}", registration.resource.kind)])
        except NotFound:
            log.debug("not registered yet", kind=registration.resource.kind, name=registration.name)

    async def _issue(self, authorities: Authorities, now: datetime) -> None:
        stored = await self._leaves.load()
        leaves, changes = issued(authorities, stored.files, self._wanted, now, jitter=self._jitter, lives=self._lives)
        files = {**leaves, BUNDLE: authorities.bundle}
        if files != stored.files:
            await self._leaves.save(files, stored.version)
        self._tell(changes)
        for line in status({**files, **authorities.files()}):
            self._expiry.labels(line.name).set(line.period.end.timestamp())

    def _tell(self, changes: Sequence[Change]) -> None:
        self._changes.inc(len(changes))
        for change in changes:
            log.info("certificates changed", what=change.what, why=change.why)
