"""The webhook registrations: what is asked of the API server follows from the rules, and the real one does it."""

import asyncio
import base64
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from certs.folder import FolderStore
from certs.issue import Server, User
from certs.issuing import ensure
from deploy.errors import DeployError
from deploy.webhooks import Exclusions, FailurePolicy, Service, configurations
from kube.client import connect
from kube.config import load
from kube.errors import ApiError
from lading.component import new_registry
from lading.compose import Surroundings, webhook_services
from lading.endpoint import Endpoint
from lading.run import run_services
from model.resources import CLAIMS, CLASSES, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS, VOLUMES
from tests.waiting import eventually
from webhooks.rules import select
from webhooks.rules.rule import Operation, Phase

URL = "https://127.0.0.1:9443"


def _webhooks(phase, where=URL, **options):
    mutating, validating = configurations(where, **options)
    return (mutating if phase is Phase.MUTATE else validating)["webhooks"]


@pytest.mark.parametrize("phase", Phase)
def test_there_is_a_webhook_for_each_kind_with_all_that_its_rules_look_at(phase):
    rules = select()
    for webhook in _webhooks(phase, rules=rules):
        (asked,) = webhook["rules"]
        concerned = [each for each in rules if [each.resource.plural] == asked["resources"] and phase in each.phases]
        wanted = {operation for each in concerned for operation in each.operations}
        assert set(asked["operations"]) == wanted
        assert asked["scope"] == ("Namespaced" if concerned[0].resource.namespaced else "Cluster")
    kinds = {each.resource.plural for each in rules if phase in each.phases}
    assert {webhook["rules"][0]["resources"][0] for webhook in _webhooks(phase)} == kinds


def test_a_rule_that_is_off_is_not_asked_for():
    names = [each.name for each in select() if Operation.DELETE in each.operations]
    asked = [each["rules"][0]["operations"] for each in _webhooks(Phase.VALIDATE, rules=select(disable=names))]
    assert all("DELETE" not in operations for operations in asked)


@pytest.mark.parametrize("phase", Phase)
def test_what_all_have_in_common(phase):
    for webhook in _webhooks(phase):
        assert webhook["sideEffects"] == "None"
        assert webhook["matchPolicy"] == "Equivalent"
        assert webhook["timeoutSeconds"] == 3
        assert webhook["name"].count(".") >= 2
        assert webhook.get("reinvocationPolicy") == ("IfNeeded" if phase is Phase.MUTATE else None)


def test_only_refusals_may_be_made_to_stop_requests():
    strict = {"validating": FailurePolicy.FAIL}
    assert {each["failurePolicy"] for each in _webhooks(Phase.MUTATE, **strict)} == {"Ignore"}
    assert {each["failurePolicy"] for each in _webhooks(Phase.VALIDATE, **strict)} == {"Fail"}
    assert {each["failurePolicy"] for each in _webhooks(Phase.VALIDATE)} == {"Ignore"}


def test_a_url_or_a_service_is_called_on_the_path_of_the_phase():
    bundle = b"-----BEGIN CERTIFICATE-----"
    by_url = _webhooks(Phase.MUTATE, URL + "/", ca_bundle=bundle)[0]["clientConfig"]
    assert by_url == {"url": f"{URL}/mutate", "caBundle": base64.b64encode(bundle).decode()}
    by_service = _webhooks(Phase.VALIDATE, Service("lading", "lading-webhooks"))[0]["clientConfig"]
    assert by_service == {
        "service": {"namespace": "lading", "name": "lading-webhooks", "path": "/validate", "port": 443}
    }


@pytest.mark.parametrize("url", ["http://127.0.0.1:9443", "https://", "https://me@host", "https://host/?a=b"])
def test_a_url_that_api_servers_do_not_call_is_refused(url):
    with pytest.raises(DeployError, match="expected https://HOST:PORT"):
        configurations(url)


def test_only_claims_can_be_excluded_by_namespace():
    for webhook in _webhooks(Phase.MUTATE, exclusions=Exclusions(namespaces=("quiet",))):
        selector = webhook.get("namespaceSelector")
        if webhook["rules"][0]["scope"] == "Cluster":
            assert selector is None
        else:
            assert selector["matchExpressions"][0]["values"] == ["quiet"]


# --- the real API server ---

MESSY = {"accessModes": ["ReadWriteOnce", "ReadWriteOnce"]}
SIZE = {"resources": {"requests": {"storage": "1Gi"}}}
EXEMPT = "exempt-user"


@asynccontextmanager
async def _serving(control_plane, folder, **options):
    """Our webhooks, registered with the real API server; yields a client and the registry of their metrics."""
    await ensure(FolderStore(folder), {"webhooks": Server(("127.0.0.1",))}, datetime.now(UTC))
    registry, urls = new_registry(), []
    async with connect(await load(control_plane.kubeconfig)) as client:
        given = Surroundings(client, Endpoint("127.0.0.1:0", certs=folder), registry, urls.append)
        services = webhook_services(given)
        async with _running(services):
            await eventually(lambda: urls)
            mutating, validating = configurations(urls[0], ca_bundle=(folder / "ca.crt").read_bytes(), **options)
            await client.create(MUTATING_WEBHOOKS, mutating)
            await client.create(VALIDATING_WEBHOOKS, validating)
            try:
                await eventually(lambda: _are_asked(client))
                yield client, registry
            finally:
                await client.delete(MUTATING_WEBHOOKS, mutating["metadata"]["name"])
                await client.delete(VALIDATING_WEBHOOKS, validating["metadata"]["name"])


@asynccontextmanager
async def _running(services):
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_services(services, stop))
        try:
            yield
        finally:
            stop.set()


async def _are_asked(client):
    """Whether the API server has learnt of the registration: a class comes back normalized."""
    probe = {"metadata": {"name": "probe"}, "provisioner": "example.com/none", "parameters": {"type": " fast "}}
    made = await client.create(CLASSES, probe)
    await client.delete(CLASSES, "probe")
    return made.parameters == {"type": "fast"}


async def _remove(client, resource, name, namespace=""):
    """Delete an object that protection would keep: nobody runs here who would let it go."""
    await client.delete(resource, name, namespace)
    await client.patch(resource, name, {"metadata": {"finalizers": None}}, namespace)


def _reviews(registry, phase):
    """How many reviews of a phase were answered."""
    counted = [
        registry.get_sample_value("lading_webhooks_reviews_total", {"phase": phase, "result": result})
        for result in ("allowed", "patched", "denied", "failed")
    ]
    return sum(each or 0 for each in counted)


@pytest_asyncio.fixture(name="real", loop_scope="session")
async def serving_a_real_server(control_plane, tmp_path):
    async with _serving(
        control_plane, tmp_path / "certs", exclusions=Exclusions(("kube-system",), (EXEMPT,))
    ) as running:
        yield running


@pytest.mark.controlplane
@pytest.mark.asyncio(loop_scope="session")
async def test_the_real_server_refuses_what_a_rule_refuses(real):
    client, _ = real
    with pytest.raises(ApiError, match=r"claimRef\.namespace is required"):
        await client.create(VOLUMES, _volume("half-reserved", claimRef={"name": "nobody"}))


@pytest.mark.controlplane
@pytest.mark.asyncio(loop_scope="session")
async def test_the_real_server_asks_only_about_updates_that_rules_read(real):
    client, registry = real
    await client.create(VOLUMES, _volume("asked-about"))
    before = _reviews(registry, Phase.MUTATE)
    # Finalizers concern no rule, labels do.
    await client.patch(VOLUMES, "asked-about", {"metadata": {"finalizers": ["example.com/kept"]}})
    assert _reviews(registry, Phase.MUTATE) == before
    await client.patch(VOLUMES, "asked-about", {"metadata": {"labels": {"shelf": "top"}}})
    assert _reviews(registry, Phase.MUTATE) > before
    asked = _reviews(registry, Phase.MUTATE)
    # An object on its way out is left alone, whatever is changed.
    await client.delete(VOLUMES, "asked-about")
    await client.patch(VOLUMES, "asked-about", {"metadata": {"labels": {"shelf": "low"}, "finalizers": None}})
    assert _reviews(registry, Phase.MUTATE) == asked


@pytest.mark.controlplane
@pytest.mark.asyncio(loop_scope="session")
async def test_the_real_server_leaves_out_the_namespaces_and_users_that_are_excluded(real, control_plane):
    client, _ = real
    claim = {"spec": {**MESSY, **SIZE}}
    excluded = await client.create(CLAIMS, {"metadata": {"name": "excluded"}, **claim}, "kube-system")
    assert len(excluded.spec.access_modes) == 2
    await _remove(client, CLAIMS, "excluded", "kube-system")
    kubeconfig = control_plane.kubeconfig_for(User(EXEMPT, ("system:masters",)))
    async with connect(await load(kubeconfig)) as exempt:
        made = await exempt.create(CLAIMS, {"metadata": {"name": "exempt"}, **claim}, "default")
        assert len(made.spec.access_modes) == 2
        await _remove(exempt, CLAIMS, "exempt", "default")


def _volume(name, **spec):
    return {
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"/srv/{name}"},
            **spec,
        },
    }
