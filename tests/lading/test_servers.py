"""Each server as a process: it says where it listens once it can answer, is probed, and ends when it is asked to."""

import signal
import socket
import ssl

import aiohttp
import pytest

from tests.lading.command import lading, running
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVERS = {
    "extender": ("--mode", "instead"),
    "webhooks": (),
    "controllers": ("--mode", "instead"),
}


@pytest.fixture(params=SERVERS)
def server(request):
    """A server's command with what it needs to run beside nothing else."""
    return (request.param, *SERVERS[request.param])


def _on(cluster, *more):
    return ("--kubeconfig", str(cluster), "--listen", "127.0.0.1:0", *more)


async def _get(url, path, **options):
    async with aiohttp.ClientSession() as session, session.get(url + path, **options) as response:
        return response.status, await response.text()


async def test_a_server_is_ready_when_it_says_where_it_listens(server, cluster, tmp_path):
    async with running(*server, *_on(cluster, "--insecure-http"), home=tmp_path) as command:
        assert command.url.startswith("http://127.0.0.1:")
        assert (await _get(command.url, "/healthz"))[0] == 200
        assert (await _get(command.url, "/readyz"))[0] == 200
        status, metrics = await _get(command.url, "/metrics")
        assert status == 200
        assert "lading_kube_requests_total" in metrics
        assert "process_cpu_seconds_total" in metrics
        assert await command.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_ends_cleanly_when_it_is_asked_to(number, cluster, tmp_path):
    async with running("webhooks", *_on(cluster, "--insecure-http"), home=tmp_path) as command:
        assert await command.stop(number) == 0
    last = (tmp_path / "webhooks.log").read_text().splitlines()[-1]
    assert '"stopping"' in last


async def test_a_server_without_an_api_server_is_alive_and_not_ready(server, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(NOWHERE)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    options = ("--kubeconfig", str(kubeconfig), "--listen", f"127.0.0.1:{port}", "--insecure-http")
    async with running(*server, *options, home=tmp_path, until="") as command:
        url = f"http://127.0.0.1:{port}"
        await eventually(lambda: _answers(url))
        status, why = await _get(url, "/readyz")
        assert status == 503
        assert "not synced" in why
        assert await command.stop() == 0
    assert command.lines == []


NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
current-context: nowhere
"""


async def _answers(url):
    try:
        return (await _get(url, "/healthz"))[0] == 200
    except aiohttp.ClientError:
        return False


async def test_only_callers_with_a_certificate_are_served(cluster, tmp_path):
    certs = tmp_path / "certs"
    assert (await lading("certs", "issue", "--dir", str(certs), home=tmp_path))[0] == 0
    async with running("extender", *_on(cluster, "--certs", str(certs)), home=tmp_path) as command:
        stranger = ssl.create_default_context(cafile=certs / "ca.crt")
        caller = ssl.create_default_context(cafile=certs / "ca.crt")
        caller.load_cert_chain(certs / "scheduler.crt", certs / "scheduler.key")
        assert (await _get(command.url, "/readyz", ssl=stranger))[0] == 200
        body = {"Pod": {"metadata": {"name": "p", "namespace": "default"}, "spec": {}}, "NodeNames": []}
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{command.url}/filter", json=body, ssl=stranger) as response:
                assert response.status == 401
                assert (await response.json())["error"] == "a client certificate is required"
            async with session.post(f"{command.url}/filter", json=body, ssl=caller) as response:
                assert response.status == 200
        assert await command.stop() == 0


async def test_of_two_replicas_of_the_controllers_one_works_and_the_other_takes_over(cluster, tmp_path):
    options = ("controllers", "--mode", "instead", *_on(cluster, "--insecure-http", "--lease-namespace", "default"))
    leading = "lading_lease_leading"
    async with running(*options, home=tmp_path) as first:
        await eventually(lambda: _metric(first.url, leading))
        async with running(*options, home=tmp_path) as second:
            assert (await _get(second.url, "/readyz"))[0] == 200
            assert not await _metric(second.url, leading)
            assert await first.stop() == 0
            await eventually(lambda: _metric(second.url, leading))
            assert await second.stop() == 0


async def _metric(url, name):
    """The first sample of a metric."""
    _, text = await _get(url, "/metrics")
    samples = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return float(samples[0].rpartition(" ")[2]) if samples else 0.0


async def test_standard_output_may_be_closed(cluster, tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    options = ("--kubeconfig", str(cluster), "--listen", f"127.0.0.1:{port}", "--insecure-http")
    async with running("webhooks", *options, home=tmp_path, until="") as command:
        assert command.process.stdout is not None
        command.process.stdout._transport.close()
        url = f"http://127.0.0.1:{port}"
        await eventually(lambda: _answers(url))
        await eventually(lambda: _is_ready(url))
        command.process.terminate()
        assert await command.process.wait() == 0


async def _is_ready(url):
    return (await _get(url, "/readyz"))[0] == 200


async def test_the_sandbox_keeps_what_it_was_given_in_its_data_folder(tmp_path):
    kubeconfig, data = tmp_path / "kubeconfig", tmp_path / "data"
    options = ("sandbox", "--listen", "127.0.0.1:0", "--kubeconfig", str(kubeconfig), "--data", str(data))
    async with running(*options, home=tmp_path, until="ready") as command:
        assert [line.partition(" ")[0] for line in command.lines] == ["listening", "ready"]
        assert (await _get(command.url, "/readyz", ssl=False))[0] == 200
        assert kubeconfig.stat().st_mode & 0o077 == 0
        token = kubeconfig.read_text().partition("token: ")[2].split()[0]
        headers = {"Authorization": f"Bearer {token}"}
        path = "/api/v1/namespaces/default/configmaps"
        kept = {"metadata": {"name": "kept"}}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(command.url + path, json=kept, ssl=False) as response,
        ):
            assert response.status == 201
        code, _, err = await lading(*options, home=tmp_path)
        assert code == 1
        assert err.count("\n") == 1
        assert str(data) in err
        assert await command.stop() == 0
    async with running(*options, home=tmp_path, until="ready") as command:
        assert (await _get(command.url, f"{path}/kept", ssl=False, headers=headers))[0] == 200
        assert await command.stop() == 0
