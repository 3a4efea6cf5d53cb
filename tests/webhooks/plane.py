"""The webhooks before a real API server: served over TLS, registered as deploy says, and a cluster to fill."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from certs.folder import FolderStore
from certs.issue import Server, User
from certs.issuing import ensure
from deploy.webhooks import Exclusions, configurations
from kube.caches import Caches
from kube.client import Client, connect
from kube.config import load
from kube.errors import AlreadyExists, NotFound
from model.meta import JSON
from model.resources import (
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_DRIVERS,
    CSI_NODES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    NODES,
    VALIDATING_WEBHOOKS,
    VOLUMES,
    Resource,
)
from serving.http import make_app
from serving.site import serve
from serving.tls import TLSFiles
from tests.controlplane.credentials import ADMIN
from tests.controlplane.plane import ControlPlane
from tests.sandbox.kubectl.tool import Kubectl
from tests.waiting import eventually
from webhooks.facts import CACHED
from webhooks.service import DEADLINE_SECONDS, webhooks
from webhooks.settings import Settings
from webhooks.wire import MAX_BODY_BYTES

KINDS: dict[str, Resource[Any]] = {
    each.kind: each for each in (NAMESPACES, NODES, CSI_NODES, CSI_DRIVERS, CLASSES, CAPACITIES, VOLUMES, CLAIMS)
}
SOMEBODY = User("somebody", ("system:masters",))
"""Whose requests the webhooks see; the administrator's they do not."""


@dataclass
class World:
    """A real cluster with the webhooks in it. What the administrator makes here is older than the webhooks."""

    client: Client
    caches: Caches
    kubectl: Kubectl
    registry: CollectorRegistry
    made: list[tuple[Resource[Any], str, str]] = field(default_factory=list)
    uids: dict[str, str] = field(default_factory=dict)
    """What the server made of the uids that a case gives."""

    async def put(self, raw: JSON) -> JSON:
        """Make an object, with its status and perhaps on its way out; answers what is stored."""
        resource = KINDS[raw["kind"]]
        body = self.known(raw)
        metadata = {key: each for key, each in body["metadata"].items() if key in MANIFEST_KEYS}
        namespace = body["metadata"].get("namespace", "") if resource.namespaced else ""
        await self.ensure_namespace(namespace)
        stored = await self.client.create(resource, {**body, "metadata": metadata, "status": {}}, namespace)
        self.made.append((resource, stored.name, namespace))
        if raw["metadata"].get("uid"):
            self.uids[raw["metadata"]["uid"]] = stored.uid
        if body.get("status"):
            await self.client.patch(resource, stored.name, {"status": body["status"]}, namespace, subresource="status")
        if raw["metadata"].get("deletionTimestamp"):
            await self.client.delete(resource, stored.name, namespace)
        return await self.raw(resource, stored.name, namespace)

    def known(self, raw: JSON) -> JSON:
        """The object with the uids that the server gave."""
        text = json.dumps(raw)
        for given, real in self.uids.items():
            text = text.replace(json.dumps(given), json.dumps(real))
        known: JSON = json.loads(text)
        return known

    async def raw(self, resource: Resource[Any], name: str, namespace: str = "") -> JSON:
        """All of an object, as the server has it."""
        shown = await self.kubectl("get", resource.plural, name, "-o", "json", *_in(namespace))
        stored: JSON = json.loads(shown)
        return stored

    async def seen(self) -> None:
        """Return when the caches show all that was made."""
        for resource, name, namespace in self.made:
            if resource in CACHED:
                stored = await self.client.get(resource, name, namespace)
                await eventually(lambda stored=stored, resource=resource: self._shows(resource, stored))

    def _shows(self, resource: Resource[Any], stored: Any) -> bool:
        cached = self.caches.of(resource).get(stored.key)
        return cached is not None and cached.metadata.resource_version == stored.metadata.resource_version

    async def clear(self) -> None:
        """Remove what was made, and wait until the caches know."""
        for resource, name, namespace in reversed(self.made):
            if resource is NAMESPACES:
                continue
            with suppress(NotFound):
                await self.client.delete(resource, name, namespace)
                await self.client.patch(resource, name, {"metadata": {"finalizers": None}}, namespace)
        for resource, name, namespace in self.made:
            if resource in CACHED:
                key = f"{namespace}/{name}" if namespace else name
                await eventually(lambda key=key, resource=resource: self.caches.of(resource).get(key) is None)
        self.made.clear()
        self.uids.clear()

    def remember(self, raw: JSON) -> None:
        """Something that somebody made, to be removed in the end."""
        resource = KINDS[raw["kind"]]
        self.made.append((resource, raw["metadata"]["name"], raw["metadata"].get("namespace", "")))

    async def ensure_namespace(self, name: str) -> None:
        if name:
            with suppress(AlreadyExists):
                await self.client.create(NAMESPACES, {"metadata": {"name": name}})


MANIFEST_KEYS = {"name", "namespace", "labels", "annotations", "finalizers"}


def _in(namespace: str) -> tuple[str, ...]:
    return ("--namespace", namespace) if namespace else ()


@asynccontextmanager
async def world(
    plane: ControlPlane, kubectl: Path, folder: Path, settings: Settings | None = None
) -> AsyncIterator[World]:
    """The webhooks in a real cluster while the block runs."""
    settings, registry = settings or Settings(), CollectorRegistry()
    await ensure(FolderStore(folder / "certs"), {"webhooks": Server(("127.0.0.1",))}, datetime.now(UTC))
    tls = TLSFiles(folder / "certs" / "webhooks.crt", folder / "certs" / "webhooks.key").server_context()
    kubeconfig = await asyncio.to_thread(plane.kubeconfig_for, SOMEBODY)
    async with connect(await load(plane.kubeconfig)) as client:
        caches = Caches(client, settings.caches)
        service = webhooks(client, caches, registry, settings=settings)
        app = make_app(service.routes(), max_body_bytes=MAX_BODY_BYTES, deadline_seconds=DEADLINE_SECONDS)
        running = asyncio.create_task(caches.run())
        try:
            await caches.wait_synced()
            async with serve(app, tls=tls, drain_seconds=0.1) as url, registered(client, url, folder, settings):
                yield World(client, caches, Kubectl(kubectl, kubeconfig, folder), registry)
        finally:
            running.cancel()
            await asyncio.wait([running])


@asynccontextmanager
async def registered(client: Client, url: str, folder: Path, settings: Settings) -> AsyncIterator[None]:
    """The registrations while the block runs, from when they are in force."""
    bundle = (folder / "certs" / "ca.crt").read_bytes()
    exclusions = Exclusions(("kube-system",), (ADMIN.name,))
    made = configurations(url, ca_bundle=bundle, rules=settings.all_rules, exclusions=exclusions, name="lading-cases")
    resources = (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)
    for resource, body in zip(resources, made, strict=True):
        await client.create(resource, body)
    try:
        yield
    finally:
        for resource, body in zip(resources, made, strict=True):
            await client.delete(resource, body["metadata"]["name"])


def without_server_fields(raw: JSON) -> JSON:
    """What a person wrote, or a rule, of what the server stores."""
    metadata = {key: each for key, each in raw["metadata"].items() if key in MANIFEST_KEYS - {"finalizers"}}
    annotations = {key: each for key, each in metadata.pop("annotations", {}).items() if not key.startswith("kubectl.")}
    rest = {key: each for key, each in raw.items() if key not in ("metadata", "status")}
    return {**rest, "metadata": {**metadata, "annotations": annotations}}


def ordered(context: Iterable[JSON]) -> list[JSON]:
    """Objects in an order in which they can be made: what others speak of first, older classes before newer ones."""
    kinds = list(KINDS)
    known = [each for each in context if each and each["kind"] in KINDS]
    return sorted(known, key=lambda each: (kinds.index(each["kind"]), each["metadata"].get("creationTimestamp", "")))
