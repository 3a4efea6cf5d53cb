"""A stock kube-scheduler works against the sandbox: it leads by a lease, binds by protobuf, tells why by events."""

import json

import pytest

from sandbox.server import SandboxSettings, serve
from tests.controlplane.flags import scheduler_config
from tests.controlplane.guard import guarding
from tests.controlplane.processes import running
from tests.waiting import eventually

pytestmark = pytest.mark.controlplane

ROOM = {"cpu": "2", "memory": "4Gi", "pods": "10"}
NODE = {"metadata": {"name": "worker", "labels": {"demo.io/disk": "ssd"}}}
STATUS = {"status": {"allocatable": ROOM, "capacity": ROOM, "conditions": [{"type": "Ready", "status": "True"}]}}


def _pod(name, disk):
    spec = {"nodeSelector": {"demo.io/disk": disk}, "containers": [{"name": "main", "image": "demo/app:1"}]}
    return {"metadata": {"name": name}, "spec": spec}


async def _ready():
    return True


async def test_a_stock_scheduler_places_pods_and_tells_why_it_can_not(control_plane_binaries, tmp_path):
    config = tmp_path / "scheduler.json"
    async with serve(SandboxSettings()) as sandbox, guarding() as guard:
        api = sandbox.api
        pods, nodes, events = api.kind("v1", "Pod"), api.kind("v1", "Node"), api.kind("v1", "Event")
        sandbox.write_kubeconfig(tmp_path / "kubeconfig")
        wanted = scheduler_config({"leaderElection": {}}, tmp_path / "kubeconfig")
        config.write_text(json.dumps(wanted | {"leaderElection": {"leaderElect": True}}))
        await api.create(nodes, "", NODE)
        await api.change(nodes, ("", "worker"), lambda node: node | STATUS, "status")
        await api.create(pods, "default", _pod("fits", "ssd"))
        await api.create(pods, "default", _pod("waits", "tape"))
        binary, flags = control_plane_binaries.get("kube-scheduler"), [f"--config={config}", "--secure-port=0"]

        def told(reason):
            stored = [record.value for record in sandbox.api.store.records(events.stored_resource)]
            return [event for event in stored if event["reason"] == reason]

        async with running(binary, flags, tmp_path / "scheduler.log", _ready, guard):
            await eventually(lambda: api.get(pods, "default", "fits")["spec"].get("nodeName") == "worker")
            scheduled = await eventually(lambda: told("Scheduled"))
            failed = await eventually(lambda: told("FailedScheduling"))
        assert scheduled[0]["message"] == "Successfully assigned default/fits to worker"
        assert "1 node(s) didn't match Pod's node affinity/selector" in failed[0]["message"]
        assert api.get(api.kind("coordination.k8s.io/v1", "Lease"), "kube-system", "kube-scheduler")
