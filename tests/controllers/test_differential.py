"""kube-controller-manager and Lading, given the same states of a cluster: they end in the same.

Each batch is loaded on a real API server, brought to rest by the volume controllers of the one, read, swept away, and
loaded again for the other. LADING_DIFFERENTIAL=SEED or SEED-SEED chooses the batches, LADING_DIFFERENTIAL_STATES how
many states each has.
"""

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controllers.table import ROWS
from model import names
from plugins.host_path import ROOT
from tests.controllers.api import connected, identity
from tests.controllers.at_work import at_work
from tests.controllers.inprocess import storage_class
from tests.controllers.lifecycle.loading import load
from tests.controllers.lifecycle.references import Uids
from tests.controllers.lifecycle.replay import swept
from tests.controllers.manifests import claim, volume
from tests.controllers.states import State, states

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]

STATES = int(os.environ.get("LADING_DIFFERENTIAL_STATES", "40"))
MANAGED = [name for name in ROWS if name != "plugin-provisioner"]
"""In kube-controller-manager the binder also does what our plugin-provisioner does."""
COMPARED = ("PersistentVolumeClaim", "PersistentVolume", "Pod")
UNSTABLE = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "deletionTimestamp")
SYNC_SECONDS = 1.0
"""How often kube-controller-manager looks at all claims and volumes here."""
RUNS = 6
"""What races in kube-controller-manager has several ends: ours must be one of those that so many runs come to."""
QUIET_SECONDS = 3.0
"""Without a change for so long it has come to rest."""


def seeds():
    first, _, last = os.environ.get("LADING_DIFFERENTIAL", "1").partition("-")
    return range(int(first), int(last or first) + 1)


@pytest.mark.parametrize("seed", seeds())
async def test_both_end_in_the_same(seed, control_plane):
    batch = states(seed, STATES)
    async with connected(control_plane.kubeconfig) as api:
        ours = await outcome(api, batch, lambda: at_work(control_plane.kubeconfig, api))
        told = {state.name: ["never compared"] for state in batch}
        for _ in range(RUNS):
            if told:
                odd = [state for state in batch if state.name in told]
                theirs = await outcome(api, odd, lambda: manager_at_work(control_plane, api))
                told = {name: list(lines) for name in told if (lines := [*differences(name, theirs, ours)])}
    assert not told, "\n".join(line for lines in told.values() for line in lines)


async def test_both_grow_a_flex_volume_by_the_same_steps(control_plane):
    batch = [growing_flex("differential-flex-fs"), growing_flex("differential-flex-block", volumeMode="Block")]
    async with connected(control_plane.kubeconfig) as api:
        ours = await outcome(api, batch, lambda: at_work(control_plane.kubeconfig, api))
        theirs = await outcome(api, batch, lambda: manager_at_work(control_plane, api))
    assert [*differences("differential-flex", theirs, ours)] == []


def growing_flex(name, **mode):
    """A claim that asks for more, then for still more, while the node has done the first."""
    spec = {"storageClassName": name, **mode}
    asks = claim(f"{name}-c", **spec)
    more, still_more = ({"spec": {"resources": {"requests": {"storage": size}}}} for size in ("3Gi", "5Gi"))
    done = {"capacity": {"storage": "3Gi"}, "allocatedResourceStatuses": None, "conditions": None}
    return State(
        name,
        [
            storage_class(name, "example.com/none", allowVolumeExpansion=True),
            volume(f"{name}-v", flexVolume={"driver": "example.com/disk"}, **spec),
            asks,
        ],
        steps=[
            {"merge": asks, "change": more},
            {"merge": asks, "change": still_more},
            {"merge": asks, "change": {"status": done}, "subresource": "status"},
        ],
    )


async def outcome(api, batch, controllers):
    """What becomes of the states, by identity."""
    uids = Uids()
    async with swept(api):
        await asyncio.gather(*(set_up(api, uids, state) for state in batch))
        async with controllers() as work:
            await work.settle()
            for number in range(max(len(state.steps) for state in batch)):
                steps = [step for state in batch for step in state.steps[number : number + 1]]
                await asyncio.gather(*(take(api, step) for step in steps))
                await work.settle()
        found = [each for kind in COMPARED for each in await api.all(kind)]
    for each in found:
        uids.learn(each)
    await asyncio.to_thread(remove_made, found)
    return {tuple(uids.named(part) for part in identity(each)): comparable(each, uids) for each in found}


def remove_made(objects):
    """Take away the directories that hostPath volumes were made of."""
    for obj in objects:
        path = Path(obj["spec"].get("hostPath", {}).get("path", ""))
        if path.is_relative_to(ROOT) and path.is_dir():
            path.rmdir()


async def set_up(api, uids, state):
    await load(api, uids, state.objects)
    for obj in state.deleted:
        await api.delete(*identity(obj))


async def take(api, step):
    if "create" in step:
        await api.create(step["create"])
    elif "delete" in step:
        await api.delete(*identity(step["delete"]))
    elif await api.get(*identity(step["merge"])) is not None:
        await api.merge(step["merge"], step["change"], step.get("subresource", ""))


def comparable(obj, uids):
    """The object without what depends on time and chance, with references in place of UIDs."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in UNSTABLE}
    metadata["finalizers"] = sorted(metadata.get("finalizers", ()))
    metadata["going"] = "deletionTimestamp" in obj["metadata"]
    if obj["kind"] == "Pod":  # only whether it is there can change
        return {"going": metadata["going"]}
    spec = dict(obj["spec"])
    if "claimRef" in spec:
        spec["claimRef"] = {key: value for key, value in spec["claimRef"].items() if key != "resourceVersion"}
    if obj["metadata"]["name"].startswith("pvc-"):
        del spec["hostPath"]  # kube-controller-manager draws the directory's name,
        spec.pop("nodeAffinity", None)  # and has volumes of one node's directories reached from everywhere
    status = {key: value for key, value in obj["status"].items() if key not in ("lastPhaseTransitionTime", "message")}
    conditions = [(each["type"], each["status"], each.get("reason")) for each in status.pop("conditions", ())]
    # A claim that is not Bound keeps what was said of it while it was, and that depends on who was faster at the start.
    kept = status.get("phase") == "Bound" and not metadata["going"]
    status["conditions"] = sorted(each for each in conditions if kept or each[0] != names.UNUSED)
    return uids.named({"metadata": metadata, "spec": spec, "status": status})


def differences(name, theirs, ours):
    for key in sorted(theirs.keys() | ours.keys()):
        if name in key or key[2].startswith(f"{name}-v") or f"/{name}/" in key[2]:
            yield from compared(f"{'/'.join(key)}", theirs.get(key), ours.get(key))


def compared(path, theirs, ours):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            yield from compared(f"{path} {key}", theirs.get(key), ours.get(key))
    elif isinstance(theirs, dict) or isinstance(ours, dict):
        yield f"{path}: only of {'kube-controller-manager' if ours is None else 'Lading'}: {ours or theirs}"
    elif theirs != ours:
        yield f"{path}: {theirs!r} of kube-controller-manager, {ours!r} of Lading"


@asynccontextmanager
async def manager_at_work(control_plane, api):
    flags = [f"--pvclaimbinder-sync-period={SYNC_SECONDS}s", "--kube-api-qps=1000", "--kube-api-burst=2000"]
    flags.append("--enable-hostpath-provisioner")
    async with control_plane.controller_manager(",".join(MANAGED), flags):
        yield Watched(api)


class Watched:
    """Controllers that are only known by what they change."""

    def __init__(self, api):
        self._api = api

    async def settle(self):
        now = asyncio.get_running_loop().time
        seen, since = None, now()
        while now() - since < QUIET_SECONDS:
            there = [(each["metadata"]["uid"], each["metadata"]["resourceVersion"]) for each in await self._all()]
            if there != seen:
                seen, since = there, now()
            await asyncio.sleep(0.1)

    async def _all(self):
        return [each for kind in COMPARED for each in await self._api.all(kind)]
