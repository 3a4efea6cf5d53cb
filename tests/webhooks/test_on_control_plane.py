"""The rules as kubectl users meet them, on a real API server: the cases, and what holds when manifests come again."""

import copy
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from model import quantity
from model.meta import JSON
from model.resources import CLAIMS, CLASSES, VOLUMES
from tests.controlplane.plane import ControlPlane
from tests.waiting import eventually
from tests.webhooks.cases import admission_cases, assert_contains, resolves
from tests.webhooks.plane import KINDS, World, ordered, without_server_fields, world

pytestmark = [pytest.mark.controlplane, pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]


GRANTS: JSON = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "referencegrants.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in for tests"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "scope": "Namespaced",
        "names": {"plural": "referencegrants", "singular": "referencegrant", "kind": "ReferenceGrant"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="shared")
async def shared_world(
    control_plane: ControlPlane, kubectl: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with world(control_plane, kubectl, tmp_path_factory.mktemp("webhooks")) as running:
        await running.kubectl("apply", "-f", "-", stdin=json.dumps(GRANTS))
        probe = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "probe"},
                 "provisioner": "example.com/none", "mountOptions": [" ro "]}  # fmt: skip

        async def in_force() -> bool:
            """Both registrations: they are learnt of one after the other."""
            secret = {"parameters": {"csi.storage.k8s.io/secret-name": "x"}}
            refused = await running.kubectl.fails("create", "--dry-run=server", "-f", "-",
                                                  stdin=json.dumps(probe | secret))  # fmt: skip
            shown = await running.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-",
                                          stdin=json.dumps(probe))  # fmt: skip
            return "must be given together" in refused and json.loads(shown)["mountOptions"] == ["ro"]

        async def tried() -> bool:
            try:
                return await in_force()
            except AssertionError:
                return False

        await eventually(tried)
        yield running
        await running.kubectl("delete", "customresourcedefinition", GRANTS["metadata"]["name"])


@pytest_asyncio.fixture(loop_scope="session", name="real")
async def real_world(shared: World) -> AsyncIterator[World]:
    yield shared
    await shared.clear()


def canonical(value: Any) -> Any:
    """With quantities as the server writes them."""
    if isinstance(value, dict):
        return {key: as_stored(each) if key == "storage" else canonical(each) for key, each in value.items()}
    return [canonical(each) for each in value] if isinstance(value, list) else value


def as_stored(value: Any) -> Any:
    return quantity.canonical(value) if isinstance(value, str) else canonical(value)


def known_to_the_server(value: Any) -> Any:
    """Without the field that no server has yet."""
    if isinstance(value, dict):
        return {key: known_to_the_server(each) for key, each in value.items() if key != "futureField"}
    return value


@pytest.mark.parametrize("case", admission_cases())
async def test_the_cases_hold_for_kubectl(real: World, case: JSON) -> None:
    for each in ordered(case["context"]):
        await real.put(each)
    if case["oldObject"]:
        await real.put(case["oldObject"])
    await real.seen()
    wanted = real.known(case["object"])
    wanted["metadata"] = {key: each for key, each in wanted["metadata"].items() if key != "creationTimestamp"}
    verb = ("apply",) if case["operation"] == "CREATE" else ("replace",)
    kubectl = replace(real.kubectl, namespace=wanted["metadata"].get("namespace", "default"))
    await real.ensure_namespace(kubectl.namespace)
    real.remember(wanted)
    code, out, err = await kubectl._run((*verb, "--validate=warn", "-f", "-", "-o", "json"), json.dumps(wanted))
    expect = case["expect"]
    assert (code == 0) is expect["allowed"], err
    if not expect["allowed"]:
        assert re.search(expect.get("message", ""), err, re.IGNORECASE), err
        real.made.pop()
        return
    stored = json.loads(out)
    if "contains" in expect:
        assert_contains(canonical(stored), canonical(real.known(expect["contains"])))
    for path in expect.get("absentPaths", ()):
        assert not resolves(stored, path), path
    warnings = [line.removeprefix("Warning: ") for line in err.splitlines() if line.startswith("Warning: ")]
    if "warning" in expect:
        assert any(re.search(expect["warning"], each, re.IGNORECASE) for each in warnings), warnings
    if expect.get("unchanged"):
        given = {key: each for key, each in wanted.items() if key not in ("metadata", "status")}
        assert_contains(canonical(stored), canonical(known_to_the_server(given)))


# --- manifests that come again ---

MANIFESTS = [
    {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": "again",
            "labels": {"failure-domain.beta.kubernetes.io/zone": "z"},
            "annotations": {
                "volume.beta.kubernetes.io/storage-class": "slow",
                "volume.beta.kubernetes.io/mount-options": "ro, hard",
                "example.com/a_b": " kept ",
            },
        },
        "spec": {
            "accessModes": ["ReadWriteOnce", "ReadWriteMany", "ReadWriteOnce"],
            "capacity": {"storage": "1.1Gi"},
            "csi": {"driver": "d", "volumeHandle": " v "},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [
                            {"key": "failure-domain.beta.kubernetes.io/zone", "operator": "In", "values": ["z"]}
                        ]}
                    ]
                }
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "again",
            "namespace": "default",
            "annotations": {"volume.beta.kubernetes.io/storage-class": "slow"},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce", "ReadWriteOnce"],
            "resources": {"requests": {"storage": "1.1Gi"}},
        },
    },
    {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "again",
            "annotations": {"storageclass.beta.kubernetes.io/is-default-class": "false"},
        },
        "provisioner": "block.csi.example.com",
        "parameters": {"csi.storage.k8s.io/fsType": " xfs", "type": " ssd "},
        "mountOptions": [" ro "],
    },
]  # fmt: skip
WAYS = {
    "client-side": ("apply",),
    "server-side": ("apply", "--server-side"),
}


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("manifest", MANIFESTS, ids=[each["kind"] for each in MANIFESTS])
async def test_applying_a_manifest_ten_times_changes_nothing_after_the_first(
    real: World, manifest: JSON, way: str
) -> None:
    text = json.dumps(manifest)
    await real.kubectl(*WAYS[way], "-f", "-", stdin=text)
    real.remember(manifest)
    resource = KINDS[manifest["kind"]]
    first = await real.raw(resource, "again", manifest["metadata"].get("namespace", ""))
    assert without_server_fields(first) != without_server_fields(manifest)
    for _ in range(9):
        await real.kubectl(*WAYS[way], "-f", "-", stdin=text)
    last = await real.raw(resource, "again", manifest["metadata"].get("namespace", ""))
    assert without_server_fields(last) == without_server_fields(first)
    assert last["metadata"]["uid"] == first["metadata"]["uid"]


async def test_what_nobody_asked_us_about_survives(real: World) -> None:
    manifest = copy.deepcopy(MANIFESTS[0])
    manifest["metadata"] |= {
        "finalizers": ["example.com/ours"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}],
    }
    await real.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    real.remember(manifest)
    stored = await real.raw(VOLUMES, "again")
    assert stored["metadata"]["annotations"] == {"example.com/a_b": " kept "}
    assert stored["metadata"]["ownerReferences"] == manifest["metadata"]["ownerReferences"]
    assert "example.com/ours" in stored["metadata"]["finalizers"]
    assert stored["metadata"]["labels"]["failure-domain.beta.kubernetes.io/zone"] == "z"


async def test_a_dry_run_shows_the_normal_form_and_stores_nothing(real: World) -> None:
    shown = await real.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(MANIFESTS[2]))
    assert json.loads(shown)["parameters"] == {"csi.storage.k8s.io/fstype": "xfs", "type": "ssd"}
    assert "not found" in await real.kubectl.fails("get", "storageclass", "again")


async def test_what_the_webhooks_made_is_no_field_of_theirs(real: World) -> None:
    """Server-side apply gives an applier what webhooks set in his request: nobody else appears as an owner."""
    await real.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(MANIFESTS[1]))
    real.remember(MANIFESTS[1])
    shown = await real.kubectl("get", "pvc", "again", "--show-managed-fields", "-o", "json")
    managers = {each["manager"] for each in json.loads(shown)["metadata"]["managedFields"]}
    assert managers == {"kubectl"}


async def test_a_claim_waits_for_nothing_and_grows_as_before(real: World) -> None:
    """Normalized objects go through their life: a claim of a class that allows it is grown to another odd size."""
    await real.put({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "slow"},
                    "provisioner": "block.csi.example.com", "allowVolumeExpansion": True})  # fmt: skip
    await real.kubectl("apply", "-f", "-", stdin=json.dumps(MANIFESTS[1]))
    real.remember(MANIFESTS[1])
    await real.client.patch(CLAIMS, "again", {"status": {"phase": "Bound", "capacity": {"storage": "1181116006"}}},
                            "default", subresource="status")  # fmt: skip
    grown = copy.deepcopy(MANIFESTS[1])
    grown["spec"]["resources"]["requests"]["storage"] = "2.1Gi"
    await real.kubectl("apply", "-f", "-", stdin=json.dumps(grown))
    assert (await real.raw(CLAIMS, "again", "default"))["spec"]["resources"]["requests"] == {"storage": "2254857830"}
    await real.client.get(CLASSES, "slow")
