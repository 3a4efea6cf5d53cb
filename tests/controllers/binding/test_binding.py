"""What the binder makes of claims and volumes on the sandbox: the branches beyond the life-cycle cases."""

from dataclasses import replace

from model import names
from tests.controllers.inprocess import SETTINGS, namespace, settled, storage_class, world
from tests.controllers.manifests import claim, volume
from tests.waiting import eventually

BINDER = ("persistentvolume-binder-controller",)


async def test_claims_that_wait_together_are_matched_smallest_first():
    many = [claim(f"c{size}", size=f"{size}Gi") for size in (5, 1, 4, 2, 3)]
    volumes = [volume(f"v{size}", size=f"{size}Gi") for size in (3, 5, 1, 2, 4)]
    made = await settled(*many, *volumes, names=BINDER)
    assert made.pairs() == {f"default/c{size}": f"v{size}" for size in range(1, 6)}


async def test_a_volume_that_comes_later_is_offered_to_who_waits_without_a_resync():
    waiting = (claim("small", size="1Gi"), claim("large", size="8Gi"))
    async with world(*waiting) as made, made.controllers(*BINDER) as running:
        await running.settle()
        await made.create(volume("late", size="9Gi"))
        await running.rest()
        assert made.pairs() == {"default/small": "late"}
        await made.create(volume("later", size="9Gi"))
        await running.rest()
        assert made.pairs() == {"default/small": "late", "default/large": "later"}


async def test_one_namespace_does_not_hold_up_another():
    many = [claim(f"c{index}", metadata={"namespace": "big"}) for index in range(10)]
    few = claim("c", metadata={"namespace": "small"})
    volumes = [volume(f"v{index}") | {"status": {"phase": "Available"}} for index in range(11)]
    async with world(namespace("big"), namespace("small"), *volumes, *many, few) as made:
        async with made.controllers(*BINDER, settings=replace(SETTINGS, binder_workers=1)) as running:
            await running.settle()
        done = [write for write in running.transport.writes if write.endswith("/status") and "claims" in write]
        assert len(done) == 11
        assert done.index("PATCH namespaces/small/persistentvolumeclaims/c/status") < 2


async def test_labels_choose_among_many():
    volumes = [volume(f"v{index}", metadata={"labels": {"disk": str(index % 7)}}) for index in range(21)]
    expression = {"key": "x", "operator": "DoesNotExist"}
    asked = claim("c", selector={"matchLabels": {"disk": "3"}, "matchExpressions": [expression]})
    made = await settled(asked, *volumes, names=BINDER)
    assert made.pairs()["default/c"] in {"v3", "v10", "v17"}


async def test_a_late_default_class_is_given_to_who_left_it_open():
    open_claim = claim("open")
    del open_claim["spec"]["storageClassName"]
    async with world(open_claim, claim("none")) as made:
        async with made.controllers(*BINDER) as running:
            await running.settle()
            marked = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
            await made.create(storage_class("std", "example.com/x", metadata=marked))
            await running.rest()
            assert running.registry.get_sample_value("retroactive_storageclass_total") == 1
        given = made.claim("open")
        assert given["spec"]["storageClassName"] == "std"
        assert given["metadata"]["annotations"][names.STORAGE_PROVISIONER] == "example.com/x"
        assert made.claim("none")["spec"]["storageClassName"] == ""


async def test_what_goes_is_noticed_without_a_resync():
    async with world(claim("c"), volume("v"), claim("d"), volume("w")) as made, made.controllers(*BINDER) as running:
        await running.settle()
        held, lost = (key.partition("/")[2] for key in made.pairs())
        kept, gone = made.pairs()[f"default/{held}"], made.pairs()[f"default/{lost}"]
        for kind, space, name in (("PersistentVolumeClaim", "default", held), ("PersistentVolume", "", gone)):
            await made.merge(kind, space, name, {"metadata": {"finalizers": None}})
            await made.delete(kind, space, name)
        await running.rest()
        assert made.volume(kept)["status"]["phase"] == "Released"
        assert made.claim(lost)["status"]["phase"] == "Lost"
        await made.create(volume(gone))
        await running.rest()
        assert made.claim(lost)["status"]["phase"] == "Bound"
        assert made.volume(gone)["status"]["phase"] == "Bound"


async def test_a_volume_that_is_given_back_is_offered_without_a_resync():
    async with world(claim("c"), volume("v")) as made, made.controllers(*BINDER) as running:
        await running.settle()
        await made.create(claim("waits"))
        await made.merge("PersistentVolumeClaim", "default", "c", {"metadata": {"finalizers": None}})
        await made.delete("PersistentVolumeClaim", "default", "c")
        await running.rest()
        assert made.volume("v")["status"]["phase"] == "Released"
        await made.merge("PersistentVolume", "", "v", {"spec": {"claimRef": None}})
        await running.rest()
        assert made.pairs() == {"default/waits": "v"}


async def test_a_claim_that_the_cache_does_not_know_yet_keeps_its_volume():
    async with world(volume("v")) as made, made.controllers(*BINDER) as running:
        await running.settle()
        running.transport.lagging.add("persistentvolumeclaims")
        await made.create(claim("c"))
        reference = {"namespace": "default", "name": "c", "uid": made.claim("c")["metadata"]["uid"]}
        await made.merge("PersistentVolume", "", "v", {"spec": {"claimRef": reference}})
        shown = made.volume("v")["metadata"]["resourceVersion"]
        await eventually(lambda: running.work.caches.volumes.get("v").metadata.resource_version == shown)
        await eventually(running.work.resting)
        assert made.volume("v")["status"]["phase"] == "Available"
        running.transport.catch_up()
        await running.rest()
        assert made.pairs() == {"default/c": "v"}
        assert made.volume("v")["status"]["phase"] == "Bound"


async def test_what_dashboards_ask_for():
    there = (claim("c"), volume("v"), claim("d", storageClassName="none"))
    async with world(*there) as made, made.controllers(*BINDER) as running:
        await running.settle()
        counted = running.registry.get_sample_value
        labels = {"namespace": "default", "volume_attributes_class": ""}
        assert counted("pv_collector_bound_pv_count", {"storage_class": ""}) == 1
        assert counted("pv_collector_total_pv_count", {"plugin_name": "N/A", "volume_mode": "Filesystem"}) == 1
        assert counted("pv_collector_bound_pvc_count", labels | {"storage_class": ""}) == 1
        assert counted("pv_collector_unbound_pvc_count", labels | {"storage_class": "none"}) == 1


async def test_the_time_that_others_take_to_make_and_destroy_is_measured():
    made_by = {"annotations": {names.PROVISIONED_BY: "csi.example.com"}}
    policy = {"persistentVolumeReclaimPolicy": "Delete", "csi": {"driver": "csi.example.com", "volumeHandle": "h"}}
    asking = claim("c", storageClassName="ext")
    async with world(storage_class("ext", "csi.example.com"), asking) as made, made.controllers() as running:
        await running.settle()
        reference = {"namespace": "default", "name": "c", "uid": made.claim("c")["metadata"]["uid"]}
        await made.create(volume("v", metadata=made_by, claimRef=reference, storageClassName="ext", **policy))
        await running.rest()
        await made.delete("PersistentVolumeClaim", "default", "c")
        await running.rest()
        await made.delete("PersistentVolume", "", "v")
        await running.rest()
        for operation in ("provision", "delete"):
            labels = {"plugin_name": "csi.example.com", "operation_name": operation}
            assert running.registry.get_sample_value("volume_operation_total_seconds_count", labels) == 1


async def test_a_resync_of_everything_asks_the_server_nothing_where_all_is_bound():
    pairs = [made for index in range(100) for made in (claim(f"c{index}"), volume(f"v{index}"))]
    asked = []

    def count(transport):
        send = transport.send

        async def counting(request):
            asked.append(str(request))
            return await send(request)

        transport.send = counting

    whole = replace(SETTINGS, full_resync_seconds=SETTINGS.resync_seconds)
    async with world(*pairs) as made, made.controllers(*BINDER, settings=whole, prepare=count) as running:
        await running.settle()
        assert len(made.pairs()) == 100
        asked.clear()
        before = running.work._passes
        running.work.resync()
        await running.rest()
        assert running.work._passes == before + 200
        assert not asked
