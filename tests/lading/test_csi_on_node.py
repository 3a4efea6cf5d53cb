"""`lading csi-sidecar` on a node: it introduces a driver to kubelet, and answers who asks how the driver is."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest

from lading.cli.app import run
from plugins.csi.registered import Registered
from plugins.errors import Failed
from tests.lading.command import lading, running
from tests.plugins.csi.hostpath import driver
from tests.plugins.csi.test_registered import Record
from tests.plugins.mounts import RecordedMounts
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "hostpath.csi.lading"
SITE = ("--insecure-http", "--listen", "127.0.0.1:0")


def sidecar(home, *more, controllers="node-driver-registrar"):
    return (
        "csi-sidecar",
        *("--csi-address", f"unix://{home}/csi.sock", "--controllers", controllers),
        *("--registration-dir", str(home / "registry"), "--kubelet-registration-path", str(home / "csi.sock")),
        *SITE,
        *more,
    )


@asynccontextmanager
async def on_node(home, *more, controllers="node-driver-registrar", **settings):
    """A driver, and the sidecar beside it."""
    async with (
        driver(home, RecordedMounts(), **settings),
        running(*sidecar(home, *more, controllers=controllers), home=home) as command,
    ):
        yield command


async def get(command, path):
    async with aiohttp.ClientSession() as session, session.get(command.url + path) as response:
        return response.status, await response.text()


async def ended(command):
    """The status that it ends with by itself."""
    return await asyncio.wait_for(command.process.wait(), 60)


def complaints(home):
    lines = (home / "csi-sidecar.log").read_text().splitlines()
    return [line for line in lines if line.startswith("lading: ")]


async def test_kubelet_is_introduced_to_the_driver_without_an_api_server(tmp_path):
    record = Record()
    kubelet = Registered(tmp_path / "registry", record)
    async with on_node(tmp_path) as command:
        await kubelet.reconcile()
        assert record.drivers == {NAME: "n1"}
        assert kubelet.endpoint(NAME) == f"unix://{tmp_path}/csi.sock"
        assert await get(command, "/healthz/driver") == (200, "ok\n")
        status, told = await get(command, "/readyz")
        assert (status, told.splitlines()[0]) == (200, "[+] driver")
        assert "csi_sidecar_operations_seconds" in (await get(command, "/metrics"))[1]
        assert await command.stop() == 0
    await kubelet.reconcile()
    assert record.drivers == {}
    assert list((tmp_path / "registry").iterdir()) == []


async def test_where_kubelet_refuses_it_ends_with_the_reason(tmp_path):
    kubelet = Registered(tmp_path / "registry", Record(faults=[Failed("no such CSINode")]))
    async with on_node(tmp_path) as command:
        await kubelet.reconcile()
        assert await ended(command) == 1
    assert complaints(tmp_path) == [f"lading: kubelet does not take driver {NAME}: no such CSINode"]


async def test_a_driver_that_goes_is_told_of_and_is_well_again_when_it_returns(tmp_path):
    first = driver(tmp_path, RecordedMounts())
    await first.__aenter__()
    async with running(*sidecar(tmp_path, "--probe-timeout", "0.3"), home=tmp_path) as command:
        await first.__aexit__(None, None, None)
        status, told = await get(command, "/healthz/driver")
        assert (status, "UNAVAILABLE" in told) == (500, True)
        await eventually(lambda: says(command, "/readyz", 503, "[-] driver: does not answer"))
        async with driver(tmp_path, RecordedMounts()):
            await eventually(lambda: says(command, "/readyz", 200, "[+] driver"))
            assert await get(command, "/healthz/driver") == (200, "ok\n")


async def says(command, path, status, beginning):
    found, told = await get(command, path)
    return found == status and told.startswith(beginning)


async def test_another_driver_at_the_socket_ends_it(tmp_path):
    first = driver(tmp_path, RecordedMounts())
    await first.__aenter__()
    async with running(*sidecar(tmp_path), home=tmp_path) as command:
        await first.__aexit__(None, None, None)
        async with driver(tmp_path, RecordedMounts(), name="other.csi"):
            assert await ended(command) == 1
    (complaint,) = complaints(tmp_path)
    assert complaint == f"lading: the driver at unix://{tmp_path}/csi.sock was {NAME}, and is other.csi now"


async def test_the_registrar_works_beside_controllers_whoever_holds_the_lease(cluster, tmp_path):
    options = ("--kubeconfig", str(cluster))
    async with on_node(tmp_path, *options, controllers="csi-attacher,node-driver-registrar") as command:
        assert [each.name for each in (tmp_path / "registry").iterdir()] == [f"{NAME}-reg.sock"]
        _, told = await get(command, "/readyz")
        assert told.splitlines() == ["[+] caches", "[+] driver", "[+] stop", "ok"]
        assert await command.stop() == 0


async def test_all_controllers_do_not_mean_the_registrar(cluster, tmp_path):
    async with on_node(tmp_path, "--kubeconfig", str(cluster), controllers="*"):
        assert not (tmp_path / "registry").exists()


async def test_without_a_driver_it_ends_with_a_clear_line(tmp_path):
    status, said, complaint = await lading(*sidecar(tmp_path, "--driver-wait", "0.1"), home=tmp_path)
    assert (status, said) == (1, "")
    assert f"lading: the driver at unix://{tmp_path}/csi.sock was not ready within 0.1 s: " in complaint
    assert "No such file" in complaint
    assert "--csi-address" in complaint


async def test_the_driver_serves_its_own_health_where_it_is_asked_to(tmp_path):
    options = ("--endpoint", f"unix://{tmp_path}/csi.sock", "--node-id", "n1", "--state", str(tmp_path / "state"))
    async with running("csi-hostpath", *options, *SITE, home=tmp_path, until="listening http") as command:
        command.lines = [each for each in command.lines if "http" in each]
        assert (await get(command, "/healthz"))[0] == 200
        assert (await get(command, "/readyz"))[1].splitlines()[0] == "[+] socket"
        assert "process_cpu_seconds_total" in (await get(command, "/metrics"))[1]
        (tmp_path / "csi.sock").unlink()
        assert (await get(command, "/readyz"))[0] == 503
        assert await command.stop() == 0


async def test_the_driver_introduces_itself_and_ends_where_kubelet_refuses_it(tmp_path):
    record = Record()
    kubelet = Registered(tmp_path / "registry", record)
    options = ("--endpoint", f"unix://{tmp_path}/csi.sock", "--node-id", "n1", "--state", str(tmp_path / "state"))
    given = ("csi-hostpath", *options, "--registration-dir", str(tmp_path / "registry"))
    async with running(*given, home=tmp_path) as command:
        await eventually(lambda: registered(kubelet, record))
        assert await command.stop() == 0
    await kubelet.reconcile()
    record.faults = [Failed("no such CSINode")]
    async with running(*given, home=tmp_path) as command:
        await eventually(lambda: ended_unasked(kubelet, command))
        assert command.process.returncode == 1
    last = (tmp_path / "csi-hostpath.log").read_text().splitlines()[-1]
    assert last == f"lading: kubelet does not take driver {NAME}: no such CSINode"


async def registered(kubelet, record):
    await kubelet.reconcile()
    return record.drivers == {NAME: "n1"}


async def ended_unasked(kubelet, command):
    await kubelet.reconcile()
    return command.process.returncode is not None


async def test_who_asks_how_the_driver_is_shows_no_certificate(tmp_path):
    folder = tmp_path / "certs"
    assert (await lading("certs", "issue", "--dir", str(folder), home=tmp_path))[0] == 0
    given = [*sidecar(tmp_path), "--certs", str(folder)]
    given.remove("--insecure-http")
    trusting = ssl.create_default_context(cafile=folder / "ca.crt")
    async with driver(tmp_path, RecordedMounts()), running(*given, home=tmp_path) as command:
        url = f"{command.url}/healthz/driver"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=trusting) as response:
            assert (response.status, await response.text()) == (200, "ok\n")
        assert await command.stop() == 0


ALONE = ["csi-sidecar", "--insecure-http", "--controllers", "node-driver-registrar"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (ALONE, "node-driver-registrar needs --kubelet-registration-path"),
        ([*ALONE, "--kubelet-registration-path", "csi.sock"], "kubelet needs an absolute path"),
        (["csi-sidecar", "--insecure-http", "--controllers", "-csi-attacher"], "--controllers selects none"),
        (["csi-sidecar", "--insecure-http", "--controllers", "registrar"], "no such controller: registrar"),
        (["csi-sidecar", "--insecure-http", "--volume-name-prefix", "Pvc"], "at most 91 lower-case letters"),
        (["csi-sidecar", "--insecure-http", "--volume-name-prefix", "p" * 92], "at most 91 lower-case letters"),
        (
            ["csi-hostpath", "--endpoint", "unix:///s", "--node-id", "n", "--insecure-http"],
            "--listen HOST:PORT is missing",
        ),
    ],
)
async def test_a_wrong_option_is_one_clear_line(arguments, told, capsys):
    assert await asyncio.to_thread(run, arguments) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert told in said.err
