"""Replicas that keep up their certificates against one API server, a time that tests turn, and a client that checks."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from prometheus_client import CollectorRegistry

from certs.folder import FolderStore
from certs.inject import registrations
from certs.issue import Server
from certs.rotation import LIVES, Lives
from certs.secret import SecretStore
from certs.state import Authorities
from certs.state import read as read_authorities
from certs.upkeep import Upkeep
from kube.client import Client, PatchType
from kube.errors import NotFound
from model.meta import JSON
from model.resources import MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS

NAMESPACE = "default"
CONFIGURATIONS = (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)


@dataclass
class Time:
    """UTC as replicas see it: the real one, moved."""

    moved: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@dataclass
class Replica:
    """One replica's upkeep and its folder."""

    upkeep: Upkeep
    folder: Path
    registry: CollectorRegistry

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / "webhooks.crt").read_bytes())


@dataclass
class Installation:
    """All replicas of one release, which is the name of its Secret and of its registrations."""

    client: Client
    name: str
    time: Time
    replicas: list[Replica]

    async def secret(self) -> dict[str, bytes]:
        data = (await self.client.get(SECRETS, self.name, NAMESPACE)).data or {}
        return {key: base64.b64decode(each) for key, each in data.items()}

    async def authorities(self) -> Authorities:
        return read_authorities(await self.secret())

    async def bundles(self) -> set[bytes]:
        """What the registrations trust; one element where they agree."""
        found = [await self.client.get(kind, self.name) for kind in CONFIGURATIONS]
        hooks = [hook for each in found for hook in each.webhooks or ()]
        return {base64.b64decode(each.client_config.ca_bundle or "") for each in hooks}

    async def is_sound(self) -> bool:
        """Whether every replica's certificate is valid and trusted by what the registrations hold."""
        try:
            bundles = await self.bundles()
        except NotFound:
            return False
        if len(bundles) != 1 or not all(bundles):
            return False
        trusted = x509.load_pem_x509_certificates(bundles.pop())
        return all(self._is_served_by(replica, trusted) for replica in self.replicas)

    def _is_served_by(self, replica: Replica, trusted: list[x509.Certificate]) -> bool:
        if replica.upkeep.complaint() is not None:
            return False
        leaf, now = replica.leaf(), self.time()
        signers = [each for each in trusted if each.subject == leaf.issuer]
        for each in signers:
            leaf.verify_directly_issued_by(each)
        valid = [each.not_valid_before_utc <= now < each.not_valid_after_utc for each in (leaf, *signers)]
        return bool(signers) and all(valid)

    async def write_secret(self, files: dict[str, bytes]) -> None:
        data = {key: base64.b64encode(each).decode() for key, each in files.items()}
        gone = dict.fromkeys(set(await self.secret()) - set(files))
        await self.client.patch(SECRETS, self.name, {"data": {**gone, **data}}, NAMESPACE)

    async def empty_bundles(self) -> None:
        """What `kubectl apply` of a template does that has an empty caBundle."""
        for kind in CONFIGURATIONS:
            found = await self.client.get(kind, self.name)
            hooks = found.webhooks or ()
            body = [{"op": "remove", "path": f"/webhooks/{place}/clientConfig/caBundle"} for place in range(len(hooks))]
            await self.client.patch(kind, self.name, body, content=PatchType.JSON)


def registration(kind: str, name: str, url: str = "https://127.0.0.1:1/validate") -> JSON:
    """One webhook configuration, of webhooks that are asked about nothing yet."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": f"{each}.lading.example.com",
                "clientConfig": {"url": url},
                "rules": [],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "failurePolicy": "Ignore",
            }
            for each in ("one", "two")
        ],
    }


@asynccontextmanager
async def installed(
    client: Client,
    name: str,
    folder: Path,
    *,
    replicas: int = 3,
    lives: Lives = LIVES,
    every_seconds: float = 0.5,
    running: bool = True,
) -> AsyncIterator[Installation]:
    """Registrations without trust, and replicas that keep up from now on, or that tests turn by hand."""
    time = Time()
    for kind in CONFIGURATIONS:
        await client.create(kind, registration(kind.kind, name))
    made = [_replica(client, name, folder / str(number), time, lives, every_seconds) for number in range(replicas)]
    tasks = [asyncio.create_task(each.upkeep.run()) for each in made] if running else []
    try:
        yield Installation(client, name, time, made)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for kind in CONFIGURATIONS:
            await client.delete(kind, name)
        with suppress(NotFound):
            await client.delete(SECRETS, name, NAMESPACE)


def _replica(client: Client, name: str, folder: Path, time: Time, lives: Lives, every_seconds: float) -> Replica:
    registry = CollectorRegistry()
    upkeep = Upkeep(
        client,
        SecretStore(client, NAMESPACE, name),
        FolderStore(folder),
        {"webhooks": Server(("127.0.0.1", "localhost"))},
        registrations=registrations(name),
        registry=registry,
        clock=time,
        lives=lives,
        every_seconds=every_seconds,
    )
    return Replica(upkeep, folder, registry)


def trusting(bundle: bytes) -> ssl.SSLContext:
    """What verifies as strictly as any client does."""
    context = ssl.create_default_context(cadata=bundle.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context
