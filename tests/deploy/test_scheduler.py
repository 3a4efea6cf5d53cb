"""The KubeSchedulerConfiguration: what each mode delegates, and that real readers take it."""

import asyncio
import json

import pytest
import yaml
from prometheus_client import CollectorRegistry

from deploy.errors import DeployError
from deploy.rbac import Mode
from deploy.scheduler import REPLACED, TIMEOUT_SECONDS, VERBS, Trust, configuration
from extender.asked import PATH as EXPLAIN
from extender.bind import BindLimits
from extender.service import Extender
from sandbox.scheduler.configuration import read_configuration
from tests.extender.world import World

URL = "https://127.0.0.1:8443"
TRUST = Trust(ca=b"authority", cert=b"certificate", key=b"key")


def _extender(mode, url=URL, trust=TRUST, **more):
    return configuration(mode, url, trust, **more)["extenders"][0]


def test_instead_hands_the_volume_plugins_and_binding_to_the_extender():
    written = configuration(Mode.INSTEAD, URL, TRUST)
    off = written["profiles"][0]["plugins"]["multiPoint"]["disabled"]
    assert {each["name"] for each in off} == {
        "VolumeZone",
        "VolumeBinding",
        "NodeVolumeLimits",
        "VolumeRestrictions",
    }
    assert {verb: written["extenders"][0][f"{verb}Verb"] for verb in VERBS} == {verb: verb for verb in VERBS}


def test_beside_keeps_the_plugins_and_only_filters_and_scores():
    written = configuration(Mode.BESIDE, URL, TRUST)
    assert "plugins" not in written["profiles"][0]
    assert {key for key in written["extenders"][0] if key.endswith("Verb")} == {"filterVerb", "prioritizeVerb"}


@pytest.mark.parametrize("mode", Mode)
def test_every_node_is_shown_and_no_error_is_passed_over(mode):
    written = configuration(mode, URL, TRUST)
    assert written["percentageOfNodesToScore"] == 100
    assert written["extenders"][0]["ignorable"] is False
    assert written["extenders"][0]["nodeCacheCapable"] is True


async def test_the_verbs_announced_are_those_that_are_served():
    world = World()
    routes = Extender(world.caches, world, CollectorRegistry()).routes()
    assert {route.path.removeprefix("/") for route in routes if route.path != EXPLAIN} == set(VERBS)


def test_the_scheduler_waits_longer_than_a_bind_call_takes():
    assert BindLimits().answer < TIMEOUT_SECONDS
    assert _extender(Mode.INSTEAD)["httpTimeout"] == "60s"
    with pytest.raises(DeployError, match="cuts off binding"):
        configuration(Mode.INSTEAD, URL, TRUST, timeout_seconds=30)


def test_certificates_are_files_or_content(tmp_path):
    files = Trust(tmp_path / "ca.crt", tmp_path / "scheduler.crt", tmp_path / "scheduler.key")
    assert _extender(Mode.BESIDE, trust=files)["tlsConfig"] == {
        "caFile": str(tmp_path / "ca.crt"),
        "certFile": str(tmp_path / "scheduler.crt"),
        "keyFile": str(tmp_path / "scheduler.key"),
    }
    assert _extender(Mode.BESIDE)["tlsConfig"] == {
        "caData": "YXV0aG9yaXR5",
        "certData": "Y2VydGlmaWNhdGU=",
        "keyData": "a2V5",
    }


@pytest.mark.parametrize(
    ("url", "trust", "why"),
    [
        ("127.0.0.1:8443", TRUST, "no URL of an extender"),
        ("https://", TRUST, "no URL of an extender"),
        ("https://127.0.0.1:8443?timeout=3", TRUST, "no URL of an extender"),
        ("http://127.0.0.1:8443", TRUST, "takes no certificates"),
        (URL, Trust(), "would not verify"),
        (URL, Trust(ca=b"authority", cert=b"certificate"), "go together"),
    ],
)
def test_what_would_not_work_is_refused(url, trust, why):
    with pytest.raises(DeployError, match=why):
        configuration(Mode.INSTEAD, url, trust)


@pytest.mark.parametrize("mode", Mode)
def test_the_sandbox_reads_it(mode):
    (extender,) = read_configuration(configuration(mode, URL, TRUST)).extenders
    assert (extender.url, extender.https, extender.timeout_seconds) == (URL, True, 60.0)
    assert bool(extender.bind_verb) is (mode is Mode.INSTEAD)


@pytest.mark.controlplane
@pytest.mark.parametrize("mode", Mode)
async def test_a_stock_scheduler_reads_it(mode, control_plane, tmp_path):
    pki = control_plane.pki
    trust = Trust(*(file.read_bytes() for file in (pki.ca, *pki.pair("server"))))
    config, effective = tmp_path / "config.json", tmp_path / "effective.yaml"
    config.write_text(json.dumps(configuration(mode, URL, trust, kubeconfig=control_plane.kubeconfig)))
    binary = control_plane.binaries.get("kube-scheduler")
    command = [str(binary.path), f"--config={config}", f"--write-config-to={effective}"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    written = yaml.safe_load(effective.read_text())
    enabled = {each["name"] for each in written["profiles"][0]["plugins"]["multiPoint"]["enabled"]}
    assert (enabled & set(REPLACED)) == (set() if mode is Mode.INSTEAD else set(REPLACED))
    assert written["extenders"][0].get("bindVerb", "") == ("bind" if mode is Mode.INSTEAD else "")
