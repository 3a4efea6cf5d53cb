"""The definitions of the snapshot kinds: what they look like, and that real servers take them and hold to them."""

import json

import pytest
import yaml

from deploy.snapshot_crds import definitions
from lading.cli.app import run
from model.resources import SNAPSHOT_CLASSES, SNAPSHOT_CONTENTS, SNAPSHOTS
from sandbox.server import SandboxSettings, serve
from tests.sandbox.kubectl.tool import Kubectl, headings
from tests.waiting import eventually

GROUP = "snapshot.storage.k8s.io/v1"
REFERENCE = {"kind": "VolumeSnapshot", "namespace": "default", "name": "s"}


def snapshot(name="s", **spec):
    return {"apiVersion": GROUP, "kind": "VolumeSnapshot", "metadata": {"name": name}, "spec": spec}


def content(name="c", **spec):
    whole = {"driver": "d", "deletionPolicy": "Delete", "volumeSnapshotRef": REFERENCE, **spec}
    left = {key: value for key, value in whole.items() if value is not None}
    return {"apiVersion": GROUP, "kind": "VolumeSnapshotContent", "metadata": {"name": name}, "spec": left}


def snapshot_class(name="k", **fields):
    return {"apiVersion": GROUP, "kind": "VolumeSnapshotClass", "metadata": {"name": name}, **fields}


OF_CLAIM = {"persistentVolumeClaimName": "data"}
OF_CONTENT = {"volumeSnapshotContentName": "c"}
GOOD = [
    snapshot("of-claim", source=OF_CLAIM, volumeSnapshotClassName="k"),
    snapshot("of-content", source=OF_CONTENT),
    content("of-volume", source={"volumeHandle": "v"}, sourceVolumeMode="Block", volumeSnapshotClassName="k"),
    content("of-snapshot", source={"snapshotHandle": "s"}, deletionPolicy="Retain"),
    snapshot_class("plain", driver="d", deletionPolicy="Delete"),
    snapshot_class("told", driver="d", deletionPolicy="Retain", parameters={"a": "b", "csi.storage.k8s.io/x": ""}),
]
BAD = {
    "a snapshot of nothing": (snapshot(source={}), "oneOf"),
    "a snapshot of two things": (snapshot(source={**OF_CLAIM, **OF_CONTENT}), "oneOf"),
    "a snapshot without a source": (snapshot(volumeSnapshotClassName="k"), "spec.source"),
    "a snapshot without a spec": ({**snapshot(), "spec": None}, "spec"),
    "an empty class": (snapshot(source=OF_CLAIM, volumeSnapshotClassName=""), "volumeSnapshotClassName"),
    "a content of nothing": (content(source={}), "oneOf"),
    "a content of two things": (content(source={"volumeHandle": "v", "snapshotHandle": "s"}), "oneOf"),
    "another policy": (content(source={"volumeHandle": "v"}, deletionPolicy="Recycle"), "deletionPolicy"),
    "no policy": (content(source={"volumeHandle": "v"}, deletionPolicy=None), "deletionPolicy"),
    "no driver": (content(source={"volumeHandle": "v"}, driver=None), "driver"),
    "a reference without a name": (
        content(source={"volumeHandle": "v"}, volumeSnapshotRef={"namespace": "default"}),
        "volumeSnapshotRef.name",
    ),
    "a class without a driver": (snapshot_class(deletionPolicy="Delete"), "driver"),
    "a class with another policy": (snapshot_class(driver="d", deletionPolicy="Keep"), "deletionPolicy"),
}
CHANGES = {
    "another claim": (GOOD[0], {"spec": {"source": {"persistentVolumeClaimName": "other"}}}, "can not be changed"),
    "a content for a claim": (
        GOOD[0],
        {"spec": {"source": {"persistentVolumeClaimName": None, "volumeSnapshotContentName": "c"}}},
        "persistentVolumeClaimName can not be removed",
    ),
    "another content": (GOOD[1], {"spec": {"source": {"volumeSnapshotContentName": "d"}}}, "can not be changed"),
    "another volume": (GOOD[2], {"spec": {"source": {"volumeHandle": "w"}}}, "volumeHandle can not be changed"),
    "another mode": (GOOD[2], {"spec": {"sourceVolumeMode": "Filesystem"}}, "sourceVolumeMode can not be changed"),
    "no mode": (GOOD[2], {"spec": {"sourceVolumeMode": None}}, "sourceVolumeMode can not be removed"),
    "another handle": (GOOD[3], {"spec": {"source": {"snapshotHandle": "t"}}}, "snapshotHandle can not be changed"),
    "a volume for a handle": (
        GOOD[3],
        {"spec": {"source": {"snapshotHandle": None, "volumeHandle": "v"}}},
        "snapshotHandle can not be removed",
    ),
}


def test_the_three_kinds_are_spelt_as_the_api_spells_them():
    for made, resource in zip(definitions(), (SNAPSHOTS, SNAPSHOT_CONTENTS, SNAPSHOT_CLASSES), strict=True):
        spec = made["spec"]
        assert (spec["group"], spec["names"]["plural"], spec["names"]["kind"]) == (
            resource.group,
            resource.plural,
            resource.kind,
        )
        assert (spec["scope"] == "Namespaced") == resource.namespaced


@pytest.mark.parametrize("format_", ["yaml", "json"])
def test_the_command_prints_them(format_, capsys):
    assert run(["config", "snapshot-crds", "-o", format_]) == 0
    printed = capsys.readouterr().out
    read = list(yaml.safe_load_all(printed)) if format_ == "yaml" else json.loads(printed)["items"]
    assert read == definitions()
    assert "&id" not in printed


async def installed(tool):
    await tool("apply", "-f", "-", stdin=yaml.safe_dump_all(definitions()))
    names = [f"crd/{each['metadata']['name']}" for each in definitions()]
    await tool("wait", "--for=condition=Established", *names)
    wanted = {each["metadata"]["name"] for each in definitions()}

    async def served():
        printed = await tool("api-resources", "--api-group=snapshot.storage.k8s.io", "-o", "name", "--cached=false")
        return wanted <= set(printed.split())

    await eventually(served)


@pytest.mark.kubectl
async def test_the_sandbox_holds_to_them(tmp_path, kubectl):
    async with serve(SandboxSettings(run_pods=False)) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "kubeconfig")
        tool = Kubectl(kubectl, tmp_path / "kubeconfig", tmp_path)
        await installed(tool)
        await what_is_right_is_taken_and_what_is_wrong_refused(tool)


@pytest.mark.kubectl
@pytest.mark.controlplane
@pytest.mark.asyncio(loop_scope="session")
async def test_a_real_api_server_holds_to_them(tmp_path, kubectl, control_plane):
    tool = Kubectl(kubectl, control_plane.kubeconfig, tmp_path)
    await installed(tool)
    try:
        await what_is_right_is_taken_and_what_is_wrong_refused(tool, changes_are_refused)
    finally:
        await tool("delete", "-f", "-", stdin=yaml.safe_dump_all(definitions()))


async def what_is_right_is_taken_and_what_is_wrong_refused(tool, *more):
    await tool("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": GOOD}))
    for name, (wrong, told) in BAD.items():
        complaint = await tool.fails("create", "-f", "-", stdin=json.dumps(wrong))
        assert told in complaint, name
    for check in (*more, status_is_apart, tables_are_told):
        await check(tool)
    await tool("delete", "vs,vsc,vsclass", "--all")


async def changes_are_refused(tool):  # by rules in CEL, which the sandbox does not evaluate
    for name, (obj, change, told) in CHANGES.items():
        kind, named = obj["kind"].lower(), obj["metadata"]["name"]
        complaint = await tool.fails("patch", kind, named, "--type=merge", "-p", json.dumps(change))
        assert told in complaint, name
    bound = {"spec": {"volumeSnapshotRef": REFERENCE | {"uid": "u"}, "volumeSnapshotClassName": "k"}}
    await tool("patch", "vsc", "of-snapshot", "--type=merge", "-p", json.dumps(bound))


async def status_is_apart(tool):
    told = {"status": {"readyToUse": True, "restoreSize": "1Gi", "creationTime": "2026-01-02T03:04:05Z"}}
    await tool("patch", "vs", "of-claim", "--type=merge", "-p", json.dumps(told))
    assert "status" not in await tool.get("vs", "of-claim")
    await tool("patch", "vs", "of-claim", "--type=merge", "--subresource=status", "-p", json.dumps(told))
    assert (await tool.get("vs", "of-claim"))["status"] == told["status"]
    number = {"status": {"restoreSize": 7}}
    await tool("patch", "vs", "of-content", "--type=merge", "--subresource=status", "-p", json.dumps(number))
    for wrong in ({"restoreSize": "much"}, {"creationTime": "then"}, {"readyToUse": "yes"}):
        change = json.dumps({"status": wrong})
        await tool.fails("patch", "vs", "of-claim", "--type=merge", "--subresource=status", "-p", change)
    nanos = {"status": {"restoreSize": 1 << 30, "creationTime": 1_767_323_045_000_000_000, "snapshotHandle": "h"}}
    await tool("patch", "vsc", "of-volume", "--type=merge", "--subresource=status", "-p", json.dumps(nanos))
    less = json.dumps({"status": {"restoreSize": -1}})
    await tool.fails("patch", "vsc", "of-volume", "--type=merge", "--subresource=status", "-p", less)


async def tables_are_told(tool):
    printed = await tool("get", "vs")
    assert headings(printed)[:4] == ["NAME", "READYTOUSE", "SOURCEPVC", "SOURCESNAPSHOTCONTENT"]
    assert "CREATIONTIME" in printed
    assert next(line.split()[:5] for line in printed.splitlines() if line.startswith("of-claim")) == [
        "of-claim",
        "true",
        "data",
        "1Gi",
        "k",
    ]
    assert "VOLUMESNAPSHOTNAMESPACE" in await tool("get", "vscs")
    assert headings(await tool("get", "vsclasses"))[:3] == ["NAME", "DRIVER", "DELETIONPOLICY"]
