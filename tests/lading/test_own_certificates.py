"""Webhooks that keep up their certificates themselves: replicas share one authority, and the API server trusts it."""

import base64
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest

from deploy.webhooks import configurations
from kube.client import connect
from kube.config import load
from model.resources import CLAIMS, MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS
from tests.controlplane.ports import reserved
from tests.lading.command import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAIM = {
    "metadata": {"name": "twice"},
    "spec": {"accessModes": ["ReadWriteOnce", "ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@asynccontextmanager
async def _registered(client, url):
    """The registrations as they are generated, without any trust in them."""
    mutating, validating = configurations(url)
    await client.create(MUTATING_WEBHOOKS, mutating)
    await client.create(VALIDATING_WEBHOOKS, validating)
    yield
    await client.delete(MUTATING_WEBHOOKS, "lading")
    await client.delete(VALIDATING_WEBHOOKS, "lading")


async def _bundles(client):
    found = [await client.get(kind, "lading") for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)]
    return {each.client_config.ca_bundle for configuration in found for each in configuration.webhooks}


async def test_replicas_share_an_authority_that_the_api_server_is_made_to_trust(cluster, tmp_path):
    options = ("webhooks", "--own-certs", "--kubeconfig", str(cluster), "--listen")
    with reserved(1) as (port,):
        pass
    url = f"https://127.0.0.1:{port}"
    async with connect(await load(cluster)) as client, _registered(client, url):
        assert await _bundles(client) == {None}
        async with (
            running(*options, f"127.0.0.1:{port}", home=tmp_path) as first,
            running(*options, "127.0.0.1:0", home=tmp_path) as second,
        ):
            (bundle,) = await _bundles(client)
            secret = await client.get(SECRETS, "lading-webhook-ca", "default")
            assert base64.b64decode(secret.data["ca.crt"]) == base64.b64decode(bundle)
            trusting = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
            for replica in (first, second):
                assert await _ready(replica.url, trusting)
            made = await client.create(CLAIMS, CLAIM, "default")
            assert made.spec.access_modes == ("ReadWriteOnce",)
            assert await first.stop() == 0
            assert await second.stop() == 0
    assert not list(tmp_path.glob("lading-webhooks-*"))


async def _ready(url, trusting):
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz", ssl=trusting) as response:
        return response.status == 200 and "[+] certificates" in await response.text()
