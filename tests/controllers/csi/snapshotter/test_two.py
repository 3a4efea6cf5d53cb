"""Two at work at the same time, as when one has lost its lease and does not know yet; one of them sees little."""

import asyncio
from contextlib import asynccontextmanager

from tests.controllers.csi.beside import beside, told
from tests.controllers.csi.snapshotter.objects import BOTH, snapshot, snapshot_class, snapshot_world
from tests.controllers.csi.snapshotter.storage import Storage
from tests.waiting import eventually

SNAPSHOTS = ("CREATE_DELETE_SNAPSHOT",)
CONTENTS = "volumesnapshotcontents"


@asynccontextmanager
async def two(folder, *objects, first=BOTH):
    storage = Storage()
    async with (
        snapshot_world(*objects) as made,
        told(folder, storage.calls(), controller=SNAPSHOTS) as driver,
        beside(made, driver, *first) as one,
        beside(made, driver, *BOTH) as other,
    ):
        yield made, storage, one, other


def is_ready(made, name):
    return lambda: made.get("VolumeSnapshot", name, "default").get("status", {}).get("readyToUse")


async def test_two_take_a_snapshot_once_and_delete_it_once(tmp_path):
    async with two(tmp_path, snapshot_class()) as (made, storage, *_):
        await asyncio.gather(*(made.create(snapshot(f"s-{number}")) for number in range(5)))
        for number in range(5):
            await eventually(is_ready(made, f"s-{number}"))
        assert len(storage.snapshots) == 5
        assert len(made.objects("VolumeSnapshotContent")) == 5
        for number in range(5):
            await made.delete("VolumeSnapshot", "default", f"s-{number}")
        await eventually(lambda: not made.objects("VolumeSnapshot"))
        await eventually(lambda: not made.objects("VolumeSnapshotContent"))
        assert storage.snapshots == {}


async def test_who_does_not_see_the_contents_neither_misses_them_nor_leaves_them_behind(tmp_path):
    async with two(tmp_path, snapshot_class(), first=BOTH[:1]) as (made, storage, blind, _):
        blind.transport.lagging.add(CONTENTS)
        await made.create(snapshot())
        await eventually(is_ready(made, "snap"))
        passes = blind.work._passes
        await eventually(lambda: blind.work._passes > passes + 5)
        assert is_ready(made, "snap")()
        await made.delete("VolumeSnapshot", "default", "snap")
        await eventually(lambda: not made.objects("VolumeSnapshot"))
        await eventually(lambda: not made.objects("VolumeSnapshotContent"))
        assert storage.snapshots == {}
        assert "SnapshotContentMissing" not in made.reasons("snap")
        blind.transport.catch_up()
