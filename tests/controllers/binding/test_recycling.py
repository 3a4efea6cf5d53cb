"""Volumes that are emptied: the pod that does it, and what its end means."""

from contextlib import asynccontextmanager

import pytest

from controllers.binding.scrubbing import scrub_pod
from tests.controllers.binding.objects import volume as view
from tests.controllers.crashes import pods_that_end
from tests.controllers.inprocess import world
from tests.controllers.manifests import claim, pod, volume
from tests.waiting import eventually

RECYCLED = volume("v", persistentVolumeReclaimPolicy="Recycle")


@asynccontextmanager
async def released(*more):
    """A world in which the volume has just lost its claim."""
    async with world(claim("c"), RECYCLED, *more) as made, made.controllers() as running:
        await running.settle()
        await made.delete("PersistentVolumeClaim", "default", "c")
        yield made, running


def pods(made):
    return [each["metadata"]["name"] for each in made.objects("Pod")]


def phase(made):
    return made.volume("v")["status"]["phase"]


async def ends(made, phase_):
    await eventually(lambda: "recycler-for-v" in pods(made))
    await made.merge("Pod", "default", "recycler-for-v", {"status": {"phase": phase_}}, "status")


async def test_an_emptied_volume_is_for_anybody():
    async with released() as (made, running):
        await ends(made, "Succeeded")
        await eventually(lambda: phase(made) == "Available")
        await running.settle()
        assert "claimRef" not in made.volume("v")["spec"]
        assert pods(made) == []
        assert "VolumeRecycled" in made.reasons("v")


async def test_a_pod_that_fails_is_told_and_another_one_tries():
    async with released() as (made, _):
        await ends(made, "Failed")
        await eventually(lambda: phase(made) == "Failed")
        assert "VolumeFailedRecycle" in made.reasons("v")
        await ends(made, "Succeeded")
        await eventually(lambda: phase(made) == "Available")
        assert "message" not in {key for key, value in made.volume("v")["status"].items() if value}


async def test_a_pod_of_an_attempt_that_was_broken_off_is_cleared_away_first():
    async with released(pod("recycler-for-v")) as (made, running):
        async with pods_that_end(made):
            await eventually(lambda: phase(made) == "Available")
            await running.settle()
        assert pods(made) == []


async def test_a_volume_that_is_still_used_is_left_alone():
    user = pod("p", {"name": "v", "persistentVolumeClaim": {"claimName": "c"}})
    async with released(user) as (made, running):
        await running.settle()
        assert phase(made) == "Released"
        assert pods(made) == ["p"]
        assert "VolumeFailedRecycle" in made.reasons("v")


async def test_what_is_said_of_the_pod_is_said_of_the_volume():
    async with released() as (made, _):
        await eventually(lambda: "recycler-for-v" in pods(made))
        about = made.get("Pod", "recycler-for-v", "default")["metadata"]
        event = {
            "metadata": {"name": "e", "namespace": "default"},
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": about["name"], "uid": about["uid"]},
            "reason": "Pulled",
            "message": "image pulled",
            "type": "Normal",
        }
        await made.api.create(made.api.kind("v1", "Event"), "default", event)
        await eventually(lambda: "RecyclerPod" in made.reasons("v"))
        await ends(made, "Succeeded")
        await eventually(lambda: phase(made) == "Available")


@pytest.mark.parametrize(
    "source",
    [
        {"nfs": {"server": "s", "path": "/x", "readOnly": True}},
        {"hostPath": {"path": "/tmp/x", "type": ""}},
        {"hostPath": {"path": "/tmp/x"}},
    ],
    ids=str,
)
def test_the_pod_mounts_what_the_volume_is(source):
    body = scrub_pod(view("v", **source), 60, "img")
    assert body["spec"]["volumes"] == [{"name": "vol", **source}]
    assert body["spec"]["activeDeadlineSeconds"] == 60
    assert body["metadata"] == {"name": "recycler-for-v"}
