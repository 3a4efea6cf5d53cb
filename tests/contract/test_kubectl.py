"""Sessions of a real kubectl, which have to go alike against both servers."""

import asyncio

import pytest

from tests.sandbox.kubectl.manifests import claim, config_map, deployment, pod, storage_class, text
from tests.sandbox.kubectl.tool import Kubectl, headings, rows

pytestmark = [pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """A home folder for each server: discovery is cached there."""
    return {name: tmp_path_factory.mktemp(name) for name in ("sandbox", "kubernetes")}


@pytest.fixture
def ctl(kubectl, place, homes):
    return Kubectl(kubectl, place.api.kubeconfig, homes[place.api.name], namespace=place.namespace)


async def test_a_claim_is_applied_shown_changed_and_deleted(ctl):
    assert await ctl("apply", "-f", "-", stdin=text(claim("data", "fast"))) == "persistentvolumeclaim/data created\n"
    table, wide = await asyncio.gather(ctl("get", "pvc"), ctl("get", "pvc", "-o", "wide"))
    assert headings(wide)[-1] == "VOLUMEMODE"
    assert rows(table)["data"][:4] == ["data", "Pending", "fast", "<unset>"]
    assert "unchanged" in await ctl("apply", "-f", "-", stdin=text(claim("data", "fast")))
    refused = await ctl.fails("apply", "-f", "-", stdin=text(claim("data", "slow")))
    assert "spec: Forbidden: spec is immutable after creation except resources.requests and" in refused
    assert "labeled" in await ctl("label", "pvc/data", "tier=x")
    assert (await ctl("get", "pvc", "-l", "tier=x", "-o", "name")).strip() == "persistentvolumeclaim/data"
    assert "deleted" in await ctl("delete", "pvc", "data", "--wait=false")
    assert (await ctl.get("pvc/data"))["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


async def test_fields_are_owned_by_who_applies_them(ctl):
    applied = ("apply", "--server-side", "-f", "-")
    assert "serverside-applied" in await ctl(*applied, "--field-manager=one", stdin=text(config_map("m", x="1")))
    conflict = await ctl.fails(*applied, "--field-manager=two", stdin=text(config_map("m", x="2")))
    assert 'Apply failed with 1 conflict: conflict with "one": .data.x' in conflict
    forced = (*applied, "--field-manager=two", "--force-conflicts")
    assert "serverside-applied" in await ctl(*forced, stdin=text(config_map("m", x="2")))
    shown = await ctl("get", "cm/m", "-o", "jsonpath={.data.x} {.metadata.managedFields[*].manager}")
    assert shown == "2 two"


async def test_patches_and_their_refusals(ctl):
    await ctl("create", "-f", "-", stdin=text(deployment("web"), config_map("m", x="1")))
    patch = '{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"demo/app:2"}]}}}}'
    assert "patched" in await ctl("patch", "deployment/web", "-p", patch)
    assert "scaled" in await ctl("scale", "deployment/web", "--replicas=3")
    shown = await ctl("get", "deploy/web", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}")
    assert shown == "3 demo/app:2"
    test = '[{"op":"test","path":"/data/x","value":"2"}]'
    assert "The request is invalid" in await ctl.fails("patch", "cm/m", "--type=json", "-p", test)
    old = await ctl("get", "cm/m", "-o", "yaml")
    await ctl("annotate", "cm/m", "a=b")
    assert "the object has been modified" in await ctl.fails("replace", "-f", "-", stdin=old)


async def test_wrong_objects_are_refused_in_the_same_words(ctl, place):
    unknown = config_map("m") | {"colour": "red"}
    sharing = pod("p", nodeSelector={"a b": "1"})
    answers = await asyncio.gather(
        ctl.fails("create", "-f", "-", stdin=text(unknown)),
        ctl.fails("create", "-f", "-", stdin=text(claim("c", size="0"))),
        ctl.fails("create", "-f", "-", stdin=text(sharing)),
        ctl.fails("create", "-f", "-", stdin=text(storage_class(place.unique("c"), reclaimPolicy="Burn"))),
    )
    for answer, words in zip(
        answers,
        (
            'unknown field "colour"',
            'spec.resources[storage]: Invalid value: "0": must be greater than zero',
            'spec.nodeSelector: Invalid value: "a b": name part must consist of alphanumeric characters',
            'reclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Retain"',
        ),
        strict=True,
    ):
        assert words in answer


async def test_a_dry_run_and_a_difference_change_nothing(ctl):
    dry = await ctl("apply", "--dry-run=server", "-f", "-", stdin=text(config_map("m", x="1")))
    assert dry == "configmap/m created (server dry run)\n"
    assert "NotFound" in await ctl.fails("get", "cm/m")
    await ctl("apply", "-f", "-", stdin=text(config_map("m", x="1")))
    changed = await ctl.fails("diff", "-f", "-", stdin=text(config_map("m", x="2")))
    assert '-  x: "1"' in changed
    assert '+  x: "2"' in changed


async def test_what_is_served_is_listed_and_explained(ctl):
    resources, explained, may = await asyncio.gather(
        ctl("api-resources", "--api-group=storage.k8s.io", "-o", "name"),
        ctl("explain", "pv.spec.csi.driver"),
        ctl("auth", "can-i", "create", "pods"),
    )
    assert {"csidrivers.storage.k8s.io", "csinodes.storage.k8s.io", "storageclasses.storage.k8s.io"} <= set(
        resources.split()
    )
    assert "FIELD: driver <string>" in explained
    assert may == "yes\n"


async def test_an_object_is_waited_for_while_it_changes(ctl):
    await ctl("create", "-f", "-", stdin=text(config_map("held")))
    await ctl("patch", "cm/held", "-p", '{"metadata":{"finalizers":["demo.io/hold"]}}')
    await ctl("delete", "cm/held", "--wait=false")
    async with asyncio.TaskGroup() as group:
        group.create_task(ctl("wait", "--for=delete", "cm/held", "--timeout=20s"))
        await ctl("patch", "cm/held", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    assert "NotFound" in await ctl.fails("get", "cm/held")
