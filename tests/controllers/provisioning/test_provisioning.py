"""plugin-provisioner and binder together, with a plugin that does as it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kube.errors import Invalid, Unreachable
from model import names
from plugins.errors import Exhausted, Failed, InDoubt, NotSupported, StillInUse
from tests.controllers.inprocess import Running, World, storage_class, world
from tests.controllers.manifests import claim, pod
from tests.controllers.told import PROVISIONER, Told
from tests.waiting import eventually

CLASS = storage_class("told", PROVISIONER, parameters={"kind": "fast"})
LATE = storage_class("late", PROVISIONER, volumeBindingMode="WaitForFirstConsumer")
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {names.ZONE: "a"}}}
CLAIM = claim("c", size="1536Mi", storageClassName="told")
PLACED = claim("c", storageClassName="late", metadata={"annotations": {names.SELECTED_NODE: "n1"}})


@asynccontextmanager
async def told(*objects) -> AsyncIterator[tuple[World, Running, Told]]:
    plugin = Told()
    async with world(*objects) as made, made.controllers(plugins=plugin) as running:
        yield made, running, plugin


def volume_of(made):
    return made.volume(f"pvc-{made.claim('c')['metadata']['uid']}")


async def test_a_volume_is_made_bound_and_destroyed():
    async with told(CLASS, CLAIM) as (made, running, plugin):
        await running.settle()
        there = volume_of(made)
        assert there["status"]["phase"] == made.claim("c")["status"]["phase"] == "Bound"
        assert there["spec"]["capacity"] == {"storage": "1536Mi"}
        assert there["spec"]["storageClassName"] == "told"
        assert there["metadata"]["annotations"] == {names.PROVISIONED_BY: PROVISIONER, names.BOUND_BY_CONTROLLER: "yes"}
        assert set(there["metadata"]["finalizers"]) == {names.VOLUME_CONTROLLER, names.VOLUME_PROTECTION}
        assert plugin.requests[0].parameters == {"kind": "fast"}
        assert "ProvisioningSucceeded" in made.reasons("c")
        await made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert made.objects("PersistentVolume") == []
        assert plugin.storage == set()


@pytest.mark.parametrize(
    ("provisioner", "component"),
    [(PROVISIONER, "persistentvolume-controller"), ("told.example.com/it", "plugin-provisioner")],
)
async def test_who_reports_is_who_does_in_the_tree_and_we_for_others(provisioner, component):
    plugin = Told(provisioner)
    plugin.provision_faults = [Failed("not now")]
    storage = storage_class("told", provisioner)
    async with world(storage, CLAIM) as made, made.controllers(plugins=plugin) as running:
        await running.settle()
        await eventually(lambda: {"ProvisioningFailed", "ProvisioningSucceeded"} <= made.reasons("c"))
        said = {each["reason"]: each["source"]["component"] for each in made.objects("Event")}
    assert said["ProvisioningFailed"] == said["ProvisioningSucceeded"] == component


async def test_a_bound_volume_that_a_user_deletes_keeps_its_storage_until_the_claim_goes():
    async with told(CLASS, CLAIM) as (made, running, plugin):
        await running.settle()
        await made.delete("PersistentVolume", "", volume_of(made)["metadata"]["name"])
        await running.settle()
        assert volume_of(made)["status"]["phase"] == "Bound"
        assert plugin.storage
        await made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert made.objects("PersistentVolume") == []
        assert plugin.storage == set()


async def test_the_chosen_node_is_passed_on():
    async with told(LATE, NODE, PLACED) as (made, running, plugin):
        await running.settle()
        assert (plugin.requests[0].node, plugin.requests[0].node_labels) == ("n1", {names.ZONE: "a"})
        assert made.claim("c")["status"]["phase"] == "Bound"


@pytest.mark.parametrize("fault", [Exhausted("no room"), Failed("broken")])
async def test_a_failure_where_the_pod_is_asks_for_another_node(fault):
    async with told(LATE, NODE) as (made, running, plugin):
        plugin.provision_faults = [fault]
        await made.create(PLACED)
        await running.settle()
        assert names.SELECTED_NODE not in made.claim("c")["metadata"]["annotations"]
        assert "ProvisioningFailed" in made.reasons("c")
        assert made.objects("PersistentVolume") == []


async def test_a_node_that_is_gone_asks_for_another():
    async with told(LATE, PLACED) as (made, running, plugin):
        await running.settle()
        assert names.SELECTED_NODE not in made.claim("c")["metadata"]["annotations"]
        assert plugin.requests == []


async def test_what_is_in_doubt_is_asked_for_again_in_the_same_words():
    async with told(LATE, NODE) as (made, running, plugin):
        plugin.provision_faults = [InDoubt("no answer"), InDoubt("no answer")]
        await made.create(PLACED)
        await running.settle()
        assert made.claim("c")["status"]["phase"] == "Bound"
        assert len(set(map(repr, plugin.requests))) == 1
        assert len(plugin.requests) == 3


async def test_a_failure_is_tried_again():
    async with told(CLASS) as (made, running, plugin):
        plugin.provision_faults = [Failed("broken")]
        await made.create(CLAIM)
        await running.settle()
        assert made.claim("c")["status"]["phase"] == "Bound"
        assert running.registry.get_sample_value(
            "volume_operation_errors_total", {"plugin_name": PROVISIONER, "operation_name": "provision"}
        )


async def test_what_a_plugin_can_not_do_is_not_tried_again():
    async with told(CLASS) as (made, running, plugin):
        plugin.provision_faults = [NotSupported("never")] * 5
        await made.create(CLAIM)
        await running.settle()
        assert len(plugin.requests) == 1
        assert "ProvisioningFailed" in made.reasons("c")


@pytest.mark.parametrize(
    "spec",
    [
        {"selector": {"matchLabels": {"a": "b"}}},
        {"dataSource": {"kind": "PersistentVolumeClaim", "name": "other"}},
    ],
    ids=str,
)
async def test_what_is_asked_for_in_vain_is_refused(spec):
    async with told(CLASS, claim("c", storageClassName="told", **spec)) as (made, running, plugin):
        await running.settle()
        assert plugin.requests == []
        assert "ProvisioningFailed" in made.reasons("c")


async def test_the_storage_of_a_claim_that_went_meanwhile_is_destroyed():
    async with told(CLASS) as (made, running, plugin):
        plugin.provision_faults = [InDoubt("no answer")] * 3
        await made.create(CLAIM)
        await eventually(lambda: plugin.storage)
        await made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert plugin.storage == set()
        assert made.objects("PersistentVolume") == []


async def test_a_failed_deletion_is_told_and_tried_again():
    async with told(CLASS, CLAIM) as (made, running, plugin):
        await running.settle()
        name = volume_of(made)["metadata"]["name"]
        plugin.delete_faults = [Failed("broken"), StillInUse("mounted"), InDoubt("no answer")]
        await made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert made.objects("PersistentVolume") == []
        assert {"VolumeFailedDelete", "VolumeDelete"} <= made.reasons(name)


async def test_a_volume_whose_claim_is_back_in_the_cache_s_absence_is_not_destroyed():
    """The server is asked, not the cache."""
    async with told(CLASS, CLAIM) as (made, running, plugin):
        await running.settle()
        there = volume_of(made)["metadata"]["name"]
        await made.merge("PersistentVolume", "", there, {"status": {"phase": "Released"}}, "status")
        await running.settle()
        assert plugin.storage == {there}
        assert made.volume(there)["status"]["phase"] == "Bound"


async def test_storage_whose_object_is_there_is_not_destroyed_with_a_claim_that_is_still_used():
    """The answer to the object's creation was lost, so that it seemed to be still under way."""
    lost = []

    def lose_creations(transport):
        def after(request):
            if request.method == "POST" and not lost:
                lost.append(request)
                raise Unreachable("the answer is lost")

        transport.after = after

    plugin, user = Told(), pod("p", {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, node="n1")
    async with world(CLASS, CLAIM, user) as made:
        async with made.controllers(plugins=plugin, prepare=lose_creations) as running:
            await eventually(lambda: made.claim("c").get("status", {}).get("phase") == "Bound")
            await made.delete("PersistentVolumeClaim", "default", "c")
            await running.settle()
        assert lost
        assert plugin.storage == {volume_of(made)["metadata"]["name"]}


async def test_storage_is_destroyed_when_its_object_is_refused():
    def refuse(transport):
        def before(request):
            if request.method == "POST" and request.path.endswith("/persistentvolumes") and len(refused) < 2:
                refused.append(request)
                raise Invalid(422, "Invalid", "no")

        transport.before = before

    refused, plugin = [], Told()
    async with world(CLASS, CLAIM) as made, made.controllers(plugins=plugin, prepare=refuse) as running:
        await running.settle()
        assert len(plugin.requests) == 3
        assert made.claim("c")["status"]["phase"] == "Bound"
        assert "ProvisioningFailed" in made.reasons("c")
