"""Deletions: preconditions, finalizers, policies for dependents, the grace of pods, and collections."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

POD = {"containers": [{"name": "main", "image": "demo/app:1"}]}


def _map(name, **data):
    return {"metadata": {"name": name}, "data": data}


async def test_a_deletion_is_answered_with_what_was(place):
    made = await place.made("configmaps", _map("a"))
    deleted = await place.delete("configmaps", "a")
    assert (deleted.status, deleted.body["kind"], deleted.body["status"]) == (200, "Status", "Success")
    assert deleted.body["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await place.delete("configmaps", "a")).refusal == (404, "NotFound", 'configmaps "a" not found')


async def test_a_deletion_may_name_what_it_means(place):
    made = await place.made("configmaps", _map("a"))
    other = "11111111-1111-1111-1111-111111111111"
    wrong = await place.delete("configmaps", "a", {"preconditions": {"uid": other}})
    uid = made["metadata"]["uid"]
    message = (
        'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition '
        f"({other}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
    )
    assert wrong.refusal == (409, "Conflict", message)
    old = await place.delete("configmaps", "a", {"preconditions": {"resourceVersion": "1"}})
    assert old.refusal[:2] == (409, "Conflict")
    right = {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}
    assert (await place.delete("configmaps", "a", {"preconditions": right})).status == 200


async def test_a_finalizer_holds_an_object_until_it_is_gone(place):
    made = await place.made("configmaps", {"metadata": {"name": "a", "finalizers": ["demo.io/hold"]}})
    deleted = await place.delete("configmaps", "a")
    metadata = deleted.body["metadata"]
    assert (deleted.status, metadata["deletionGracePeriodSeconds"]) == (200, 0)
    assert metadata["deletionTimestamp"] >= made["metadata"]["creationTimestamp"]
    again = await place.delete("configmaps", "a")
    assert (again.status, again.body["metadata"]["deletionTimestamp"]) == (200, metadata["deletionTimestamp"])
    added = await place.patch("configmaps", "a", {"metadata": {"finalizers": ["demo.io/hold", "demo.io/more"]}})
    assert added.verdict == (422, "Invalid", {("metadata.finalizers", "FieldValueForbidden")})
    assert (await place.patch("configmaps", "a", {"data": {"x": "1"}})).status == 200
    last = await place.patch("configmaps", "a", {"metadata": {"finalizers": None}})
    assert (last.status, (await place.get("configmaps", "a")).status) == (200, 404)


@pytest.mark.parametrize(
    ("options", "finalizers"),
    [
        ({"propagationPolicy": "Foreground"}, ["demo.io/hold", "foregroundDeletion"]),
        ({"propagationPolicy": "Orphan"}, ["demo.io/hold", "orphan"]),
        ({"orphanDependents": True}, ["demo.io/hold", "orphan"]),
        ({"propagationPolicy": "Background"}, ["demo.io/hold"]),
        ({}, ["demo.io/hold"]),
    ],
    ids=["foreground", "orphan", "orphan-dependents", "background", "default"],
)
async def test_a_policy_for_dependents_is_kept_as_a_finalizer(place, options, finalizers):
    await place.made("configmaps", {"metadata": {"name": "a", "finalizers": ["demo.io/hold"]}})
    deleted = await place.delete("configmaps", "a", options)
    assert deleted.body["metadata"]["finalizers"] == finalizers


async def test_a_policy_must_be_one(place):
    await place.made("configmaps", _map("a"))
    answer = await place.delete("configmaps", "a", {"propagationPolicy": "Sideways"})
    assert answer.verdict == (422, "Invalid", {("propagationPolicy", "FieldValueNotSupported")})
    both = await place.delete("configmaps", "a", {"propagationPolicy": "Orphan", "orphanDependents": True})
    assert both.verdict == (422, "Invalid", {("propagationPolicy", "FieldValueInvalid")})


async def test_a_pod_without_a_node_goes_at_once(place):
    await place.made("pods", {"metadata": {"name": "p"}, "spec": POD})
    deleted = await place.delete("pods", "p")
    assert (deleted.status, deleted.body["kind"], deleted.body["metadata"]["deletionGracePeriodSeconds"]) == (
        200,
        "Pod",
        0,
    )
    assert (await place.get("pods", "p")).status == 404


async def test_a_pod_on_a_node_has_its_grace(place):
    await place.made("pods", {"metadata": {"name": "p"}, "spec": POD | {"nodeName": "n1"}})
    first = (await place.delete("pods", "p", {"gracePeriodSeconds": 20})).body["metadata"]
    assert first["deletionGracePeriodSeconds"] == 20
    assert (await place.get("pods", "p")).body["metadata"]["deletionTimestamp"] == first["deletionTimestamp"]
    longer = (await place.delete("pods", "p", {"gracePeriodSeconds": 60})).body["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 20
    shorter = (await place.delete("pods", "p", {"gracePeriodSeconds": 5})).body["metadata"]
    assert (shorter["deletionGracePeriodSeconds"], shorter["deletionTimestamp"] < first["deletionTimestamp"]) == (
        5,
        True,
    )
    assert (await place.delete("pods", "p", {"gracePeriodSeconds": 0})).status == 200
    assert (await place.get("pods", "p")).status == 404


async def test_the_default_grace_is_the_pods_own(place):
    await place.made(
        "pods", {"metadata": {"name": "p"}, "spec": POD | {"nodeName": "n1", "terminationGracePeriodSeconds": 7}}
    )
    assert (await place.delete("pods", "p")).body["metadata"]["deletionGracePeriodSeconds"] == 7


async def test_a_collection_is_deleted_by_selector(place):
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        await place.made("configmaps", {"metadata": {"name": name, "labels": {"tier": tier}}})
    deleted = await place.delete("configmaps", labelSelector="tier=x")
    assert (deleted.status, deleted.body["kind"], deleted.names) == (200, "ConfigMapList", ["a", "b"])
    assert (await place.list("configmaps")).names == ["c"]
