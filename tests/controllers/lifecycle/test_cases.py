"""The life-cycle cases, on the sandbox and on a real API server, with the controllers at work that there are."""

from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from plugins.csi.driver import reached
from sandbox.server import SandboxSettings, serve
from tests.controllers.api import connected
from tests.controllers.lifecycle.replay import Replay, cases, swept

CASES: Final = cases()
DRIVEN: Final = {
    "expansion/grow-a-bound-claim": "a resizer grows the volume",
    "provisioning/default-class-assigned-later": "a provisioner makes the volume of the class that comes late",
    "provisioning/immediate-provisioning-end-to-end": "a provisioner makes the volume",
    "provisioning/selected-node-starts-late-provisioning": "a provisioner makes the volume once a node is chosen",
    "reclaim/delete-policy-removes-dynamic-volume": "a provisioner makes the volume, and deletes it",
    "reclaim/policy-switched-to-retain-before-deletion": "a provisioner makes the volume, and takes its finalizer off",
}
"""The cases in which the driver `hostpath.csi.test` has something to do, and what."""
TASKS: Final = {"CreateVolume", "DeleteVolume", "ControllerExpandVolume", "ControllerPublishVolume"}
"""The calls that change something."""


@pytest.mark.parametrize("name", CASES)
async def test_on_the_sandbox(name, hostpath, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    async with serve(SandboxSettings(run_pods=False)) as sandbox:
        sandbox.write_kubeconfig(kubeconfig)
        replayed = await _replay(name, kubeconfig, hostpath)
    assert replayed == ([], name in DRIVEN)


@pytest.mark.controlplane
@pytest.mark.parametrize("name", CASES)
async def test_on_a_real_api_server(name, hostpath, control_plane):
    async with connected(control_plane.kubeconfig) as api, swept(api):
        replayed = await _replay(name, control_plane.kubeconfig, hostpath)
    assert replayed == ([], name in DRIVEN)


def test_the_driver_is_known_to_act_in_cases_that_there_are():
    assert DRIVEN.keys() <= CASES.keys()


async def _replay(name, kubeconfig, hostpath):
    """What differs from the case, and whether the driver was told to do anything."""
    endpoint = hostpath[any(each["kind"] == "CSINode" for each in CASES[name]["before"])]
    registry = CollectorRegistry()
    async with connected(kubeconfig) as api, reached(endpoint, seconds=15.0, registry=registry) as driver:
        differences = await Replay(api, kubeconfig, CASES[name], driver).run()
    methods = {sample.labels.get("method_name", "") for metric in registry.collect() for sample in metric.samples}
    return differences, any(method.rpartition("/")[2] in TASKS for method in methods)
