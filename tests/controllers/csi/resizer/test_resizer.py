"""Growing, with a driver that answers as it is told."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from grpc import StatusCode

from model import names
from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.serving import Refused, bind
from tests.controllers.csi.attacher.objects import secret
from tests.controllers.csi.beside import SETTINGS, beside, told
from tests.controllers.csi.resizer.objects import CLAIM, ask, bound, conditions, grown
from tests.controllers.inprocess import world
from tests.controllers.manifests import pod
from tests.plugins.csi.test_clients import Script
from tests.waiting import eventually

GI = 1 << 30
NOT_REQUIRED = names.NODE_EXPANSION_NOT_REQUIRED


def answer(size, *, node=False):
    return pb.ControllerExpandVolumeResponse(capacity_bytes=size * GI, node_expansion_required=node)


class Parts:
    def __init__(self, made, running, expand):
        self.made = made
        self.running = running
        self.expand = expand

    async def asks(self, size):
        await ask(self.made, size)

    def asked_for(self):
        return [each.capacity_range.required_bytes // GI for each in self.expand.requests]

    def annotations(self):
        return self.made.claim("c")["metadata"].get("annotations", {})


@asynccontextmanager
async def resizer(
    folder, *answers, controller=("EXPAND_VOLUME",), node=(), plugin=("ONLINE",), settings=SETTINGS, given=(), **claim
):
    expand = Script(*answers or (answer(2),))
    async with (
        world(*given) as made,
        told(folder, [bind(wire.CONTROLLER_EXPAND, expand)], controller=controller, node=node, plugin=plugin) as driver,
    ):
        await bound(made, **claim)
        async with beside(made, driver, "csi-resizer", settings=settings) as running:
            yield Parts(made, running, expand)


async def test_a_volume_that_needs_no_node_is_grown_in_one_go(tmp_path):
    async with resizer(tmp_path) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        assert grown(parts.made) == ("2Gi", "2Gi", "2Gi", None)
        assert conditions(parts.made) == {}
        assert parts.annotations()[NOT_REQUIRED] == "true"
        assert parts.running.transport.writes == [
            "PATCH namespaces/default/persistentvolumeclaims/c/status",
            "PATCH persistentvolumes/v",
            "PATCH namespaces/default/persistentvolumeclaims/c/status",
        ]
        await eventually(lambda: parts.made.reasons("c") == {"Resizing", "VolumeResizeSuccessful"})
        (event, *_) = parts.made.objects("Event")
        assert event["source"]["component"] == "external-resizer a.csi"


async def test_what_the_node_has_to_do_is_left_to_it_and_the_next_growth_waits_for_it(tmp_path):
    async with resizer(tmp_path, answer(2, node=True), answer(3)) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        assert grown(parts.made) == ("2Gi", "1Gi", "2Gi", "NodeResizePending")
        assert conditions(parts.made) == {"Resizing": "True", "FileSystemResizePending": "True"}
        assert NOT_REQUIRED not in parts.annotations()
        await eventually(lambda: parts.made.reasons("c") == {"Resizing", "FileSystemResizeRequired"})
        await parts.asks("3Gi")
        await parts.running.settle()
        assert parts.asked_for() == [2]
        done = {"capacity": {"storage": "2Gi"}, "allocatedResourceStatuses": None, "conditions": None}
        await parts.made.merge(*CLAIM, {"status": done}, "status")
        await parts.running.settle()
        assert grown(parts.made) == ("3Gi", "3Gi", "3Gi", None)


async def test_the_volume_may_become_larger_than_asked_for(tmp_path):
    async with resizer(tmp_path, answer(5)) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        assert grown(parts.made) == ("5Gi", "5Gi", "2Gi", None)


async def test_conditions_and_statuses_of_others_stay(tmp_path):
    other = {"type": "ModifyingVolume", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    async with resizer(tmp_path, status={"conditions": [other]}) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        assert conditions(parts.made) == {"ModifyingVolume": "True"}


async def test_a_driver_that_grows_on_the_node_alone_is_not_asked(tmp_path):
    async with resizer(tmp_path, controller=(), node=("EXPAND_VOLUME",)) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        assert grown(parts.made) == ("2Gi", "1Gi", "2Gi", "NodeResizePending")
        assert parts.asked_for() == []


async def test_a_driver_that_grows_nothing_has_nothing_grown(tmp_path):
    async with resizer(tmp_path, controller=()) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        assert grown(parts.made) == ("1Gi", "1Gi", None, None)


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "OUT_OF_RANGE", "NOT_FOUND"])
async def test_what_can_never_be_rests_until_another_size_is_asked_for(tmp_path, code):
    refused = Refused(StatusCode[code], "never")
    settings = replace(SETTINGS, backoff_seconds=(0.01, 300.0))
    async with resizer(tmp_path, refused, answer(2), settings=settings) as parts:
        await parts.asks("9Gi")
        await parts.running.rest()
        assert grown(parts.made) == ("1Gi", "1Gi", "9Gi", "ControllerResizeInfeasible")
        assert conditions(parts.made) == {"Resizing": "True", "ControllerResizeError": "True"}
        await eventually(lambda: "VolumeResizeFailed" in parts.made.reasons("c"))
        parts.running.work.resync()
        await parts.running.rest()
        assert parts.asked_for() == [9]
        await parts.asks("2Gi")
        await parts.running.settle()
        assert parts.asked_for() == [9, 2]
        assert grown(parts.made) == ("2Gi", "2Gi", "2Gi", None)
        assert conditions(parts.made) == {}


async def test_what_can_never_be_is_tried_again_when_it_has_rested(tmp_path):
    refused = Refused(StatusCode.OUT_OF_RANGE, "never")
    async with resizer(tmp_path, refused, answer(2)) as parts:
        await parts.asks("2Gi")
        await eventually(lambda: parts.asked_for() == [2, 2])
        await parts.running.settle()
        assert grown(parts.made) == ("2Gi", "2Gi", "2Gi", None)
        assert conditions(parts.made) == {}


async def test_after_a_failure_for_good_a_smaller_size_may_be_asked_for(tmp_path):
    refused = Refused(StatusCode.INTERNAL, "broken")
    async with resizer(tmp_path, refused) as parts:
        await parts.asks("9Gi")
        await eventually(lambda: conditions(parts.made).get("ControllerResizeError"))
        assert grown(parts.made) == ("1Gi", "1Gi", "9Gi", "ControllerResizeInProgress")
        parts.expand.answers = [answer(2)]
        await parts.asks("2Gi")
        await eventually(lambda: grown(parts.made) == ("2Gi", "2Gi", "2Gi", None))


async def test_a_driver_that_grows_less_than_it_was_asked_to_has_failed(tmp_path):
    async with resizer(tmp_path, answer(2)) as parts:
        await parts.asks("9Gi")
        await eventually(lambda: conditions(parts.made).get("ControllerResizeError"))
        await parts.asks("2Gi")
        await eventually(lambda: grown(parts.made) == ("2Gi", "2Gi", "2Gi", None))


async def test_what_is_in_doubt_is_repeated_whatever_is_asked_for_now(tmp_path):
    refused = Refused(StatusCode.RESOURCE_EXHAUSTED, "later")
    async with resizer(tmp_path, refused) as parts:
        await parts.asks("5Gi")
        await eventually(lambda: parts.asked_for()[:2] == [5, 5])
        await parts.asks("2Gi")
        seen = len(parts.asked_for())
        await eventually(lambda: len(parts.asked_for()) > seen + 1)
        assert set(parts.asked_for()) == {5}
        assert conditions(parts.made) == {"Resizing": "True"}
        parts.expand.answers = [answer(5)]
        await eventually(lambda: grown(parts.made) == ("5Gi", "5Gi", "5Gi", None))


async def test_a_volume_in_use_waits_until_no_pod_uses_it(tmp_path):
    user = pod("p", {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, node="n1")
    refused = Refused(StatusCode.FAILED_PRECONDITION, "in use")
    async with resizer(tmp_path, refused, answer(2), plugin=("OFFLINE",), given=(user,)) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        parts.running.work.resync()
        await parts.running.settle()
        assert parts.asked_for() == [2]
        assert conditions(parts.made) == {"Resizing": "True", "ControllerResizeError": "True"}
        await parts.made.merge("Pod", "default", "p", {"status": {"phase": "Succeeded"}}, "status")
        await parts.running.settle()
        assert grown(parts.made) == ("2Gi", "2Gi", "2Gi", None)


async def test_a_driver_that_grows_online_needs_no_pods(tmp_path):
    async with resizer(tmp_path) as parts:
        assert "pods" not in parts.running.caches._caches


async def test_the_secret_is_sent_and_needed(tmp_path):
    source = {"controllerExpandSecretRef": {"name": "s", "namespace": "default"}}
    async with resizer(tmp_path, source=source) as parts:
        await parts.asks("2Gi")
        await eventually(lambda: "VolumeResizeFailed" in parts.made.reasons("c"))
        assert parts.asked_for() == []
        await parts.made.create(secret(key="b3Blbg=="))
        await eventually(lambda: grown(parts.made) == ("2Gi", "2Gi", "2Gi", None))
        assert dict(parts.expand.requests[-1].secrets) == {"key": "open"}


@pytest.mark.parametrize("driver", ["a.csi", "b.csi"])
async def test_only_claims_that_ask_for_more_of_our_driver_are_touched(tmp_path, driver):
    async with resizer(tmp_path, source={"driver": driver}) as parts:
        if driver != "a.csi":
            await parts.asks("2Gi")
        await parts.running.settle()
        assert parts.running.transport.writes == []


async def test_a_volume_that_is_another_claims_is_not_grown(tmp_path):
    async with resizer(tmp_path) as parts:
        await parts.made.merge("PersistentVolume", "", "v", {"spec": {"claimRef": {"uid": "another"}}})
        await parts.running.settle()
        await parts.asks("2Gi")
        await parts.running.rest()
        assert parts.running.transport.writes == []


async def test_what_the_node_can_not_do_begins_anew_with_the_driver(tmp_path):
    async with resizer(tmp_path, answer(2, node=True)) as parts:
        await parts.asks("2Gi")
        await parts.running.settle()
        failed = {"type": "NodeResizeError", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
        status = {"allocatedResourceStatuses": {"storage": "NodeResizeInfeasible"}, "conditions": [failed]}
        await parts.made.merge(*CLAIM, {"status": status}, "status")
        await parts.running.settle()
        assert parts.asked_for() == [2, 2]
        assert grown(parts.made) == ("2Gi", "1Gi", "2Gi", "NodeResizePending")
        assert set(conditions(parts.made)) == {"Resizing", "FileSystemResizePending", "NodeResizeError"}


async def test_a_volume_of_an_in_tree_plugin_is_grown_where_the_claim_names_its_driver(tmp_path):
    driver = "pd.csi.storage.gke.io"
    expand = Script(answer(2))
    calls = [bind(wire.CONTROLLER_EXPAND, expand)]
    async with (
        world() as made,
        told(tmp_path, calls, name=driver, controller=["EXPAND_VOLUME"], plugin=["ONLINE"]) as reachable,
    ):
        await bound(made, in_tree={"gcePersistentDisk": {"pdName": "d", "fsType": "xfs"}})
        await ask(made, "2Gi")
        async with beside(made, reachable, "csi-resizer") as running:
            await running.settle()
            assert expand.requests == []
            mark = {"metadata": {"annotations": {names.STORAGE_RESIZER: driver}}}
            await made.merge(*CLAIM, mark)
            await running.settle()
        assert grown(made) == ("2Gi", "2Gi", "2Gi", None)
        (request,) = expand.requests
        assert request.volume_id == "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"
        assert request.volume_capability.mount.fs_type == "xfs"
