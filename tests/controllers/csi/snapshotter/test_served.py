"""On which clusters the controllers of snapshots work."""

from contextlib import asynccontextmanager

import pytest

from controllers.csi.names import SNAPSHOT_CONTROLLER as CONTROLLER
from controllers.csi.names import SNAPSHOTTER
from controllers.csi.snapshotter.served import with_kinds
from deploy.snapshot_crds import definitions
from kube.client import connect
from kube.config import load
from kube.errors import Forbidden
from sandbox.server import SandboxSettings, serve

OTHER = "csi-resizer"
ALL = (OTHER, SNAPSHOTTER, CONTROLLER)


@asynccontextmanager
async def client(folder, *, kinds):
    async with serve(SandboxSettings(run_pods=False)) as sandbox:
        sandbox.write_kubeconfig(folder / "kubeconfig")
        if kinds:
            for each in definitions():
                await sandbox.api.create(sandbox.api.kind("apiextensions.k8s.io/v1", each["kind"]), "", each)
        async with connect(await load(folder / "kubeconfig")) as connected:
            yield connected


@pytest.mark.parametrize(
    ("names", "expression", "kinds", "expected"),
    [
        ((OTHER, SNAPSHOTTER), "*", True, (OTHER, SNAPSHOTTER)),
        ((OTHER, SNAPSHOTTER), "*", False, (OTHER,)),
        (ALL, f"*, {CONTROLLER}", True, ALL),
        ((SNAPSHOTTER, CONTROLLER), f"{SNAPSHOTTER},{CONTROLLER}", True, (SNAPSHOTTER, CONTROLLER)),
        ((OTHER,), OTHER, False, (OTHER,)),
        ((OTHER,), f"*,-{SNAPSHOTTER}", False, (OTHER,)),
    ],
)
async def test_the_kinds_must_be_there(names, expression, kinds, expected, tmp_path):
    async with client(tmp_path, kinds=kinds) as asked:
        assert await with_kinds(names, expression, asked) == expected


@pytest.mark.parametrize(
    ("names", "expression", "told"),
    [
        (ALL, f"*,{CONTROLLER}", "asks for snapshot-controller, and the cluster has no snapshot.storage.k8s.io/v1"),
        ((OTHER, SNAPSHOTTER), f"{OTHER},{SNAPSHOTTER}", "asks for csi-snapshotter"),
        ((SNAPSHOTTER,), "*", "no kinds that any of the selected controllers works with"),
    ],
)
async def test_what_is_asked_for_and_can_not_work_is_complained_of(names, expression, told, tmp_path):
    async with client(tmp_path, kinds=False) as asked:
        with pytest.raises(ValueError, match=told):
            await with_kinds(names, expression, asked)


async def test_who_may_not_ask_takes_the_kinds_to_be_there(monkeypatch, tmp_path):
    async with client(tmp_path, kinds=False) as asked:

        async def refused(*_):
            raise Forbidden(403)

        monkeypatch.setattr(asked, "list", refused)
        assert await with_kinds((OTHER, SNAPSHOTTER), "*", asked) == (OTHER, SNAPSHOTTER)
