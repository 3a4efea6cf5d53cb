"""Giving volumes other attributes, with a driver that answers as it is told."""

from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from grpc import StatusCode

from model import names
from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.serving import Refused, bind
from tests.controllers.csi.attacher.objects import secret
from tests.controllers.csi.beside import NAME, SETTINGS, beside, told
from tests.controllers.csi.crashing import Fault, Way, run
from tests.controllers.csi.resizer.objects import CLAIM, bound, conditions
from tests.controllers.inprocess import world
from tests.plugins.csi.test_clients import Script
from tests.waiting import eventually

DONE = pb.ControllerModifyVolumeResponse()


async def make_class(made, name, driver=NAME):
    kind = made.api.kind("storage.k8s.io/v1", "VolumeAttributesClass")
    await made.api.create(kind, "", {"metadata": {"name": name}, "driverName": driver, "parameters": {"iops": name}})


async def asks(made, name):
    await made.merge(*CLAIM, {"spec": {"volumeAttributesClassName": name}})


def state(made):
    """The class of the volume, of the claim, and what is under way."""
    status = made.claim("c")["status"]
    return (
        made.volume("v")["spec"].get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        status.get("modifyVolumeStatus"),
    )


@asynccontextmanager
async def standing(folder, modify, *, classes=("gold", "silver")):
    async with (
        world() as made,
        told(folder, [bind(wire.MODIFY_VOLUME, modify)], controller=["MODIFY_VOLUME"]) as driver,
    ):
        await bound(made)
        for name in classes:
            await make_class(made, name)
        yield made, driver


class Parts:
    def __init__(self, made, running, modify):
        self.made = made
        self.running = running
        self.modify = modify

    def asked_for(self):
        return [each.mutable_parameters["iops"] for each in self.modify.requests]


@asynccontextmanager
async def modifier(folder, *answers, settings=SETTINGS, **more):
    modify = Script(*answers or (DONE,))
    async with (
        standing(folder, modify, **more) as (made, driver),
        beside(made, driver, "csi-modifier", settings=settings) as running,
    ):
        yield Parts(made, running, modify)


async def test_a_volume_is_given_the_attributes_of_the_class(tmp_path):
    async with modifier(tmp_path) as parts:
        await asks(parts.made, "gold")
        await parts.running.settle()
        assert state(parts.made) == ("gold", "gold", None)
        assert conditions(parts.made) == {}
        (request,) = parts.modify.requests
        assert (request.volume_id, dict(request.mutable_parameters)) == ("h", {"iops": "gold"})
        assert parts.running.transport.writes == [
            "PATCH namespaces/default/persistentvolumeclaims/c/status",
            "PATCH persistentvolumes/v",
            "PATCH namespaces/default/persistentvolumeclaims/c/status",
        ]
        await eventually(lambda: parts.made.reasons("c") == {"VolumeModify", "VolumeModifySuccessful"})


async def test_a_class_that_is_not_there_is_waited_for(tmp_path):
    async with modifier(tmp_path, classes=()) as parts:
        await asks(parts.made, "gold")
        await eventually(lambda: state(parts.made)[2] == {"status": "Pending"})
        await eventually(lambda: "VolumeModifyFailed" in parts.made.reasons("c"))
        await make_class(parts.made, "gold")
        await eventually(lambda: state(parts.made) == ("gold", "gold", None))


async def test_a_class_of_another_driver_is_as_none(tmp_path):
    async with modifier(tmp_path) as parts:
        await make_class(parts.made, "others", "b.csi")
        await asks(parts.made, "others")
        await eventually(lambda: state(parts.made)[2] == {"status": "Pending"})
        await asks(parts.made, "silver")
        await eventually(lambda: state(parts.made) == ("silver", "silver", None))
        assert parts.asked_for() == ["silver"]


async def test_what_can_never_be_rests_until_another_class_is_asked_for(tmp_path):
    refused = Refused(StatusCode.INVALID_ARGUMENT, "no")
    settings = replace(SETTINGS, backoff_seconds=(0.01, 300.0))
    async with modifier(tmp_path, refused, DONE, settings=settings) as parts:
        await asks(parts.made, "gold")
        await parts.running.rest()
        infeasible = {"status": "Infeasible", "targetVolumeAttributesClassName": "gold"}
        assert state(parts.made) == (None, None, infeasible)
        assert conditions(parts.made) == {"ModifyingVolume": "True", "ModifyVolumeError": "True"}
        parts.running.work.resync()
        await parts.running.rest()
        await asks(parts.made, "silver")
        await parts.running.settle()
        assert parts.asked_for() == ["gold", "silver"]
        assert state(parts.made) == ("silver", "silver", None)
        assert conditions(parts.made) == {}


async def test_what_is_in_doubt_is_repeated_whatever_is_asked_for_now(tmp_path):
    async with modifier(tmp_path, Refused(StatusCode.RESOURCE_EXHAUSTED, "later")) as parts:
        await asks(parts.made, "gold")
        await eventually(lambda: len(parts.asked_for()) > 1)
        await asks(parts.made, "silver")
        seen = len(parts.asked_for())
        await eventually(lambda: len(parts.asked_for()) > seen + 1)
        assert set(parts.asked_for()) == {"gold"}
        parts.modify.answers = [DONE]
        await eventually(lambda: state(parts.made) == ("silver", "silver", None))


async def test_after_a_failure_for_good_another_class_may_be_asked_for(tmp_path):
    async with modifier(tmp_path, Refused(StatusCode.INTERNAL, "broken")) as parts:
        await asks(parts.made, "gold")
        await eventually(lambda: conditions(parts.made).get("ModifyVolumeError"))
        assert state(parts.made)[2]["status"] == "InProgress"
        parts.modify.answers = [DONE]
        await asks(parts.made, "silver")
        await eventually(lambda: state(parts.made) == ("silver", "silver", None))


async def test_the_secret_is_sent_and_needed(tmp_path):
    async with modifier(tmp_path) as parts:
        keys = {names.MODIFY_SECRET_NAME: "s", names.MODIFY_SECRET_NAMESPACE: "default"}
        await parts.made.merge("PersistentVolume", "", "v", {"metadata": {"annotations": keys}})
        await parts.running.settle()
        await asks(parts.made, "gold")
        await eventually(lambda: "VolumeModifyFailed" in parts.made.reasons("c"))
        await parts.made.create(secret(key="b3Blbg=="))
        await eventually(lambda: state(parts.made) == ("gold", "gold", None))
        assert [dict(each.secrets) for each in parts.modify.requests] == [{"key": "open"}]


async def test_the_driver_may_be_told_for_whom(tmp_path):
    async with modifier(tmp_path, settings=replace(SETTINGS, extra_modify_metadata=True)) as parts:
        await asks(parts.made, "gold")
        await parts.running.settle()
        (request,) = parts.modify.requests
        assert dict(request.mutable_parameters) == {
            "iops": "gold",
            "csi.storage.k8s.io/pvc/name": "c",
            "csi.storage.k8s.io/pvc/namespace": "default",
            "csi.storage.k8s.io/pv/name": "v",
        }


@pytest.mark.parametrize("way", Way)
async def test_stopped_at_any_write_the_end_is_the_same(tmp_path, way):
    steps = [partial(asks, name="gold"), partial(asks, name="silver")]
    undisturbed = Fault()
    for number in (0, *range(1, 7)):
        fault = Fault(number, way) if number else undisturbed
        folder = tmp_path / str(number)
        folder.mkdir()
        async with standing(folder, Script(DONE)) as (made, driver):
            await run(made, driver, "csi-modifier", steps, fault)
            assert (state(made), conditions(made)) == (("silver", "silver", None), {}), number
        assert fault.happened.is_set() == bool(number)
    assert undisturbed.writes == 6
