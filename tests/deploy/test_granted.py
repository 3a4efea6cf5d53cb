"""The webhooks and their certificates with no more than their role, on an API server that enforces it."""

import asyncio
import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from certs.secret import SecretStore
from deploy.rbac import Component, Names, roles
from kube.caches import Caches
from kube.client import connect
from kube.config import load
from kube.errors import Forbidden
from model.resources import NAMESPACES, SECRETS
from tests.certs.replicas import installed
from tests.controlplane.plane import ControlPlane
from tests.sandbox.kubectl.tool import Kubectl
from tests.waiting import eventually
from webhooks.service import webhooks
from webhooks.settings import parse

pytestmark = [pytest.mark.controlplane, pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]

NAMES = Names("granted", "default")
RULES = parse("namespaces: [{selector: {matchLabels: {a: b}}, rules: {pvc-tiny-request: off}}]")


async def test_the_role_of_the_webhooks_is_enough_and_no_more(
    control_plane: ControlPlane, kubectl: Path, tmp_path: Path
) -> None:
    admin = Kubectl(kubectl, control_plane.kubeconfig, tmp_path)
    manifests = roles(Component.WEBHOOKS, rules=RULES, names=NAMES)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    await admin("apply", "-f", "-", stdin=text)
    try:
        account = await control_plane.kubeconfig_for_service_account("default", NAMES.account(Component.WEBHOOKS))
        async with connect(await load(control_plane.kubeconfig)) as owner, connect(await load(account)) as client:
            caches = Caches(client, RULES.caches)
            service = webhooks(client, caches, CollectorRegistry(), settings=RULES)
            running = asyncio.create_task(caches.run())
            await eventually(lambda: service.complaint() is None)
            async with installed(owner, NAMES.registration, tmp_path / "certs", replicas=1, running=False) as one:
                upkeep = one.replicas[0].upkeep
                upkeep._client, upkeep._authorities = client, _in_secret(client)
                keeping = asyncio.create_task(upkeep.run())
                await eventually(lambda: upkeep.complaint() is None)
                assert len(await one.bundles()) == 1
                await one.empty_bundles()
                await eventually(lambda: _is_filled(one))
                keeping.cancel()
                await owner.delete(SECRETS, NAMES.secret, "default")
            running.cancel()
            await asyncio.wait([running, keeping])
            with pytest.raises(Forbidden):
                await client.list(SECRETS)
            with pytest.raises(Forbidden):
                await client.get(SECRETS, "another", "default")
            with pytest.raises(Forbidden):
                await client.delete(NAMESPACES, "default")
    finally:
        await admin("delete", "-f", "-", stdin=text)


def _in_secret(client):
    return SecretStore(client, NAMES.namespace, NAMES.secret)


async def _is_filled(one):
    bundles = await one.bundles()
    return len(bundles) == 1 and all(bundles)
