"""Growing claims, told on a server for whom they wait."""

import pytest

from model import names
from tests.controllers.at_work import on_sandbox
from tests.controllers.manifests import claim, volume
from tests.waiting import eventually

EXPANDER = "persistentvolume-expander-controller"
DISK = {"gcePersistentDisk": {"pdName": "d"}}
CSI = {"csi": {"driver": "disk.example.com", "volumeHandle": "h"}}


@pytest.mark.parametrize(("source", "resizer"), [(DISK, "pd.csi.storage.gke.io"), (CSI, None)])
async def test_a_claim_that_wants_to_grow_is_told_for_whom_it_waits(source, resizer, tmp_path):
    async with on_sandbox(tmp_path, EXPANDER) as (api, work):
        await bound(api, source)
        await work.settle()
        (event,) = await eventually(lambda: api.events("default"))
        assert (event["reason"], event["type"]) == ("ExternalExpanding", "Normal")
        assert event["source"] == {"component": "volume_expand"}
        there = await api.get("PersistentVolumeClaim", "default", "data")
        assert there["metadata"].get("annotations", {}).get(names.STORAGE_RESIZER) == resizer


async def test_a_claim_whose_volume_comes_later_is_told_then(tmp_path):
    async with on_sandbox(tmp_path, EXPANDER) as (api, work):
        await bound(api, None)
        await work.settle()
        assert await api.events("default") == []
        await give_volume(api, DISK)
        await eventually(lambda: api.events("default"))


async def bound(api, source):
    wanted = claim("data", size="2Gi", volumeName="disk")
    await api.create(wanted)
    if source is not None:
        await give_volume(api, source)
    await api.merge(wanted, {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}, "status")


async def give_volume(api, source):
    uid = (await api.get("PersistentVolumeClaim", "default", "data"))["metadata"]["uid"]
    reference = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": "data", "uid": uid}
    await api.create(volume("disk", claimRef=reference, **source))
