"""The stand-in for the kubelets: pods run once their claims are bound, and end when they are deleted."""

import asyncio

import pytest

from sandbox.deletion import DeleteOptions
from sandbox.node import Nodes
from tests.sandbox.world import add_pod, api_server, condition, get_pod, pod
from tests.waiting import eventually

CLAIM = {
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
}


@pytest.fixture
async def api():
    async with api_server() as made:
        running = asyncio.create_task(Nodes(made).run())
        yield made
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()


def phase(api, name):
    return (get_pod(api, name).get("status") or {}).get("phase")


def claims(api):
    return api.kind("v1", "PersistentVolumeClaim")


async def bind(api, name):
    def bound(old):
        annotations = {"pv.kubernetes.io/bind-completed": "yes"}
        return old | {
            "metadata": old["metadata"] | {"annotations": annotations},
            "spec": old["spec"] | {"volumeName": "v"},
        }

    await api.change(claims(api), ("default", name), bound)


async def test_a_pod_on_a_node_runs(api):
    await add_pod(api, pod("p", nodeName="a"))
    await add_pod(api, pod("waits"))
    await eventually(lambda: phase(api, "p") == "Running")
    assert condition(get_pod(api, "p"), "Ready")["status"] == "True"
    assert get_pod(api, "p")["status"]["podIP"]
    assert phase(api, "waits") == "Pending"


@pytest.mark.parametrize(
    ("volume", "claim"),
    [
        ({"persistentVolumeClaim": {"claimName": "data"}}, "data"),
        ({"ephemeral": {"volumeClaimTemplate": {"spec": CLAIM["spec"]}}}, "p-v"),
    ],
)
async def test_a_pod_runs_once_its_claims_are_bound(api, volume, claim):
    await add_pod(api, pod("p", nodeName="a", volumes=[{"name": "v", **volume}]))
    await add_pod(api, pod("witness", nodeName="a"))
    await eventually(lambda: phase(api, "witness") == "Running")
    assert phase(api, "p") == "Pending"
    await api.create(claims(api), "default", {"metadata": {"name": claim}, **CLAIM})
    await add_pod(api, pod("witness2", nodeName="a"))
    await eventually(lambda: phase(api, "witness2") == "Running")
    assert phase(api, "p") == "Pending"
    await bind(api, claim)
    await eventually(lambda: phase(api, "p") == "Running")


async def test_a_pod_ends_when_it_is_deleted(api):
    await add_pod(api, pod("p", nodeName="a"))
    await eventually(lambda: phase(api, "p") == "Running")
    await api.delete(api.kind("v1", "Pod"), ("default", "p"), DeleteOptions())
    await eventually(lambda: api.store.get("pods", ("default", "p")) is None)


async def test_a_pod_that_is_held_goes_only_when_let_go(api):
    body = pod("p", nodeName="a")
    body["metadata"]["finalizers"] = ["demo.io/hold"]
    await add_pod(api, body)
    await eventually(lambda: phase(api, "p") == "Running")
    await api.delete(api.kind("v1", "Pod"), ("default", "p"), DeleteOptions())
    await eventually(lambda: get_pod(api, "p")["metadata"].get("deletionGracePeriodSeconds") == 0)

    def freed(old):
        return old | {"metadata": {k: v for k, v in old["metadata"].items() if k != "finalizers"}}

    await api.change(api.kind("v1", "Pod"), ("default", "p"), freed)
    await eventually(lambda: api.store.get("pods", ("default", "p")) is None)


async def test_pods_that_have_ended_are_left_alone(api):
    await add_pod(api, pod("p", nodeName="a"))
    await eventually(lambda: phase(api, "p") == "Running")
    status = {"phase": "Succeeded"}
    await api.change(api.kind("v1", "Pod"), ("default", "p"), lambda old: old | {"status": status}, "status")
    await add_pod(api, pod("witness", nodeName="a"))
    await eventually(lambda: phase(api, "witness") == "Running")
    assert phase(api, "p") == "Succeeded"
