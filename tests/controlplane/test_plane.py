"""The real control plane comes up, does its work, knows its users, and leaves no process behind."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from socket import create_connection
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from certs.issue import User
from tests.controlplane import plane
from tests.controlplane.processes import ServerError
from tests.sandbox.kubectl.tool import Kubectl
from tests.waiting import eventually

pytestmark = pytest.mark.controlplane

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def namespace(control_plane, request):
    name = request.node.name.replace("_", "-")[:63].strip("-")
    async with control_plane.client() as client:
        wanted = {"metadata": {"name": name}}
        async with client.post("/api/v1/namespaces", json=wanted, raise_for_status=True):
            yield name
        async with client.delete(f"/api/v1/namespaces/{name}", raise_for_status=True):
            pass


@pytest.fixture
def admin(kubectl, control_plane, namespace, tmp_path):
    return Kubectl(kubectl, control_plane.kubeconfig, tmp_path, namespace)


async def test_kubectl_creates_and_gets_an_object(admin):
    await admin("create", "configmap", "greeting", "--from-literal=word=hello")
    assert (await admin.get("configmap", "greeting"))["data"] == {"word": "hello"}


async def test_a_user_may_do_what_rbac_grants_and_no_more(control_plane, admin):
    reader = replace(admin, kubeconfig=control_plane.kubeconfig_for(User("reader", ("readers",))))
    await admin("create", "role", "read", "--verb=list", "--resource=configmaps")
    await admin("create", "rolebinding", "readers", "--role=read", "--group=readers")
    await eventually(lambda: _may(reader, "list", "configmaps"))
    assert "forbidden" in await reader.fails("create", "configmap", "refused")


async def test_a_service_account_speaks_by_a_token(control_plane, admin, namespace):
    await admin("create", "serviceaccount", "worker")
    worker = replace(admin, kubeconfig=await control_plane.kubeconfig_for_service_account(namespace, "worker"))
    assert f"system:serviceaccount:{namespace}:worker" in await worker("auth", "whoami")


async def test_there_is_no_token_for_a_service_account_that_is_not_there(control_plane, namespace):
    with pytest.raises(aiohttp.ClientResponseError, match="404"):
        await control_plane.kubeconfig_for_service_account(namespace, "nobody")


async def test_the_scheduler_binds_by_the_profile_that_it_is_given(control_plane, admin, namespace):
    await admin("apply", "-f", "-", stdin=json.dumps(_node(namespace)))
    await admin("apply", "-f", "-", stdin=json.dumps(_pod("given")))
    async with control_plane.scheduler({"profiles": [{"schedulerName": "given"}]}):
        node = await eventually(lambda: admin("get", "pod", "waiting", "-o", "jsonpath={.spec.nodeName}"))
    assert node == namespace
    await admin("delete", "node", namespace)


async def test_the_controller_manager_runs_the_controllers_that_it_is_given(control_plane, admin):
    async with control_plane.controller_manager("serviceaccount-controller"):
        await eventually(lambda: admin("get", "serviceaccount", "default", "--ignore-not-found", "-o", "name"))


async def test_a_server_that_ends_at_once_is_an_error_with_its_last_words(control_plane):
    with pytest.raises(ServerError, match=r"(?s)kube-scheduler ended with status 1.*unknown flag: --no-such-flag"):
        async with control_plane.scheduler(more=["--no-such-flag"]):
            pytest.fail("it came up")


async def test_what_etcd_holds_is_there_at_the_next_start(control_plane_binaries, kubectl, tmp_path):
    for verb in ("create", "get"):
        async with plane.control_plane(tmp_path, control_plane_binaries, durable=True) as running:
            assert "kept" in await Kubectl(kubectl, running.kubeconfig, tmp_path)(verb, "configmap", "kept")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_it_goes_down_with_who_started_it(number, control_plane_binaries, tmp_path):
    async with _up(tmp_path, "--with", "scheduler,controller-manager") as (process, pids):
        assert len(pids) == 4
        url = yaml.safe_load((tmp_path / "admin.kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
        process.send_signal(number)
        assert await process.wait() == (-number if number == signal.SIGKILL else 0)
        await eventually(lambda: not any(_is_alive(pid) for pid in pids))
        await eventually(lambda: _refuses(url))


async def test_it_ends_with_an_error_when_a_server_does(control_plane_binaries, tmp_path):
    async with _up(tmp_path) as (process, pids):
        os.kill(pids[1], signal.SIGKILL)
        _, errors = await process.communicate()
        assert process.returncode == 1
        assert b"error: kube-apiserver ended with status -9" in errors
        assert not any(_is_alive(pid) for pid in pids)


@asynccontextmanager
async def _up(folder, *more):
    """`up` as a user runs it, from when it says that it is ready, and the servers that it says run."""
    command = [sys.executable, "-m", "tests.controlplane", "up", "--dir", str(folder), *more]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)
    try:
        lines = []
        async with asyncio.timeout(90):
            while lines[-1:] != ["ready"]:
                lines.append((await process.stdout.readuntil()).decode().rstrip())
        yield process, [int(line.split(" pid ")[1].split(",")[0]) for line in lines if " pid " in line]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def _is_alive(pid):
    with suppress(FileNotFoundError):
        # What nobody waits for any more stays listed until the system's first process does.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _refuses(url):
    try:
        create_connection((urlsplit(url).hostname, urlsplit(url).port)).close()
    except ConnectionRefusedError:
        return True
    return False


async def _may(who, verb, resource):
    return resource in await who("auth", "can-i", "--list", "--no-headers") and await who(
        "auth", "can-i", verb, resource
    )


def _node(name):
    allocatable = {"cpu": "4", "memory": "8Gi", "pods": "10"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"capacity": allocatable, "allocatable": allocatable},
    }


def _pod(scheduler):
    container = {"name": "main", "image": "registry.example/none"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "waiting"},
        "spec": {"schedulerName": scheduler, "containers": [container]},
    }
