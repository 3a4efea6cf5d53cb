"""Killed after any write, or without its answer, both controllers reach one end and leave nothing on the storage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from grpc import StatusCode

from model.meta import JSON
from plugins.csi import csi_pb2 as pb
from plugins.csi.serving import Refused
from tests.controllers.crashes import Fault, Step, _nothing, _nothing_more, _settled_or_crashed
from tests.controllers.csi.beside import beside, told
from tests.controllers.csi.snapshotter.objects import BOTH, content, snapshot, snapshot_class, snapshot_world
from tests.controllers.csi.snapshotter.storage import Storage

UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"[0-9-]{10}T[0-9:]{8}Z")
PASSING = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink")
KINDS = ("VolumeSnapshot", "VolumeSnapshotContent", "PersistentVolumeClaim")


@dataclass(frozen=True)
class Scenario:
    """Objects, what users do one thing after another, and how the driver is: asked often, in doubt."""

    name: str
    before: Sequence[JSON]
    steps: Sequence[Step] = field(default=())
    polls: int = 0
    doubts: int = 0
    """How many calls that take a snapshot end without a word, although it is taken."""
    there: Sequence[str] = field(default=())
    """Snapshots that the storage has from the beginning."""
    left: int = 0
    """How many it has in the end."""

    def storage(self) -> Storage:
        storage = Storage()
        storage.polls = self.polls
        for handle in self.there:
            storage.add(handle)
        doubts = iter(range(self.doubts))

        def doubtful(request: Any) -> None:
            if isinstance(request, pb.CreateSnapshotRequest) and next(doubts, None) is not None:
                raise Refused(StatusCode.DEADLINE_EXCEEDED, "no word")

        storage.after = doubtful
        return storage


async def goes(made):
    await made.delete("VolumeSnapshot", "default", "snap")


async def claim_goes(made):
    await made.delete("PersistentVolumeClaim", "default", "data")


async def content_goes(made):
    (only,) = made.objects("VolumeSnapshotContent")
    await made.delete("VolumeSnapshotContent", "", only["metadata"]["name"])


CLASS, RETAINED = snapshot_class(), snapshot_class(policy="Retain")
DEFAULT = snapshot_class("standard", default=True)
OPEN = snapshot(spec={"volumeSnapshotClassName": None})
BEFORE = snapshot(content="kept")
SCENARIOS = [
    Scenario("take", [CLASS, snapshot()], left=1),
    Scenario("take and delete", [CLASS, snapshot()], [goes]),
    Scenario("take by the default class, delete", [DEFAULT, OPEN], [goes]),
    Scenario("take and retain", [RETAINED, snapshot()], [goes], left=1),
    Scenario("retain, and delete the content too", [RETAINED, snapshot()], [goes, content_goes], left=1),
    Scenario("wait until it is ready, delete", [CLASS, snapshot()], [goes], polls=2),
    Scenario("in doubt, delete", [CLASS, snapshot()], [goes], polls=1, doubts=2),
    Scenario("delete the claim, then the snapshot", [CLASS, snapshot()], [claim_goes, goes]),
    Scenario("delete the content by hand, then the snapshot", [CLASS, snapshot()], [content_goes, goes]),
    Scenario("one that was there before", [CLASS, content(), BEFORE], [goes], there=["s-0"]),
    Scenario(
        "one that was there before and stays", [CLASS, content(policy="Retain"), BEFORE], [goes], there=["s-0"], left=1
    ),
]


async def run(scenario: Scenario, folder: Any, fault: Fault) -> tuple[JSON, Storage]:
    """The state that the scenario ends in."""
    storage = scenario.storage()
    async with (
        snapshot_world(*scenario.before) as made,
        told(folder, storage.calls(), controller=("CREATE_DELETE_SNAPSHOT", "LIST_SNAPSHOTS")) as driver,
    ):
        for step in (_nothing, *scenario.steps):
            await step(made)
            crashed_before = fault.happened.is_set()
            prepare = _nothing_more if crashed_before else fault.arm
            async with beside(made, driver, *BOTH, prepare=prepare) as running:
                await _settled_or_crashed(running.settle, fault)
            if fault.ends_process and fault.happened.is_set() and not crashed_before:
                async with beside(made, driver, *BOTH) as running:
                    await running.settle()
        return {kind: sorted(map(comparable, made.objects(kind))) for kind in KINDS}, storage


def comparable(obj: JSON) -> str:
    """Without what differs from run to run."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in PASSING}
    metadata["finalizers"] = sorted(metadata.get("finalizers", ()))
    spec = {**obj["spec"], "volumeSnapshotRef": _named(obj["spec"].get("volumeSnapshotRef", {}))}
    return TIME.sub("TIME", UID.sub("UID", str({"metadata": metadata, "spec": spec, "status": obj.get("status")})))


def _named(reference: JSON) -> JSON:
    return {key: value for key, value in reference.items() if key != "resourceVersion"}


@pytest.mark.parametrize("ends_process", [True, False], ids=["crash", "lost answer"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_the_end_is_the_same_and_the_storage_holds_no_more_than_it_should(scenario, ends_process, tmp_path):
    undisturbed = Fault()
    expected, storage = await run(scenario, tmp_path, undisturbed)
    assert len(storage.snapshots) == scenario.left
    assert undisturbed.writes > 0
    for number in range(1, undisturbed.writes + 1):
        fault = Fault(number, ends_process=ends_process)
        state, storage = await run(scenario, tmp_path, fault)
        assert fault.happened.is_set() or fault.writes < number, number
        assert state == expected, number
        assert len(storage.snapshots) == scenario.left, number
