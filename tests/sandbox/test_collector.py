"""Garbage: dependents without owners, deletions that wait, and the content of namespaces."""

import asyncio

import pytest

from sandbox.collector import Collector
from sandbox.deletion import DeleteOptions
from sandbox.errors import ApiError
from tests.sandbox.world import api_server
from tests.waiting import eventually


@pytest.fixture
async def api():
    async with api_server() as made:
        collecting = asyncio.create_task(Collector(made).run())
        yield made
        collecting.cancel()
        await asyncio.wait([collecting])
        assert collecting.cancelled()


def maps(api):
    return api.kind("v1", "ConfigMap")


async def put(api, name, *owners, namespace="default", **metadata):
    """A config map, owned by others."""
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": each["metadata"]["name"], "uid": each["metadata"]["uid"]}
        for each in owners
    ]
    for reference in references:
        reference |= {"blockOwnerDeletion": True}
    return await api.create(
        maps(api), namespace, {"metadata": {"name": name, "ownerReferences": references, **metadata}}
    )


def exists(api, name, namespace="default"):
    return api.store.get("configmaps", (namespace, name)) is not None


def marked(api, name):
    record = api.store.get("configmaps", ("default", name))
    return record is not None and "deletionTimestamp" in record.value["metadata"]


async def delete(api, name, propagation="Background"):
    return await api.delete(maps(api), ("default", name), DeleteOptions(propagation=propagation))


async def free(api, name):
    """Take away its finalizers."""

    def freed(old):
        metadata = {key: value for key, value in old["metadata"].items() if key != "finalizers"}
        return old | {"metadata": metadata}

    await api.change(maps(api), ("default", name), freed)


async def test_dependents_go_with_their_owner_to_the_last_generation(api):
    owner = await put(api, "owner")
    child = await put(api, "child", owner)
    await put(api, "grandchild", child)
    await put(api, "stranger")
    await delete(api, "owner")
    await eventually(lambda: not exists(api, "grandchild"))
    assert not exists(api, "child")
    assert exists(api, "stranger")


async def test_one_owner_that_is_left_is_enough(api):
    one, other = await put(api, "one"), await put(api, "other")
    await put(api, "child", one, other)
    await put(api, "witness", one)
    await delete(api, "one")
    await eventually(lambda: not exists(api, "witness"))
    assert exists(api, "child")
    await delete(api, "other")
    await eventually(lambda: not exists(api, "child"))


async def test_an_owner_of_the_same_name_is_another_one(api):
    owner = await put(api, "owner")
    await delete(api, "owner")
    await put(api, "owner")
    await put(api, "late", owner)
    await eventually(lambda: not exists(api, "late"))
    assert exists(api, "owner")


async def test_a_dependent_of_an_owner_that_never_was_goes(api):
    ghost = {"metadata": {"name": "ghost", "uid": "no-such-uid"}}
    await put(api, "orphan", ghost)
    await eventually(lambda: not exists(api, "orphan"))


async def test_owners_of_unknown_kinds_keep_their_dependents(api):
    reference = {"apiVersion": "demo.io/v1", "kind": "Unknown", "name": "x", "uid": "u"}
    await api.create(maps(api), "default", {"metadata": {"name": "kept", "ownerReferences": [reference]}})
    ghost = {"metadata": {"name": "ghost", "uid": "no-such-uid"}}
    await put(api, "witness", ghost)
    await eventually(lambda: not exists(api, "witness"))
    assert exists(api, "kept")


async def test_a_foreground_deletion_waits_for_dependents(api):
    owner = await put(api, "owner")
    await put(api, "child", owner, finalizers=["demo.io/hold"])
    await delete(api, "owner", "Foreground")
    await eventually(lambda: marked(api, "child"))
    assert marked(api, "owner")
    await free(api, "child")
    await eventually(lambda: not exists(api, "owner"))
    assert not exists(api, "child")


async def test_a_foreground_deletion_without_dependents_ends_by_itself(api):
    await put(api, "owner")
    await delete(api, "owner", "Foreground")
    await eventually(lambda: not exists(api, "owner"))


async def test_an_orphaning_deletion_leaves_dependents_alone(api):
    owner = await put(api, "owner")
    await put(api, "child", owner)
    await delete(api, "owner", "Orphan")
    await eventually(lambda: not exists(api, "owner"))
    assert "ownerReferences" not in api.get(maps(api), "default", "child")["metadata"]
    assert not marked(api, "child")


async def namespace_of(api, name):
    await api.create(api.kind("v1", "Namespace"), "", {"metadata": {"name": name}})


async def remove_namespace(api, name):
    return await api.delete(api.kind("v1", "Namespace"), ("", name), DeleteOptions())


async def test_a_namespace_goes_with_everything_in_it(api):
    await namespace_of(api, "busy")
    for number in range(30):
        await put(api, f"c{number}", namespace="busy")
    await api.create(api.kind("v1", "Secret"), "busy", {"metadata": {"name": "s"}})
    last, gone = await remove_namespace(api, "busy")
    assert not gone
    assert last["status"]["phase"] == "Terminating"
    await eventually(lambda: api.store.get("namespaces", ("", "busy")) is None)
    assert not list(api.store.records("configmaps", "busy"))
    assert not list(api.store.records("secrets", "busy"))


async def test_a_namespace_waits_for_what_is_held_in_it_and_takes_nothing_new(api):
    await namespace_of(api, "held")
    await put(api, "c", namespace="held", finalizers=["demo.io/hold"])
    await remove_namespace(api, "held")
    with pytest.raises(ApiError, match="because it is being terminated"):
        await put(api, "new", namespace="held")
    await eventually(lambda: "deletionTimestamp" in api.store.get("configmaps", ("held", "c")).value["metadata"])
    assert api.store.get("namespaces", ("", "held")) is not None

    def freed(old):
        return old | {"metadata": {k: v for k, v in old["metadata"].items() if k != "finalizers"}}

    await api.change(maps(api), ("held", "c"), freed)
    await eventually(lambda: api.store.get("namespaces", ("", "held")) is None)
    await namespace_of(api, "held")


async def test_an_empty_namespace_goes_at_once(api):
    await namespace_of(api, "empty")
    await remove_namespace(api, "empty")
    await eventually(lambda: api.store.get("namespaces", ("", "empty")) is None)


@pytest.mark.parametrize("name", ["default"])
async def test_some_namespaces_stay_for_ever(api, name):
    with pytest.raises(ApiError, match="this namespace may not be deleted"):
        await remove_namespace(api, name)


async def test_what_was_left_behind_before_the_start_is_collected():
    """Events are of no use after a restart: what is there is enough."""
    async with api_server() as api:
        owner = await put(api, "owner")
        await put(api, "child", owner)
        await delete(api, "owner")
        await namespace_of(api, "half-gone")
        await put(api, "c", namespace="half-gone")
        await remove_namespace(api, "half-gone")
        await put(api, "waiting")
        await delete(api, "waiting", "Foreground")
        assert exists(api, "child")
        collecting = asyncio.create_task(Collector(api).run())
        await eventually(lambda: not exists(api, "child"))
        await eventually(lambda: not exists(api, "waiting"))
        await eventually(lambda: api.store.get("namespaces", ("", "half-gone")) is None)
        collecting.cancel()
        await asyncio.wait([collecting])


async def test_kinds_that_are_defined_later_are_collected_too(api):
    definition = {
        "metadata": {"name": "boxes.demo.io"},
        "spec": {
            "group": "demo.io",
            "scope": "Namespaced",
            "names": {"plural": "boxes", "kind": "Box"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    await api.create(api.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition"), "", definition)
    boxes = api.kind("demo.io/v1", "Box")
    box = await api.create(boxes, "default", {"apiVersion": "demo.io/v1", "kind": "Box", "metadata": {"name": "b"}})
    reference = {"apiVersion": "demo.io/v1", "kind": "Box", "name": "b", "uid": box["metadata"]["uid"]}
    await api.create(maps(api), "default", {"metadata": {"name": "in-box", "ownerReferences": [reference]}})
    await api.delete(boxes, ("default", "b"), DeleteOptions())
    await eventually(lambda: not exists(api, "in-box"))
