"""The certificates of a replica in a cluster, kept up for ever.

The authorities are in a Secret that all replicas share, the replica's own certificate is in a private folder, the
bundle in the webhook registrations. No lease is needed: a write that another replica preceded is refused by its
version, and the next try finds the work done. The order of a pass matters: who verifies learns of an authority before
anybody shows a certificate of it.

A pass follows every change of the Secret or of a registration, and comes once a minute besides: clocks jump, laptops
sleep, and what a watch has missed must not last. A Secret that is deleted or damaged is written again as it was last
seen: trust that is in force does not hang on it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from certs import authority
from certs.errors import BrokenAuthorityError, CertificateError, ConflictError
from certs.inject import Registration, holds, inject, watch
from certs.issue import Identity
from certs.issuing import Change, issued_beside, rotated, status
from certs.rotation import LIVES, Lives
from certs.secret import SecretStore
from certs.state import Authorities
from certs.state import read as read_authorities
from certs.store import Store, Stored
from kube.cache import Cache
from kube.client import Client
from kube.errors import Conflict, KubeError, NotFound

log = structlog.get_logger()

EVERY_SECONDS: Final = 60.0
"""Between passes that nothing calls for."""
TRIES: Final = 5
"""Of one pass, where others write at the same time."""


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
        injects: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: float = 0.0,
        lives: Lives = LIVES,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """`jitter` from -1 to 1 moves renewals of this replica's certificates; `clock` tells UTC.

        Whoever does not inject only looks at the registrations: no authority signs before they trust it.
        """
        self._client = client
        self._authorities = authorities
        self._leaves = leaves
        self._wanted = wanted
        self._registrations = registrations
        self._injected = registrations if injects else ()
        self._clock = clock
        self._jitter = jitter
        self._lives = lives
        self._every = every_seconds
        self._seen: Authorities | None = None
        """The authorities of the last pass."""
        self._until: datetime | None = None
        """When the first of the wanted certificates expires."""
        self._complaint: str | None = "no certificate yet"
        self._metrics = _Metrics(registry, clock)

    def complaint(self) -> str | None:
        """Why this replica must not be called; None when its certificate is there, valid and trusted."""
        if self._complaint is None and self._until is not None and self._clock() >= self._until:
            return "the certificate has expired"
        return self._complaint

    async def run(self) -> NoReturn:
        """Keep up for ever. Faults are logged and tried again: what is there goes on serving."""
        woken = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for cache in self._watches():
                cache.subscribe(lambda _old, _new: woken.set())
                group.create_task(cache.run())
            while True:
                woken.clear()
                await self._tried()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._every):
                        await woken.wait()

    async def once(self) -> None:
        """One pass.

        Raises:
            CertificateError: `ConflictError` among them, where others wrote all the time.
            KubeError: the API server can not be asked or refuses.
        """
        for left in reversed(range(TRIES)):
            try:
                return await self._pass()
            except (ConflictError, Conflict):
                self._metrics.conflicts.inc()
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _watches(self) -> list[Cache[Any]]:
        secrets = [self._authorities.watch()] if isinstance(self._authorities, SecretStore) else []
        return [*secrets, *(watch(self._client, each) for each in self._injected)]

    async def _tried(self) -> None:
        try:
            await self.once()
        except (CertificateError, KubeError) as error:
            self._metrics.passes.labels("failed").inc()
            log.warning("certificates not kept up", error=str(error))
        else:
            self._metrics.passes.labels("done").inc()

    async def _pass(self) -> None:
        now = self._clock()
        authorities = await self._rotate(now)
        for registration in self._injected:
            await self._publish(registration, authorities)
        await self._issue(authorities, now)
        self._complaint = None

    async def _rotate(self, now: datetime) -> Authorities:
        stored = await self._authorities.load()
        files, restored = self._restored(stored, now)
        trusted = await self._is_following_trusted(files)
        authorities, changes = rotated(files, now, trusted_by_all=trusted, lives=self._lives)
        authorities, kept = self._with_replaced(authorities, now)
        changes += kept
        if restored or changes:
            await self._authorities.save(authorities.files(), stored.version)
        self._metrics.emergencies.inc(sum(each.emergency for each in changes))
        self._tell("rotation", [*restored, *changes])
        self._seen = authorities
        return authorities

    def _restored(self, stored: Stored, now: datetime) -> tuple[Mapping[str, bytes], list[Change]]:
        """What is stored, or in place of what is no authority the one that was last seen, while it is valid."""
        try:
            read_authorities(stored.files)
        except BrokenAuthorityError as error:
            if self._seen is not None and self._seen.signing.period.holds(now):
                return self._seen.files(), [Change("restored the authority", str(error))]
        return stored.files, []

    def _with_replaced(self, authorities: Authorities, now: datetime) -> tuple[Authorities, list[Change]]:
        """What is stored, with the authority that was last seen to sign, should somebody have put another in its place.

        Certificates of it are served until every replica has got to know the new one.
        """
        if self._seen is None or authorities.previous is not None:
            return authorities, []
        before = self._seen.signing
        if before.certificate in authorities.trusted or not before.period.holds(now):
            return authorities, []
        overlapping = replace(authorities, previous=before.certificate, switched=now)
        return overlapping, [Change("kept trusting the authority before", "another one was put in its place")]

    async def _is_following_trusted(self, files: Mapping[str, bytes]) -> bool:
        try:
            following = read_authorities(files).following
        except BrokenAuthorityError:
            return False
        if following is None:
            return False
        certificate = authority.pem(following.certificate)
        return all([await holds(self._client, each, certificate) for each in self._registrations])

    async def _publish(self, registration: Registration, authorities: Authorities) -> None:
        try:
            if await inject(self._client, registration, authorities.bundle):
                what = Change(f"injected into {registration.name}", registration.resource.kind)
                self._tell("injection", [what])
        except NotFound:
            log.debug("not registered yet", kind=registration.resource.kind, name=registration.name)

    async def _issue(self, authorities: Authorities, now: datetime) -> None:
        files, changes = await issued_beside(
            self._leaves, authorities, self._wanted, now, jitter=self._jitter, lives=self._lives
        )
        self._tell("issue", changes)
        lines = status({**files, **authorities.files()})
        self._until = min((line.period.end for line in lines if line.identity is not None), default=None)
        self._metrics.expire({line.name: line.period.end for line in lines})

    def _tell(self, kind: str, changes: Sequence[Change]) -> None:
        self._metrics.changes.labels(kind).inc(len(changes))
        for change in changes:
            level = log.error if change.emergency else log.info
            level("certificates changed", what=change.what, why=change.why)


class _Metrics:
    """What upkeep counts."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._named: set[str] = set()
        self._expiry = Gauge(
            "lading_certs_expiry_seconds",
            "Until it expires: the authority that signs, the next one, the previous one, and this replica's own",
            ["certificate"],
            registry=registry,
        )
        self.passes = Counter("lading_certs_passes_total", "Passes of upkeep", ["result"], registry=registry)
        self.changes = Counter("lading_certs_changes_total", "What was changed", ["kind"], registry=registry)
        self.emergencies = Counter(
            "lading_certs_emergencies_total", "Authorities made anew with nothing to overlap with", registry=registry
        )
        self.conflicts = Counter(
            "lading_certs_conflicts_total", "Writes that another replica preceded", registry=registry
        )
        for result in ("done", "failed"):
            self.passes.labels(result)
        for kind in ("rotation", "injection", "issue"):
            self.changes.labels(kind)

    def expire(self, ends: Mapping[str, datetime]) -> None:
        """Show these certificates, and no others."""
        for name in self._named - set(ends):
            self._expiry.remove(name)
        for name, end in ends.items():
            self._expiry.labels(name).set_function(self._until(end))
        self._named = set(ends)

    def _until(self, end: datetime) -> Callable[[], float]:
        def seconds() -> float:
            return (end - self._clock()).total_seconds()

        return seconds
