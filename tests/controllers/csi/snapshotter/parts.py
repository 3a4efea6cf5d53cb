"""A server that knows snapshots, a driver that answers as it is told, and both controllers between them."""

from contextlib import asynccontextmanager

from plugins.csi import csi_pb2 as pb
from plugins.csi.serving import Refused
from tests.controllers.csi.beside import SETTINGS, beside, told
from tests.controllers.csi.snapshotter.objects import BOTH, snapshot, snapshot_class, snapshot_world
from tests.controllers.csi.snapshotter.storage import Storage
from tests.waiting import eventually

SNAPSHOTS = ("CREATE_DELETE_SNAPSHOT",)
CREATE, DELETE = pb.CreateSnapshotRequest, pb.DeleteSnapshotRequest


class Parts:
    """A server, a driver and both controllers."""

    def __init__(self, made, running, storage):
        self.made = made
        self.running = running
        self.storage = storage

    def snapshot(self, name="snap"):
        return self.made.get("VolumeSnapshot", name, "default")

    def content(self, name=""):
        return self.made.get("VolumeSnapshotContent", name or f"snapcontent-{self.snapshot()['metadata']['uid']}")

    def contents(self):
        return self.made.objects("VolumeSnapshotContent")

    def status(self, name="snap"):
        return self.snapshot(name).get("status", {})

    def error(self, name="snap"):
        return self.status(name).get("error", {}).get("message", "")

    def finalizers(self, obj):
        return set(obj["metadata"].get("finalizers", ()))

    async def goes(self, name="snap"):
        await self.made.delete("VolumeSnapshot", "default", name)

    async def is_ready(self, name="snap"):
        await eventually(lambda: self.status(name).get("readyToUse"))

    async def is_gone(self, name="snap"):
        await eventually(lambda: not self.snapshot(name))

    async def complains(self, text, name="snap"):
        await eventually(lambda: text in self.error(name))


@asynccontextmanager
async def snapshotting(folder, *objects, controllers=BOTH, calls=SNAPSHOTS, storage=None, bound=True, **more):
    storage = storage or Storage()
    settings = more.get("settings", SETTINGS)
    async with (
        snapshot_world(*objects, bound=bound) as made,
        told(folder, storage.calls(), controller=calls) as driver,
        beside(made, driver, *controllers, settings=settings) as running,
    ):
        yield Parts(made, running, storage)


USUAL = (snapshot_class(), snapshot())


def refuses(code, kind):
    def refuse(request):
        if isinstance(request, kind):
            raise Refused(code, "told to")

    return refuse


def nothing(_):
    pass
