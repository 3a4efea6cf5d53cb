"""What the binder makes of claims and volumes on the sandbox: the branches beyond the life-cycle cases."""

from dataclasses import replace

from model import names
from tests.controllers.inprocess import SETTINGS, namespace, settled, storage_class, world
from tests.controllers.manifests import claim, volume

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
