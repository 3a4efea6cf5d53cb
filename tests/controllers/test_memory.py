"""What claims and volumes that came and went leave behind in the controllers: nothing."""

import asyncio
import gc
from collections import Counter

from controllers import writes
from kube import correlation
from plugins import host_path
from plugins.registry import Registry, Settings
from tests.controllers.inprocess import storage_class, world
from tests.controllers.manifests import claim, volume
from tests.controllers.reachable import reachable
from tests.waiting import eventually

SIZE = 6
KINDS = ("static", "made", "waits", "named")
WARM_UP, MEASURED = 3, 3


async def come_and_go(made, running, wave):
    """Claims that get volumes, have volumes made, wait for ever, change their minds, and go before they were seen."""
    own = f"class-{wave}"
    names = {kind: [f"{kind}-{wave}-{number}" for number in range(SIZE)] for kind in KINDS}
    await made.create(*(volume(name, storageClassName=own) for name in names["static"]))
    await made.create(*(claim(name, storageClassName=own) for name in names["static"]))
    await made.create(*(claim(name, storageClassName="made") for name in names["made"]))
    await made.create(*(claim(name, storageClassName=f"no-{own}", size="2Gi") for name in names["waits"]))
    await made.create(*(claim(name, storageClassName=f"named-{own}") for name in names["named"]))
    for name in names["named"]:
        await made.merge("PersistentVolumeClaim", "default", name, {"spec": {"volumeName": "elsewhere"}})
    await made.create(*(volume(f"late-{wave}-{number}", storageClassName=f"late-{wave}") for number in range(SIZE)))
    await made.create(claim(f"late-{wave}", storageClassName=f"late-{wave}", size="5Gi"))
    await made.delete("PersistentVolumeClaim", "default", f"late-{wave}")
    await eventually(lambda: all(phase(made, name) == "Bound" for name in names["static"] + names["made"]))
    for name in all_of(made, "PersistentVolumeClaim"):
        await made.delete("PersistentVolumeClaim", "default", name)
    await eventually(lambda: not all_of(made, "PersistentVolumeClaim"))
    await eventually(lambda: not any(name.startswith("pvc-") for name in all_of(made, "PersistentVolume")))
    await running.rest()
    for name in all_of(made, "PersistentVolume"):
        await made.delete("PersistentVolume", "", name)
    await eventually(lambda: not all_of(made, "PersistentVolume"))
    await running.settle()


def all_of(made, kind):
    return [each["metadata"]["name"] for each in made.objects(kind)]


def phase(made, name):
    return made.claim(name).get("status", {}).get("phase")


async def test_claims_and_volumes_that_are_gone_leave_nothing_behind(tmp_path, monkeypatch):
    # What is remembered up to a number is measured by that number, so it is 0 here.
    monkeypatch.setattr(writes, "REMEMBERED", 0)
    monkeypatch.setattr(correlation, "REMEMBERED", 0)
    made_class = storage_class("made", host_path.NAME, reclaimPolicy="Delete")
    async with world(made_class) as made, made.controllers(plugins=Registry(Settings(tmp_path))) as running:
        counts = []
        for wave in range(WARM_UP + MEASURED):
            await come_and_go(made, running, wave)
            gc.collect()
            counts.append(reachable(running.controllers, *running.work._loops, aside=("sandbox.", "tests.")))
            counts[-1]["tasks"] = len(asyncio.all_tasks())
    first, *others = counts[WARM_UP:]
    assert [later - first for later in others] == [Counter()] * len(others)
