"""Snapshots of a real driver, by the commands as an administrator runs them, seen through kubectl."""

import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from model import names
from plugins.csi.connection import connect
from plugins.csi.controller import Controller
from plugins.csi.hostpath.settings import NAME
from sandbox.server import SandboxSettings, serve
from tests.controllers.csi.snapshotter.objects import claim, content, snapshot, snapshot_class, volume
from tests.lading.command import lading, running
from tests.plugins.csi.hostpath import create
from tests.sandbox.kubectl.tool import Kubectl
from tests.waiting import eventually

CLASS = snapshot_class(driver=NAME)
RETAINED = snapshot_class("kept", policy="Retain", driver=NAME)
READY = "--for=jsonpath={.status.readyToUse}=true"


@dataclass(frozen=True)
class Cluster:
    """A server, and a driver's folder."""

    kubectl: Kubectl
    folder: Path

    @property
    def endpoint(self) -> str:
        return f"unix://{self.folder}/csi.sock"

    @property
    def storage(self) -> set[str]:
        """The snapshots that the driver has, by its handles."""
        return {path.name for path in (self.folder / "state" / "snapshots").iterdir()}

    def driver(self):
        given = ("--endpoint", self.endpoint, "--node-id", "n1", "--state", str(self.folder / "state"))
        return running("csi-hostpath", *given, home=self.folder)

    def sidecar(self):
        given = ("--csi-address", self.endpoint, "--kubeconfig", str(self.kubectl.kubeconfig), "--no-leader-elect")
        served = ("--listen", "127.0.0.1:0", "--insecure-http")
        chosen = ("--controllers", "csi-snapshotter,snapshot-controller")
        return running("csi-sidecar", *given, *served, *chosen, home=self.folder)

    async def apply(self, *objects):
        await self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        for each in objects:
            if "status" in each:
                change = json.dumps({"status": each["status"]})
                kind, name = each["kind"].lower(), each["metadata"]["name"]
                await self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", change)

    async def has_data(self):
        """A claim that is bound to a volume of the driver, which holds a file."""
        async with connect(self.endpoint) as connection:
            made = await Controller(connection).create_volume(create("pvc-data", 1 << 20))
        (self.folder / "state" / "volumes" / made.volume_id / "greeting").write_text("hello")
        await self.apply(claim())
        uid = (await self.kubectl.get("pvc", "data"))["metadata"]["uid"]
        source = {"driver": NAME, "volumeHandle": made.volume_id}
        await self.apply(volume(uid=uid, csi=source))

    async def is_ready(self, name):
        await self.kubectl("wait", READY, f"vs/{name}", "--timeout=25s")

    async def content_of(self, name):
        bound = (await self.kubectl.get("vs", name))["status"]["boundVolumeSnapshotContentName"]
        return await self.kubectl.get("vsc", bound)

    async def row(self, kind, name):
        """What the table shows of an object, by column."""
        heading, *lines = (await self.kubectl("get", kind)).splitlines()
        line = next(each for each in lines if each.startswith(f"{name} "))
        starts = [found.start() for found in re.finditer(r"\S+", heading)]
        ends = [*starts[1:], None]
        return {heading[start:end].strip(): line[start:end].strip() for start, end in zip(starts, ends, strict=True)}


@asynccontextmanager
async def defined(kubectl, folder):
    """The server with the kinds of snapshots, which it has no more afterwards."""
    status, definitions, _ = await lading("config", "snapshot-crds", home=folder)
    assert status == 0
    await kubectl("apply", "-f", "-", stdin=definitions)
    names_ = [f"crd/{each['metadata']['name']}" for each in yaml.safe_load_all(definitions)]
    await kubectl("wait", "--for=condition=Established", *names_)
    try:
        yield Cluster(kubectl, folder)
    finally:
        await kubectl("delete", "-f", "-", stdin=definitions)


async def the_whole_story(cluster):
    await cluster.apply(CLASS, RETAINED)
    async with cluster.driver() as driver:
        await cluster.has_data()
        async with cluster.sidecar() as sidecar:
            await it_is_taken_and_shown(cluster)
            await driver.stop()
            await it_is_taken_when_the_driver_is_back(cluster)
            await what_is_retained_can_be_bound_again(cluster)
            assert await sidecar.stop() == 0


async def it_is_taken_and_shown(cluster):
    await cluster.apply(snapshot())
    await cluster.is_ready("snap")
    shown = await cluster.row("vs", "snap")
    assert (shown["READYTOUSE"], shown["SOURCEPVC"], shown["RESTORESIZE"]) == ("true", "data", "1Mi")
    made = await cluster.content_of("snap")
    assert (await cluster.row("vsc", made["metadata"]["name"]))["VOLUMESNAPSHOT"] == "snap"
    handle = made["status"]["snapshotHandle"]
    assert (cluster.folder / "state" / "snapshots" / handle / "greeting").read_text() == "hello"
    assert "SnapshotReady" in await cluster.kubectl("events", "--for", "volumesnapshot/snap")


async def it_is_taken_when_the_driver_is_back(cluster):
    await cluster.apply(snapshot("later"))
    await eventually(lambda: _is_being_created(cluster))
    await cluster.kubectl("delete", "vs/snap", "--wait=false")
    async with cluster.driver():
        await cluster.is_ready("later")
        await cluster.kubectl("wait", "--for=delete", "vs/snap", "--timeout=25s")
        assert len(cluster.storage) == 1
        await cluster.kubectl("delete", "vs/later", "--timeout=25s")
        await eventually(lambda: not cluster.storage)


async def _is_being_created(cluster):
    contents = (await cluster.kubectl.get("vsc"))["items"]
    return any(names.CONTENT_BEING_CREATED in each["metadata"].get("annotations", {}) for each in contents)


async def what_is_retained_can_be_bound_again(cluster):
    async with cluster.driver():
        await cluster.apply(snapshot("kept", spec={"volumeSnapshotClassName": "kept"}))
        await cluster.is_ready("kept")
        handle = (await cluster.content_of("kept"))["status"]["snapshotHandle"]
        await cluster.kubectl("delete", "vs/kept", "--timeout=25s")
        await cluster.kubectl("delete", "vsc", "--all", "--timeout=25s")
        assert cluster.storage == {handle}
        again = content("again", handle, spec={"driver": NAME})
        await cluster.apply(again, snapshot(content="again"))
        await cluster.is_ready("snap")
        shown = await cluster.row("vs", "snap")
        assert (shown["READYTOUSE"], shown["SOURCESNAPSHOTCONTENT"]) == ("true", "again")
        await cluster.kubectl("delete", "vs/snap", "--timeout=25s")
        await eventually(lambda: not cluster.storage)


@pytest.mark.kubectl
async def test_on_the_sandbox(tmp_path, kubectl):
    async with serve(SandboxSettings(run_pods=False)) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "kubeconfig")
        async with defined(Kubectl(kubectl, tmp_path / "kubeconfig", tmp_path), tmp_path) as cluster:
            await the_whole_story(cluster)


@pytest.mark.kubectl
@pytest.mark.controlplane
@pytest.mark.asyncio(loop_scope="session")
async def test_on_a_real_api_server(tmp_path, kubectl, control_plane):
    async with defined(Kubectl(kubectl, control_plane.kubeconfig, tmp_path), tmp_path) as cluster:
        try:
            await the_whole_story(cluster)
        finally:
            for kind, name in (("pvc", "data"), ("pv", "disk")):
                finalizers = json.dumps({"metadata": {"finalizers": None}})
                await cluster.kubectl("patch", kind, name, "--type=merge", "-p", finalizers)
                await cluster.kubectl("delete", kind, name, "--ignore-not-found")
