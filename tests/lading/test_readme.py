"""What the README says to type makes a cluster that works."""

import re
import shlex
import socket
from contextlib import AsyncExitStack, ExitStack

import pytest
import typer.main

from lading.cli.app import app_of
from tests.lading.command import ROOT, lading, running
from tests.lading.test_commands import COMMANDS
from tests.lading.test_demo import MANIFEST
from tests.sandbox.kubectl.tool import Kubectl
from tests.waiting import eventually

SERVERS = {"sandbox": "6443", "extender": "8443", "webhooks": "9443", "controllers": "10260"}
CLUSTER = """
apiVersion: v1
kind: Node
metadata: {name: alone, labels: {kubernetes.io/hostname: alone}}
status:
  allocatable: {cpu: "4", memory: 8Gi, pods: "10"}
  conditions: [{type: Ready, status: "True"}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: zonal}
provisioner: kubernetes.io/host-path
volumeBindingMode: WaitForFirstConsumer
"""


def _usage():
    """The commands of the block that begins a cluster."""
    text = (ROOT / "README.md").read_text()
    (block,) = [each for each in re.findall(r"```\n(.*?)```", text, re.DOTALL) if "lading sandbox" in each]
    return [line for line in block.splitlines() if line.startswith("lading ")]


def _free_ports():
    """A free port for each that is written there."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in SERVERS]
        return {written: str(each.getsockname()[1]) for written, each in zip(SERVERS.values(), held, strict=True)}


@pytest.mark.kubectl
async def test_the_commands_of_the_readme_make_a_cluster(kubectl, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    ports = _free_ports()
    user = Kubectl(kubectl, tmp_path / "kubeconfig", tmp_path)
    async with AsyncExitStack() as stack:
        for line in _usage():
            for written, port in ports.items():
                line = line.replace(f":{written}", f":{port}")  # noqa: PLW2901 - the line as it is typed here
            command, _, then = line.partition(" | ")
            command, _, file = command.partition(" > ")
            arguments = shlex.split(command)[1:]
            if arguments[0] in SERVERS:
                listen = ("--listen", f"127.0.0.1:{ports[SERVERS[arguments[0]]]}")
                until = "ready" if arguments[0] == "sandbox" else "listening "
                await stack.enter_async_context(running(*arguments, *listen, home=tmp_path, until=until))
                continue
            code, out, err = await lading(*arguments, home=tmp_path)
            assert (code, err) == (0, "")
            if file:
                (tmp_path / file).write_text(out)
            if then:
                await user(*shlex.split(then)[1:], stdin=out)
        await user("apply", "-f", "-", stdin=CLUSTER)
        await user("apply", "-f", "-", stdin=MANIFEST)
        await user("wait", "--for=condition=Ready", "pod/mine", "--timeout=25s")
        assert (await user.get("pvc", "mine"))["status"]["phase"] == "Bound"
        code, out, _ = await lading("explain", "pod", "mine", home=tmp_path)
        assert (code, "alone" in out) == (0, True)
        await user("delete", "-f", "-", stdin=MANIFEST)
        await eventually(lambda: _nothing_is_left(user))


async def _nothing_is_left(user):
    return not (await user.get("pv"))["items"]


def test_every_command_is_documented():
    text = (ROOT / "docs" / "commands.md").read_text()
    leaves = [path for path in COMMANDS if path and not any(path == other[: len(path)] != other for other in COMMANDS)]
    assert [path for path in leaves if f"`lading {' '.join(path)}`" not in text] == []


def test_every_option_that_is_documented_exists():
    options = {option for command in _all() for parameter in command.params for option in parameter.opts}
    for page in (ROOT / "README.md", ROOT / "docs" / "commands.md"):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text()))
        assert named - options - {"--help", "--config"} == set()


def _all():
    """Every command and group."""
    waiting = [typer.main.get_command(app_of())]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        yield command
