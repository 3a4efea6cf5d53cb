"""The calls that components make, beside the roles that they get: no more, no less."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from certs.folder import FolderStore
from certs.inject import registrations
from certs.issue import Server
from certs.secret import SecretStore
from certs.upkeep import Upkeep
from deploy.rbac import EXTENDER, Component, Mode, Names, grants, upkeep
from extender.budgets import FOLLOWED
from extender.service import Extender, ExtenderSettings, extender
from kube import config
from kube.caches import ALL, Caches
from kube.client import Client, connect
from kube.events import EventRecorder
from model import names
from model.meta import JSON
from model.resources import Resource
from sandbox.server import Sandbox, SandboxSettings, serve
from serving.http import make_app
from serving.site import serve as serve_site
from tests.deploy.calls import Call, call_of, forbidden, idle, recorded
from tests.extender.objects import claim, node, pod, storage_class, volume
from tests.waiting import eventually
from tests.webhooks.server import review
from webhooks.facts import CACHED
from webhooks.service import webhooks

NAMES = Names("lading", "home")


@dataclass(frozen=True)
class Cluster:
    """A sandbox, and a client of which every call is recorded."""

    sandbox: Sandbox
    client: Client
    calls: set[Call]

    async def create(self, *objects: JSON) -> None:
        for each in objects:
            kind = self.sandbox.api.kind(each["apiVersion"], each["kind"])
            await self.sandbox.api.create(kind, each["metadata"].get("namespace", ""), each)

    async def change(self, what: tuple[str, str], key: tuple[str, str], change: Any, subresource: str = "") -> None:
        await self.sandbox.api.change(self.sandbox.api.kind(*what), key, change, subresource)

    @asynccontextmanager
    async def served(self, routes: list[web.RouteDef]) -> AsyncIterator[aiohttp.ClientSession]:
        app = make_app(routes, max_body_bytes=1 << 20, deadline_seconds=30.0)
        async with serve_site(app, drain_seconds=0.1) as url, aiohttp.ClientSession(url) as session:
            yield session


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with serve(SandboxSettings(run_pods=False)) as sandbox:
        await asyncio.to_thread(sandbox.write_kubeconfig, tmp_path / "kubeconfig")
        async with connect(await config.load(tmp_path / "kubeconfig")) as client:
            with recorded(client) as calls:
                started = Cluster(sandbox, client, calls)
                for name in ("ns", "home"):
                    await started.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
                yield started


@asynccontextmanager
async def running(*parts: Any) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each) for each in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def fits(calls: set[Call], granted: Any) -> None:
    assert forbidden(calls, granted, NAMES) == []
    assert idle(calls, granted, NAMES) == []


def pinned(name: str) -> JSON:
    return claim(name) | {"metadata": {"name": name, "namespace": "ns", "annotations": {names.SELECTED_NODE: "gone"}}}


async def told(cluster: Cluster, act: Callable[[], Awaitable[Any]], reason: str = "") -> None:
    """Act, and return when an event has been written, or counted up, for it."""
    before = _events(cluster, reason)
    await act()
    await eventually(lambda: _events(cluster, reason) > before)


def _events(cluster: Cluster, reason: str) -> int:
    kind = cluster.sandbox.api.kind("v1", "Event")
    stored = [record.value for record in cluster.sandbox.api.store.records(kind.stored_resource)]
    return sum(each.get("count", 1) for each in stored if reason in ("", each["reason"]))


@asynccontextmanager
async def extending(
    cluster: Cluster, settings: ExtenderSettings, followed: Sequence[Resource[Any]] = ALL
) -> AsyncIterator[tuple[aiohttp.ClientSession, Extender]]:
    caches = Caches(cluster.client, followed)
    recorder = EventRecorder(cluster.client, "lading-extender")
    service = extender(cluster.client, caches, CollectorRegistry(), recorder=recorder, settings=settings)
    async with running(caches.run(), recorder.run(), service.run()), cluster.served(service.routes()) as session:
        await eventually(lambda: service.complaint() is None)
        yield session, service


async def filtered(cluster: Cluster, session: aiohttp.ClientSession, shown: JSON) -> JSON:
    async with session.post("/filter", json={"Pod": shown, "NodeNames": ["n1"]}) as response:
        assert response.status == 200
        answer: JSON = await response.json()
        return answer


async def test_beside_the_stock_components_the_extender_watches_and_writes_nothing(cluster: Cluster) -> None:
    await cluster.create(node("n1"), storage_class("fast"), pinned("wants"))
    async with extending(cluster, ExtenderSettings(heals=False)) as (session, service):
        for _ in range(2):  # the second event of the same words counts up the first
            service._announcer._last.clear()
            await told(cluster, lambda: filtered(cluster, session, pod("p", "wants")))
    fits(cluster.calls, grants(Component.EXTENDER, mode=Mode.BESIDE, names=NAMES))


async def test_the_binding_extender_makes_the_calls_of_its_role(cluster: Cluster) -> None:
    await cluster.create(node("n1"), storage_class("fast"), storage_class("made"))
    await cluster.create(volume("pv-1"), claim("takes"), claim("made", "made"), pinned("wants"))
    await cluster.create(pod("p", "takes", "made", containers=[{"name": "main", "image": "x"}]))
    await cluster.change(("v1", "PersistentVolume"), ("", "pv-1"), _with({"status": {"phase": "Available"}}), "status")
    async with extending(cluster, ExtenderSettings(), FOLLOWED) as (session, _):
        for _ in range(2):  # the second event of the same words counts up the first
            await told(cluster, lambda: _heal(cluster, session), "SelectedNodeCleared")
        await _bind(cluster, session)
        async with session.post("/bind", json=_binding("unknown", "uid-unknown")) as response:
            assert "not found" in (await response.json())["Error"]
    fits(cluster.calls, EXTENDER[Mode.INSTEAD])


async def _heal(cluster: Cluster, session: aiohttp.ClientSession) -> None:
    key = ("ns", "wants")
    await cluster.change(
        ("v1", "PersistentVolumeClaim"),
        key,
        lambda each: each | {"metadata": each["metadata"] | {"annotations": {names.SELECTED_NODE: "gone"}}},
    )

    async def freed() -> bool:
        await filtered(cluster, session, pod("q", "wants"))
        stored = cluster.sandbox.api.get(cluster.sandbox.api.kind("v1", "PersistentVolumeClaim"), *key)
        return names.SELECTED_NODE not in stored["metadata"].get("annotations", {})

    await eventually(freed)


async def _bind(cluster: Cluster, session: aiohttp.ClientSession) -> None:
    stored = cluster.sandbox.api.get(cluster.sandbox.api.kind("v1", "Pod"), "ns", "p")

    async def bound() -> bool:
        async with session.post("/bind", json=_binding("p", stored["metadata"]["uid"])) as response:
            return (await response.json())["Error"] == ""

    async def binder() -> None:
        """What the binder and a provisioner do meanwhile."""
        claims = cluster.sandbox.api.kind("v1", "PersistentVolumeClaim")
        await eventually(
            lambda: (
                names.SELECTED_NODE in cluster.sandbox.api.get(claims, "ns", "made")["metadata"].get("annotations", {})
            )
        )
        made = cluster.sandbox.api.get(claims, "ns", "made")
        reference = {"namespace": "ns", "name": "made", "uid": made["metadata"]["uid"]}
        await cluster.create(volume("pv-made", "made", claimRef=reference))
        for name, wanted in (("made", "pv-made"), ("takes", "pv-1")):
            await cluster.change(("v1", "PersistentVolumeClaim"), ("ns", name), _bound_to(wanted))

    async with asyncio.TaskGroup() as group:
        group.create_task(binder())
        await eventually(bound)


def _bound_to(name: str) -> Any:
    def change(stored: JSON) -> JSON:
        annotations = stored["metadata"].get("annotations", {}) | {names.BIND_COMPLETED: "yes"}
        metadata = stored["metadata"] | {"annotations": annotations}
        return stored | {"metadata": metadata, "spec": stored["spec"] | {"volumeName": name}}

    return change


def _with(values: JSON) -> Any:
    return lambda stored: stored | values


def _binding(name: str, uid: str) -> JSON:
    return {"PodName": name, "PodNamespace": "ns", "PodUID": uid, "Node": "n1"}


async def test_the_webhooks_make_the_calls_of_their_role(cluster: Cluster) -> None:
    caches = Caches(cluster.client, CACHED)
    service = webhooks(cluster.client, caches, CollectorRegistry())
    restored = volume("pv-1", claimRef={"namespace": "ns", "name": "gone", "uid": "u-1"})
    restored["metadata"]["annotations"] = {names.BOUND_BY_CONTROLLER: "yes"}
    foreign = claim("seeded")
    foreign["spec"]["dataSourceRef"] = {"kind": "PersistentVolumeClaim", "name": "gold", "namespace": "golden"}
    async with running(caches.run()), cluster.served(service.routes()) as session:
        await eventually(lambda: service.complaint() is None)
        for each in (restored, foreign):
            async with session.post("/mutate", json=review("CREATE", each)) as response:
                assert response.status == 200, await response.text()
    fits(cluster.calls, grants(Component.WEBHOOKS, own_certificates=(), names=NAMES))


@pytest.mark.parametrize("injects", [True, False])
async def test_the_upkeep_of_certificates_makes_the_calls_of_its_role(
    cluster: Cluster, tmp_path: Path, *, injects: bool
) -> None:
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        await cluster.create(_registration(kind))
    now = datetime.now(UTC)
    for later in (timedelta(0), timedelta(days=200)):  # the second time an authority is to be made
        kept = Upkeep(
            cluster.client,
            SecretStore(cluster.client, NAMES.namespace, NAMES.secret),
            FolderStore(tmp_path / "leaves"),
            {"webhooks": Server(("localhost",))},
            registrations=registrations(NAMES.registration),
            registry=CollectorRegistry(),
            injects=injects,
            clock=lambda later=later: now + later,
        )
        await kept.once()
    async with running(kept.run()):
        await eventually(lambda: idle(cluster.calls, upkeep(NAMES, injects=injects), NAMES) == [])
    fits(cluster.calls, upkeep(NAMES, injects=injects))


def _registration(kind: str) -> JSON:
    hook = {
        "name": "pv.lading.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/validate"},
        "rules": [],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": NAMES.registration},
        "webhooks": [hook],
    }


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", {"watch": "true"}, Call("watch", "", "pods", "", "")),
        ("GET", "/api/v1/namespaces/a/pods/p", {}, Call("get", "", "pods", "a", "p")),
        ("GET", "/api/v1/namespaces/a", {}, Call("get", "", "namespaces", "", "a")),
        ("POST", "/api/v1/namespaces/a/pods/p/binding", {}, Call("create", "", "pods/binding", "a", "p")),
        ("PATCH", "/apis/g/v1/things/t/status", {}, Call("patch", "g", "things/status", "", "t")),
        ("GET", "/apis/g/v1/namespaces/a/things", {}, Call("list", "g", "things", "a", "")),
    ],
)
def test_a_request_is_read_as_authorization_reads_it(method: str, path: str, query: JSON, expected: Call) -> None:
    from kube.transport import Request

    assert call_of(Request("", method, path, query)) == expected
