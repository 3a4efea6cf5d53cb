"""Attaching and detaching, with a driver that answers as it is told."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.driver import reached
from plugins.csi.serving import Refused, bind
from tests.controllers.csi.attacher.objects import FINALIZER, NODE_ID, attachment, csi_node, csi_volume, secret
from tests.controllers.csi.beside import NAME, SETTINGS, beside, told
from tests.controllers.inprocess import world
from tests.plugins.csi.hostpath import driver
from tests.plugins.csi.test_clients import Script
from tests.plugins.mounts import RecordedMounts
from tests.waiting import eventually

HOSTPATH = "hostpath.csi.lading"
PUBLISHES = ("PUBLISH_UNPUBLISH_VOLUME",)
ATTACHED = pb.ControllerPublishVolumeResponse(publish_context={"device": "/dev/x"})


class Parts:
    """A server, a driver and the attacher."""

    def __init__(self, made, running, publish, unpublish):
        self.made = made
        self.running = running
        self.publish = publish
        self.unpublish = unpublish

    def attachment(self, name="att"):
        return self.made.get("VolumeAttachment", name)

    def status(self, name="att"):
        return self.attachment(name).get("status", {})

    async def goes(self, name="att"):
        await self.made.delete("VolumeAttachment", "", name)

    async def is_gone(self, name="att"):
        await eventually(lambda: not self.attachment(name))


@asynccontextmanager
async def attacher(
    folder,
    *objects,
    publish=ATTACHED,
    unpublish=None,
    controller=PUBLISHES,
    calls=(),
    seconds=30.0,
    settings=SETTINGS,
):
    publish = publish if callable(publish) else Script(publish)
    unpublish = unpublish if callable(unpublish) else Script(unpublish or pb.ControllerUnpublishVolumeResponse())
    answers = [bind(wire.PUBLISH, publish), bind(wire.UNPUBLISH, unpublish), *calls]
    async with (
        world(*objects) as made,
        told(folder, answers, controller=controller, seconds=seconds) as driver,
        beside(made, driver, "csi-attacher", settings=settings) as running,
    ):
        yield Parts(made, running, publish, unpublish)


USUAL = (csi_node(), csi_volume(), attachment())


async def test_a_volume_is_attached_and_held(tmp_path):
    async with attacher(tmp_path, *USUAL) as parts:
        await parts.running.settle()
        metadata = parts.attachment()["metadata"]
        assert metadata["finalizers"] == [FINALIZER]
        assert metadata["annotations"] == {NODE_ID: "id-of-n1"}
        assert parts.status() == {"attached": True, "attachmentMetadata": {"device": "/dev/x"}}
        assert FINALIZER in parts.made.volume("v")["metadata"]["finalizers"]
        assert parts.running.transport.writes == [
            "PATCH persistentvolumes/v",
            "PATCH volumeattachments/att",
            "PATCH volumeattachments/att/status",
        ]
        (request,) = parts.publish.requests
        assert (request.volume_id, request.node_id) == ("handle-of-v", "id-of-n1")


async def test_what_goes_is_detached_first_and_the_volume_let_go_last(tmp_path):
    async with attacher(tmp_path, *USUAL) as parts:
        await parts.running.settle()
        await parts.made.delete("PersistentVolume", "", "v")
        await parts.running.settle()
        assert FINALIZER in parts.made.volume("v")["metadata"]["finalizers"]
        await parts.goes()
        await parts.is_gone()
        await parts.running.settle()
        (request,) = parts.unpublish.requests
        assert (request.volume_id, request.node_id) == ("handle-of-v", "id-of-n1")
        assert FINALIZER not in parts.made.volume("v")["metadata"].get("finalizers", [])


async def test_a_handle_may_hold_anything(tmp_path):
    async with attacher(tmp_path, csi_node(), csi_volume(handle="a^b^c/ü"), attachment()) as parts:
        await parts.running.settle()
        await parts.goes()
        await parts.is_gone()
        assert [each.volume_id for each in (*parts.publish.requests, *parts.unpublish.requests)] == ["a^b^c/ü"] * 2


async def test_what_others_attach_is_left_alone(tmp_path):
    async with attacher(tmp_path, csi_node(), csi_volume(), attachment(attacher="b.csi")) as parts:
        await parts.running.settle()
        assert parts.running.transport.writes == []


async def test_a_driver_that_attaches_nothing_is_not_asked(tmp_path):
    async with attacher(tmp_path, attachment(), controller=()) as parts:
        await parts.running.settle()
        assert parts.status() == {"attached": True}
        assert "finalizers" not in parts.attachment()["metadata"]
        await parts.goes()
        await parts.is_gone()
        assert parts.publish.requests == parts.unpublish.requests == []


async def test_a_failure_is_told_and_tried_again(tmp_path):
    publish = Script(Refused(StatusCode.FAILED_PRECONDITION, "elsewhere"), ATTACHED)
    async with attacher(tmp_path, *USUAL, publish=publish) as parts:
        error = await eventually(lambda: parts.status().get("attachError") or parts.status().get("attached"))
        await parts.running.settle()
        assert parts.status() == {"attached": True, "attachmentMetadata": {"device": "/dev/x"}}
        assert error is True or (error["errorCode"], error["message"]) == (
            9,
            "ControllerPublishVolume: FAILED_PRECONDITION: elsewhere",
        )


async def test_an_attachment_that_fails_goes_on_failing_until_it_goes_and_is_then_detached(tmp_path):
    publish = Script(Refused(StatusCode.RESOURCE_EXHAUSTED, "full"))
    async with attacher(tmp_path, *USUAL, publish=publish) as parts:
        await eventually(lambda: len(publish.requests) > 2)
        assert parts.status()["attachError"]["errorCode"] == 8
        assert parts.status()["attached"] is False
        await parts.goes()
        await parts.is_gone()
        assert parts.unpublish.requests


async def test_an_attachment_that_goes_while_the_driver_hangs_is_detached(tmp_path):
    asked = asyncio.Event()

    async def hang(request):
        asked.set()
        await asyncio.Event().wait()

    async with attacher(tmp_path, *USUAL, publish=hang, seconds=0.3) as parts:
        await asked.wait()
        await parts.goes()
        await parts.is_gone()
        (request,) = parts.unpublish.requests
        assert request.volume_id == "handle-of-v"


async def test_a_failed_detaching_is_told_and_holds_the_attachment(tmp_path):
    unpublish = Script(Refused(StatusCode.INTERNAL, "stuck"))
    async with attacher(tmp_path, *USUAL, unpublish=unpublish) as parts:
        await parts.running.settle()
        await parts.goes()
        await eventually(lambda: len(unpublish.requests) > 1)
        assert parts.status()["detachError"]["message"] == "ControllerUnpublishVolume: INTERNAL: stuck"
        assert parts.status()["attached"] is True
        unpublish.answers = [pb.ControllerUnpublishVolumeResponse()]
        await parts.is_gone()


async def test_another_finalizer_keeps_an_attachment_that_says_it_is_detached(tmp_path):
    async with attacher(tmp_path, *USUAL) as parts:
        await parts.running.settle()
        held = {"metadata": {"finalizers": [FINALIZER, "a.example/keep"]}}
        await parts.made.merge("VolumeAttachment", "", "att", held)
        await parts.goes()
        await parts.running.settle()
        assert parts.status() == {"attached": False}
        assert parts.attachment()["metadata"]["finalizers"] == ["a.example/keep"]
        assert len(parts.unpublish.requests) == 1


async def test_where_the_node_is_gone_what_it_was_called_counts(tmp_path):
    async with attacher(tmp_path, *USUAL) as parts:
        await parts.running.settle()
        await parts.made.delete("CSINode", "", "n1")
        await parts.goes()
        await parts.is_gone()
        assert parts.unpublish.requests[0].node_id == "id-of-n1"


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        (csi_node(), "driver a.csi is not registered on node n1"),
        (csi_volume(), "persistentvolume v not found"),
    ],
    ids=["node", "volume"],
)
async def test_what_comes_late_is_waited_for_and_noticed(missing, why, tmp_path):
    there = [each for each in USUAL if each != missing]
    async with attacher(tmp_path, *there) as parts:
        await eventually(lambda: parts.status().get("attachError", {}).get("message") == why)
        assert "finalizers" not in parts.attachment()["metadata"]
        await parts.made.create(missing)
        await eventually(lambda: parts.status().get("attached"))
        assert "attachError" not in parts.status()


async def test_a_volume_that_is_being_deleted_is_not_attached(tmp_path):
    held = csi_volume(metadata={"finalizers": ["a.example/keep"]})
    async with attacher(tmp_path, csi_node(), held) as parts:
        await parts.made.delete("PersistentVolume", "", "v")
        await parts.made.create(attachment())
        await eventually(lambda: "is being deleted" in parts.status().get("attachError", {}).get("message", ""))
        assert FINALIZER not in parts.made.volume("v")["metadata"]["finalizers"]
        await parts.goes()
        await parts.is_gone()
        assert parts.publish.requests == parts.unpublish.requests == []


async def test_an_inline_volume_is_attached_without_a_volume(tmp_path):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "csi": {"driver": NAME, "volumeHandle": "inline", "fsType": "xfs"},
    }
    async with attacher(tmp_path, csi_node(), attachment(inlineVolumeSpec=spec)) as parts:
        await parts.running.settle()
        assert parts.status()["attached"] is True
        assert parts.publish.requests[0].volume_capability.mount.fs_type == "xfs"
        await parts.goes()
        await parts.is_gone()
        assert parts.unpublish.requests[0].volume_id == "inline"


SECRET = {"controllerPublishSecretRef": {"name": "s", "namespace": "default"}}


async def test_the_secret_is_sent_to_attach_and_to_detach_and_needed_for_both(tmp_path):
    async with attacher(tmp_path, csi_node(), csi_volume(source=SECRET), attachment()) as parts:
        await eventually(lambda: parts.status().get("attachError", {}).get("message") == "secret default/s not found")
        await parts.made.create(secret(key="b3Blbg=="))
        await eventually(lambda: parts.status().get("attached"))
        await parts.made.delete("Secret", "default", "s")
        await parts.goes()
        await eventually(lambda: parts.status().get("detachError", {}).get("message") == "secret default/s not found")
        await parts.made.create(secret(key="b3Blbg=="))
        await parts.is_gone()
        sent = [dict(each.secrets) for each in (*parts.publish.requests, *parts.unpublish.requests)]
        assert sent == [{"key": "open"}] * 2


async def test_errors_that_are_written_down_wake_nobody(tmp_path):
    async with attacher(tmp_path, *USUAL) as parts:
        await parts.running.settle()
        error = {"status": {"attachError": {"message": "by somebody", "time": "2026-01-02T03:04:05Z"}}}
        await parts.made.merge("VolumeAttachment", "", "att", error, "status")
        await parts.running.rest()
        assert len(parts.publish.requests) == 1
        assert parts.status()["attachError"]["message"] == "by somebody"


LISTS = (*PUBLISHES, "LIST_VOLUMES", "LIST_VOLUMES_PUBLISHED_NODES")


def listed(*nodes, handle="handle-of-v"):
    status = pb.ListVolumesResponse.VolumeStatus(published_node_ids=nodes)
    entry = pb.ListVolumesResponse.Entry(volume=pb.Volume(volume_id=handle), status=status)
    return pb.ListVolumesResponse(entries=[entry])


async def test_what_was_detached_behind_our_back_is_attached_again(tmp_path):
    listing = Script(listed(), listed("id-of-n1"))
    calls = [bind(wire.LIST_VOLUMES, listing)]
    async with attacher(tmp_path, *USUAL, controller=LISTS, calls=calls) as parts:
        await parts.running.settle()
        assert parts.status()["attached"] is True
        assert len(parts.publish.requests) == 2


async def test_what_is_still_attached_is_detached_again(tmp_path):
    keep = {"metadata": {"finalizers": [FINALIZER, "a.example/keep"]}}
    listing = Script(listed("id-of-n1"))
    async with attacher(tmp_path, *USUAL, controller=LISTS, calls=[bind(wire.LIST_VOLUMES, listing)]) as parts:
        await parts.running.settle()
        await parts.made.merge("VolumeAttachment", "", "att", keep)
        await parts.goes()
        await parts.running.rest()
        assert len(parts.unpublish.requests) == 1
        parts.running.work.resync()
        await eventually(lambda: len(parts.unpublish.requests) == 2)


async def test_a_listing_that_fails_changes_nothing(tmp_path):
    listing = Script(Refused(StatusCode.INTERNAL, "no"))
    async with attacher(tmp_path, *USUAL, controller=LISTS, calls=[bind(wire.LIST_VOLUMES, listing)]) as parts:
        await parts.running.settle()
        assert listing.requests
        assert len(parts.publish.requests) == 1


async def test_who_was_slower_than_another_writer_tries_again_soon(tmp_path):
    settings = replace(SETTINGS, backoff_seconds=(1000.0, 1000.0))
    async with attacher(tmp_path, csi_node(), csi_volume(), settings=settings) as parts:
        transport = parts.running.transport
        transport.lagging.add("persistentvolumes")
        await parts.made.merge("PersistentVolume", "", "v", {"metadata": {"labels": {"a": "b"}}})
        tried = asyncio.Event()
        transport.before = lambda _: tried.set()
        await parts.made.create(attachment())
        await tried.wait()
        assert parts.publish.requests == []
        transport.catch_up()
        await eventually(lambda: parts.status().get("attached"))


async def test_a_driver_that_is_away_is_waited_for(tmp_path):
    first = driver(tmp_path, RecordedMounts(), max_volumes_per_node=1)
    there = await first.__aenter__()
    volume = await there.made()
    async with (
        world(csi_node(**{HOSTPATH: "n1"}), csi_volume(handle=volume.volume_id, driver=HOSTPATH)) as made,
        reached(f"unix://{tmp_path}/csi.sock", seconds=0.3) as reachable,
        beside(made, reachable, "csi-attacher"),
    ):
        await first.__aexit__(None, None, None)
        await made.create(attachment(attacher=HOSTPATH))
        error = await eventually(lambda: made.get("VolumeAttachment", "att").get("status", {}).get("attachError"))
        assert error["errorCode"] == StatusCode.UNAVAILABLE.value[0]
        async with driver(tmp_path, RecordedMounts(), max_volumes_per_node=1):
            await eventually(lambda: made.get("VolumeAttachment", "att")["status"]["attached"])
            await made.delete("VolumeAttachment", "", "att")
            await eventually(lambda: not made.get("VolumeAttachment", "att"))
