"""Drivers that fail, or of which no word comes: what is tried again, and when a deleted snapshot may go."""

import pytest
from grpc import StatusCode

from model import names
from tests.controllers.csi.beside import SETTINGS
from tests.controllers.csi.snapshotter.parts import CREATE, DELETE, USUAL, nothing, refuses, snapshotting
from tests.controllers.csi.snapshotter.storage import Storage
from tests.waiting import eventually


async def test_while_the_outcome_is_in_doubt_the_same_call_is_made_even_if_the_snapshot_is_deleted(tmp_path):
    storage = Storage()
    storage.after = refuses(StatusCode.DEADLINE_EXCEEDED, CREATE)
    async with snapshotting(tmp_path, *USUAL, storage=storage) as parts:
        await parts.complains("DEADLINE_EXCEEDED")
        await parts.goes()
        await eventually(lambda: "deletionTimestamp" in parts.content()["metadata"])
        asked = len(storage.requests(CREATE))
        await eventually(lambda: len(storage.requests(CREATE)) > asked + 1)
        assert names.CONTENT_BEING_CREATED in parts.content()["metadata"]["annotations"]
        assert not storage.requests(DELETE)
        storage.after = nothing
        await parts.is_gone()
        assert storage.snapshots == {}


@pytest.mark.parametrize("code", [StatusCode.INTERNAL, StatusCode.FAILED_PRECONDITION, StatusCode.UNIMPLEMENTED])
async def test_a_final_answer_lets_a_deleted_snapshot_go(tmp_path, code):
    storage = Storage()
    storage.before = refuses(code, CREATE)
    async with snapshotting(tmp_path, *USUAL, storage=storage) as parts:
        await parts.complains(code.name)
        await eventually(lambda: "SnapshotCreationFailed" in parts.made.reasons(parts.content()["metadata"]["name"]))
        await parts.goes()
        await parts.is_gone()
        assert not storage.requests(DELETE)
        await eventually(lambda: not parts.contents())


async def test_want_of_room_is_no_final_answer_as_an_earlier_call_may_be_at_work(tmp_path):
    storage = Storage()
    storage.after = refuses(StatusCode.RESOURCE_EXHAUSTED, CREATE)
    async with snapshotting(tmp_path, *USUAL, storage=storage) as parts:
        await parts.complains("RESOURCE_EXHAUSTED")
        await parts.goes()
        await eventually(lambda: "deletionTimestamp" in parts.content()["metadata"])
        storage.after = nothing
        await parts.is_gone()
        assert storage.snapshots == {}


async def test_a_failing_driver_is_not_pressed(tmp_path):
    storage = Storage()
    storage.before = refuses(StatusCode.INTERNAL, CREATE)
    settings = SETTINGS.__class__(backoff_seconds=(600.0, 600.0), resync_seconds=1e6)
    async with snapshotting(tmp_path, *USUAL, storage=storage, settings=settings) as parts:
        await parts.complains("INTERNAL")
        await parts.running.settle()
        assert len(storage.requests(CREATE)) == 1


async def test_a_snapshot_that_can_not_be_deleted_yet_is_tried_again(tmp_path):
    storage = Storage()
    storage.before = refuses(StatusCode.FAILED_PRECONDITION, DELETE)
    async with snapshotting(tmp_path, *USUAL, storage=storage) as parts:
        await parts.is_ready()
        name = parts.content()["metadata"]["name"]
        await parts.goes()
        await eventually(lambda: "SnapshotDeleteError" in parts.made.reasons(name))
        assert parts.snapshot()
        storage.before = nothing
        await parts.is_gone()
        assert storage.snapshots == {}
