"""Histories drawn at random: users, crashes, a driver that fails and is slow. What must hold holds all the time."""

import asyncio
import os
from contextlib import suppress
from random import Random

import pytest
from grpc import StatusCode

from kube.errors import Unreachable
from model import names
from plugins.csi import csi_pb2 as pb
from plugins.csi.serving import Refused
from sandbox.errors import ApiError
from tests.controllers.csi.beside import SETTINGS, beside, told
from tests.controllers.csi.snapshotter.objects import BOTH, content, snapshot, snapshot_class, snapshot_world
from tests.controllers.csi.snapshotter.storage import Storage
from tests.controllers.inprocess import CrashedError

COUNT = int(os.environ.get("LADING_SNAPSHOT_HISTORIES", "12"))
STEPS = 14
PATIENT = SETTINGS.__class__(backoff_seconds=(0.01, 5.0), resync_seconds=1e6)
"""What can not succeed any more comes to rest."""
DOUBT = (StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED, StatusCode.CANCELLED)
OVER = (StatusCode.INTERNAL, StatusCode.FAILED_PRECONDITION)


class History:
    """One, in the making."""

    def __init__(self, seed, made, storage):
        self.random = Random(seed)
        self.made = made
        self.storage = storage
        self.number = 0
        self.calm = False
        self.wrong = []
        """The contents whose snapshots the storage was asked to destroy and must not be."""
        self.retained = set()
        """The handles of all contents that were to be retained, whatever became of them."""
        storage.before, storage.after = self._before, self._after

    # --- the driver ---

    def _before(self, request):
        if isinstance(request, pb.DeleteSnapshotRequest):
            self._judge(request.snapshot_id)
        # A driver that says that it is over has nothing by that name: else nobody could find out any more.
        exists = isinstance(request, pb.CreateSnapshotRequest) and request.name in self.storage.names
        self._fail(DOUBT if exists else (*DOUBT, *OVER))

    def _after(self, request):
        if isinstance(request, pb.CreateSnapshotRequest):
            self._fail(DOUBT)

    def _fail(self, codes):
        if not self.calm and self.random.random() < 0.15:
            raise Refused(self.random.choice(codes), "drawn")

    def _judge(self, handle):
        """Whether the snapshot may be destroyed: as the server has its content now."""
        for each in self.made.objects("VolumeSnapshotContent"):
            if handle_of(each) == handle:
                unbound = not each["spec"]["volumeSnapshotRef"].get("uid")
                marked = names.CONTENT_BEING_DELETED in each["metadata"].get("annotations", {})
                may = each["spec"]["deletionPolicy"] == "Delete" and "deletionTimestamp" in each["metadata"]
                if not (may and (marked or unbound)):
                    self.wrong.append(each)

    def _note_retained(self):
        for each in self.made.objects("VolumeSnapshotContent"):
            if each["spec"]["deletionPolicy"] == "Retain":
                self.retained.add(handle_of(each))

    # --- users ---

    async def step(self):
        actions = (
            self._snapshot,
            self._snapshot,
            self._before_snapshot,
            self._delete,
            self._delete,
            self._delete_content,
            self._retain,
            self._wait,
        )
        with suppress(ApiError):  # somebody was faster, as it happens to users
            await self.random.choice(actions)()

    async def _snapshot(self):
        self.number += 1
        self.storage.polls = self.random.randint(0, 2)
        used = self.random.choice(["fast", "kept", None])
        await self.made.create(snapshot(f"s-{self.number}", spec={"volumeSnapshotClassName": used}))

    async def _before_snapshot(self):
        self.number += 1
        name, handle = f"before-{self.number}", f"old-{self.number}"
        self.storage.add(handle)
        policy = self.random.choice(["Delete", "Retain"])
        reference = {"namespace": "default", "name": name}
        await self.made.create(content(name, handle, policy=policy, spec={"volumeSnapshotRef": reference}))
        if self.random.random() < 0.8:
            await self.made.create(snapshot(name, content=name))

    async def _delete(self):
        if there := self.made.objects("VolumeSnapshot"):
            await self.made.delete("VolumeSnapshot", "default", self.random.choice(there)["metadata"]["name"])

    async def _delete_content(self):
        if there := self.made.objects("VolumeSnapshotContent"):
            await self.made.delete("VolumeSnapshotContent", "", self.random.choice(there)["metadata"]["name"])

    async def _retain(self):
        """Before it is deleted: who changes his mind later comes too late, or not, as it happens."""
        contents = self.made.objects("VolumeSnapshotContent")
        if there := [each for each in contents if "deletionTimestamp" not in each["metadata"]]:
            name = self.random.choice(there)["metadata"]["name"]
            await self.made.merge("VolumeSnapshotContent", "", name, {"spec": {"deletionPolicy": "Retain"}})
            self._note_retained()

    async def _wait(self):
        await asyncio.sleep(self.random.uniform(0.0, 0.05))

    # --- the process ---

    def prepare(self, transport):
        """Crashes it at a write of its own choosing, and loses answers."""
        until = self.random.randint(1, 40)

        def before(_):
            if self.crashed:
                raise CrashedError

        def after(request):
            nonlocal until
            until -= 1
            self._note_retained()
            if until == 0 and not self.calm:
                self.crashed = True
                raise CrashedError
            if not self.calm and self.random.random() < 0.05:
                raise Unreachable(f"{request}: drawn")

        self.crashed = False
        transport.before, transport.after = before, after


def handle_of(obj):
    return obj.get("status", {}).get("snapshotHandle") or obj["spec"]["source"].get("snapshotHandle")


@pytest.mark.parametrize("seed", range(COUNT))
async def test_nothing_is_leaked_and_nothing_destroyed_that_is_to_stay(seed, tmp_path):
    storage = Storage()
    classes = (snapshot_class(default=True), snapshot_class("kept", policy="Retain"))
    async with (
        snapshot_world(*classes) as made,
        told(tmp_path, storage.calls(), controller=("CREATE_DELETE_SNAPSHOT", "LIST_SNAPSHOTS")) as driver,
    ):
        history = History(seed, made, storage)
        for _ in range(STEPS):
            async with beside(made, driver, *BOTH, prepare=history.prepare):
                for _ in range(history.random.randint(1, 4)):
                    await history.step()
                    await history._wait()
        history.calm = True
        async with beside(made, driver, *BOTH, prepare=history.prepare, settings=PATIENT) as running:
            await running.settle()
            assert not history.wrong
            check_what_is_left(history)
            for each in made.objects("VolumeSnapshot"):
                await made.delete("VolumeSnapshot", "default", each["metadata"]["name"])
            await running.settle()
            assert not history.wrong
            assert not made.objects("VolumeSnapshot")
            check_what_is_left(history)


def check_what_is_left(history):
    made, snapshots = history.made, history.made.objects("VolumeSnapshot")
    for each in snapshots:
        assert "deletionTimestamp" not in each["metadata"]
        ready = each["status"]["readyToUse"]
        assert ready or "SnapshotContentMissing" in made.reasons(each["metadata"]["name"])
    assert names.SNAPSHOT_CLAIM_PROTECTION not in made.claim("data")["metadata"].get("finalizers", ())
    known = {handle_of(each) for each in made.objects("VolumeSnapshotContent")}
    # Those that were there before outlive a content that is deleted before anybody has seen it.
    taken = {handle for handle in history.storage.snapshots if handle.startswith("s-")}
    assert taken - known <= history.retained
