"""Attachments that come and go at random beside a driver that fails in every way, and an attacher that is killed."""

import asyncio
import os
from contextlib import AsyncExitStack
from random import Random

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.serving import Refused, bind
from tests.controllers.csi.attacher.objects import attachment, csi_node, csi_volume
from tests.controllers.csi.beside import beside, told
from tests.controllers.inprocess import world

HISTORIES = int(os.environ.get("LADING_ATTACHMENT_HISTORIES", "6"))
STEPS = 14
NAMES = ("a", "b")
CALLS = ("PUBLISH_UNPUBLISH_VOLUME", "LIST_VOLUMES", "LIST_VOLUMES_PUBLISHED_NODES")


class Storage:
    """A driver's own account of what is attached; a call may fail before or after it had its effect."""

    def __init__(self, random):
        self.attached = set()
        self.random = random
        self.broken = True

    async def publish(self, request):
        return await self._answer(lambda: self.attached.add(request.volume_id), pb.ControllerPublishVolumeResponse())

    async def unpublish(self, request):
        assert request.node_id == "id-of-n1", "no other node, and never all of them"
        effect = lambda: self.attached.discard(request.volume_id)  # noqa: E731 - the effect, beside its answer
        return await self._answer(effect, pb.ControllerUnpublishVolumeResponse())

    async def volumes(self, request):
        entries = [
            pb.ListVolumesResponse.Entry(
                volume=pb.Volume(volume_id=f"handle-of-{name}"),
                status=pb.ListVolumesResponse.VolumeStatus(
                    published_node_ids=["id-of-n1"] if f"handle-of-{name}" in self.attached else []
                ),
            )
            for name in NAMES
        ]
        return pb.ListVolumesResponse(entries=entries)

    async def _answer(self, effect, answer):
        fault = self.random.choice(["none", "none", "before", "after", "doubt"]) if self.broken else "none"
        await asyncio.sleep(0)
        if fault == "before":
            raise Refused(StatusCode.INTERNAL, "no")
        effect()
        if fault == "after":
            raise Refused(StatusCode.INTERNAL, "done, and told otherwise")
        if fault == "doubt":
            raise Refused(StatusCode.RESOURCE_EXHAUSTED, "no word")
        return answer

    def calls(self):
        return [
            bind(wire.PUBLISH, self.publish),
            bind(wire.UNPUBLISH, self.unpublish),
            bind(wire.LIST_VOLUMES, self.volumes),
        ]


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_what_is_attached_in_the_end_is_what_is_asked_for(tmp_path, seed):
    random = Random(seed)
    storage = Storage(random)
    async with (
        world(csi_node(), *(csi_volume(name) for name in NAMES)) as made,
        told(tmp_path, storage.calls(), controller=CALLS) as driver,
    ):
        await live(made, driver, storage, random)
        storage.broken = False
        async with beside(made, driver, "csi-attacher") as running:
            await running.settle()
        attachments = {each["metadata"]["name"]: each["status"] for each in made.objects("VolumeAttachment")}
        assert all(status == {"attached": True} for status in attachments.values()), attachments
        assert storage.attached == {f"handle-of-{name}" for name in attachments}


async def live(made, driver, storage, random):
    """Make and delete attachments, detach behind the attacher's back, and kill it."""
    async with AsyncExitStack() as stack:
        for _ in range(STEPS):
            name = random.choice(NAMES)
            match random.choice(["wish", "wish", "kill", "steal", "wait"]):
                case "wish" if made.get("VolumeAttachment", name):
                    await made.delete("VolumeAttachment", "", name)
                case "wish":
                    await made.create(attachment(name, persistentVolumeName=name))
                case "kill":
                    await stack.aclose()
                    await stack.enter_async_context(beside(made, driver, "csi-attacher"))
                case "steal":
                    storage.attached.discard(f"handle-of-{name}")
                case "wait":
                    await asyncio.sleep(random.random() / 50)
