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
from tests.lading.command import lading, running

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


async def test_the_scheduler_gets_its_certificate_of_the_authority_that_the_extender_keeps(cluster, tmp_path):
    issue = ("certs", "issue", "--kubeconfig", str(cluster), "--namespace", "default")
    secret, mine = "extender-ca", tmp_path / "mine"
    code, _, err = await lading(*issue, "--dir", str(mine), "--from-secret", secret, home=tmp_path)
    assert (code, err) == (2, f"lading: --from-secret {secret}: there is none in namespace default\n")
    options = ("extender", "--own-certs", "--secret", secret, "--kubeconfig", str(cluster))
    async with (
        connect(await load(cluster)) as client,
        running(*options, "--listen", "127.0.0.1:0", home=tmp_path) as extender,
    ):
        code, out, _ = await lading(*issue, "--dir", str(mine), "--from-secret", secret, home=tmp_path)
        assert (code, out) == (0, "issued scheduler: there is none\nissued apiserver: there is none\n")
        assert sorted(each.name for each in mine.iterdir() if not each.name.startswith("..")) == [
            "apiserver.crt", "apiserver.key", "ca.crt", "scheduler.crt", "scheduler.key",
        ]  # fmt: skip
        stored = await client.get(SECRETS, secret, "default")
        assert (mine / "ca.crt").read_bytes() == base64.b64decode(stored.data["ca.crt"])
        stranger = ssl.create_default_context(cafile=mine / "ca.crt")
        caller = ssl.create_default_context(cafile=mine / "ca.crt")
        caller.load_cert_chain(mine / "scheduler.crt", mine / "scheduler.key")
        assert await _ready(extender.url, stranger)
        assert await _filtered(extender.url, stranger) == 401
        assert await _filtered(extender.url, caller) == 200
        await client.delete(SECRETS, secret, "default")
        assert await extender.stop() == 0
    assert not list(tmp_path.glob("lading-extender-*"))


async def test_certificates_of_two_authorities_are_kept_apart(cluster, tmp_path):
    issue = ("certs", "issue", "--kubeconfig", str(cluster), "--namespace", "default", "--dir")
    own, its = tmp_path / "own", tmp_path / "its"
    options = ("extender", "--own-certs", "--secret", "apart", "--kubeconfig", str(cluster), "--listen", "127.0.0.1:0")
    async with running(*options, home=tmp_path):
        assert (await lading(*issue, str(own), home=tmp_path))[0] == 0
        code, _, err = await lading(*issue, str(own), "--from-secret", "apart", home=tmp_path)
        assert code == 2
        assert "holds an authority of its own" in err
        assert (await lading(*issue, str(its), "--from-secret", "apart", home=tmp_path))[0] == 0
        code, out, _ = await lading("certs", "status", "--dir", str(its), home=tmp_path)
        assert code == 0
        assert [line.split()[0] for line in out.splitlines()[1:]] == ["authority", "apiserver", "scheduler"]
        for again in (issue, ("certs", "rotate", "--dir")):
            code, _, err = await lading(*again, str(its), home=tmp_path)
            assert code == 2
            assert "issue them --from-secret again" in err


async def _filtered(url, tls):
    body = {"Pod": {"metadata": {"name": "p", "namespace": "default"}, "spec": {}}, "NodeNames": []}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/filter", json=body, ssl=tls) as response:
        return response.status


async def _ready(url, trusting):
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz", ssl=trusting) as response:
        return response.status == 200 and "[+] certificates\n[+] handshake" in await response.text()
