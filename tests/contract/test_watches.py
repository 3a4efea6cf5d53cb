"""Watches: from which version on, what a watcher sees first, and how selections see objects come and go."""

import asyncio

import pytest

from tests.contract.servers import TABLE

pytestmark = pytest.mark.asyncio(loop_scope="session")

END = {"k8s.io/initial-events-end": "true"}


def _map(name, **labels):
    return {"metadata": {"name": name, "labels": labels}}


async def _relabel(place, name, **labels):
    answer = await place.patch("configmaps", name, {"metadata": {"labels": labels}})
    assert answer.status == 200, answer
    return answer


async def test_a_watch_from_a_lists_version_misses_and_repeats_nothing(place):
    await place.made("configmaps", _map("before"))
    listed = await place.list("configmaps")
    await place.made("configmaps", _map("between"))
    async with place.api.watch(place.path("configmaps"), resourceVersion=listed.version) as watch:
        await place.made("configmaps", _map("after"))
        await _relabel(place, "before", tier="x")
        await place.delete("configmaps", "between")
        assert await watch.shown(4) == [
            ("ADDED", "between"),
            ("ADDED", "after"),
            ("MODIFIED", "before"),
            ("DELETED", "between"),
        ]


async def test_many_writers_are_seen_in_the_order_of_versions(place):
    version = (await place.list("configmaps")).version
    async with place.api.watch(place.path("configmaps"), resourceVersion=version) as watch:
        await asyncio.gather(*(place.made("configmaps", _map(f"m{number}")) for number in range(20)))
        events = [await watch.next() for _ in range(20)]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in events]
    assert versions == sorted(set(versions))
    assert {obj["metadata"]["name"] for _, obj in events} == {f"m{number}" for number in range(20)}


@pytest.mark.parametrize("options", [{}, {"resourceVersion": "0"}], ids=["unset", "zero"])
async def test_without_a_version_a_watch_begins_with_what_is_there(place, options):
    await place.made("configmaps", _map("a"))
    await place.made("configmaps", _map("b"))
    async with place.api.watch(place.path("configmaps"), **options) as watch:
        assert sorted(await watch.shown(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await place.made("configmaps", _map("c"))
        assert await watch.shown(1) == [("ADDED", "c")]


async def test_an_events_object_is_whole_and_says_what_it_is(place):
    version = (await place.list("configmaps")).version
    async with place.api.watch(place.path("configmaps"), resourceVersion=version) as watch:
        made = await place.made("configmaps", {"metadata": {"name": "a"}, "data": {"x": "1"}})
        assert await watch.next() == ("ADDED", made)
        deleted = (await place.delete("configmaps", "a")).status
        kind, last = await watch.next()
    assert (deleted, kind, last["data"], last["kind"]) == (200, "DELETED", {"x": "1"}, "ConfigMap")
    assert int(last["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


async def test_one_object_is_watched_by_its_name(place):
    version = (await place.list("configmaps")).version
    options = {"resourceVersion": version, "fieldSelector": "metadata.name=b"}
    async with place.api.watch(place.path("configmaps"), **options) as watch:
        for name in ("a", "b", "c"):
            await place.made("configmaps", _map(name))
        await place.delete("configmaps", "a")
        await place.delete("configmaps", "b")
        assert await watch.shown(2) == [("ADDED", "b"), ("DELETED", "b")]


async def test_the_old_path_of_watches_is_served(place):
    await place.made("configmaps", _map("a"))
    await place.made("configmaps", _map("b"))
    path = place.path("configmaps", "b").replace("/api/v1/", "/api/v1/watch/")
    async with place.api.watch(path) as watch:
        assert await watch.shown(1) == [("ADDED", "b")]


async def test_objects_enter_and_leave_a_selection_by_label(place):
    version = (await place.list("configmaps")).version
    await place.made("configmaps", _map("a", tier="y"))
    async with place.api.watch(place.path("configmaps"), resourceVersion=version, labelSelector="tier=x") as watch:
        await _relabel(place, "a", tier="x")
        await _relabel(place, "a", zone="1")
        left = await _relabel(place, "a", tier="z")
        await _relabel(place, "a", tier="x")
        await place.delete("configmaps", "a")
        assert await watch.shown(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        kind, last = await watch.next()
        assert (kind, last["metadata"]["labels"]) == ("DELETED", {"tier": "x", "zone": "1"})
        assert last["metadata"]["resourceVersion"] == left.version
        assert await watch.shown(2) == [("ADDED", "a"), ("DELETED", "a")]


async def test_objects_enter_and_leave_a_selection_by_field(place):
    version = (await place.list("pods")).version
    options = {"resourceVersion": version, "fieldSelector": "spec.nodeName="}
    async with place.api.watch(place.path("pods"), **options) as watch:
        await place.made("pods", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}})
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
        bound = await place.api.call("POST", place.path("pods", "p", "binding"), binding)
        assert bound.status == 201
        assert await watch.shown(2) == [("ADDED", "p"), ("DELETED", "p")]


async def test_initial_events_end_with_a_bookmark(place):
    await place.made("configmaps", _map("a"))
    listed = await place.list("configmaps")
    options = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with place.api.watch(place.path("configmaps"), **options) as watch:
        events, bookmark = await watch.until_bookmark()
        assert events == [("ADDED", "a")]
        assert (bookmark["kind"], bookmark["metadata"]["annotations"]) == ("ConfigMap", END)
        assert int(bookmark["metadata"]["resourceVersion"]) >= int(listed.version)
        await place.made("configmaps", _map("b"))
        assert await watch.shown(1) == [("ADDED", "b")]


async def test_initial_events_may_be_left_out(place):
    await place.made("configmaps", _map("a"))
    options = {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with place.api.watch(place.path("configmaps"), **options) as watch:
        await place.made("configmaps", _map("b"))
        assert await watch.shown(1) == [("ADDED", "b")]


@pytest.mark.parametrize(
    ("options", "objection"),
    [
        ({"sendInitialEvents": "true"}, ("resourceVersionMatch", "FieldValueForbidden")),
        (
            {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
            ("resourceVersionMatch", "FieldValueForbidden"),
        ),
        ({"resourceVersionMatch": "NotOlderThan"}, ("resourceVersionMatch", "FieldValueForbidden")),
    ],
    ids=["no-match", "exact", "match-alone"],
)
async def test_initial_events_and_matches_must_go_together(place, options, objection):
    answer = await place.api.call("GET", place.path("configmaps"), watch="1", **options)
    assert answer.verdict[:2] == (422, "Invalid")
    assert objection in answer.verdict[2]


async def test_a_watch_ends_when_its_time_is_over(place):
    await place.made("configmaps", _map("a"))
    async with place.api.watch(place.path("configmaps"), timeoutSeconds="1") as watch:
        events = await watch.rest()
    assert [(each["type"], each["object"]["metadata"]["name"]) for each in events] == [("ADDED", "a")]


async def test_a_version_that_is_gone_is_told_as_an_event(place):
    about = {"kind": "ConfigMap", "name": "a", "namespace": place.namespace}
    await place.made("events", {"metadata": {"name": "a"}, "involvedObject": about})
    then = (await place.list("events")).version
    for name in ("b", "c"):
        await place.made("events", {"metadata": {"name": name}, "involvedObject": about})
    await place.api.forget()
    async with place.api.watch(place.path("events"), resourceVersion=then) as watch:
        kind, status = await watch.next()
        assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        assert await watch.rest() == []


async def test_a_version_that_can_not_be_read_is_refused(place):
    answer = await place.api.call("GET", place.path("configmaps"), watch="1", resourceVersion="soon")
    message = 'resourceVersion: Invalid value: "soon": strconv.ParseUint: parsing "soon": invalid syntax'
    assert (answer.status, answer.body["message"]) == (500, message)


async def test_events_may_be_rows_of_a_table(place):
    version = (await place.list("configmaps")).version
    async with place.api.watch(place.path("configmaps"), accept=TABLE, resourceVersion=version) as watch:
        for name in ("a", "b"):
            await place.made("configmaps", {"metadata": {"name": name}, "data": {"x": "1"}})
        (_, first), (_, second) = await watch.next(), await watch.next()
    assert (first["kind"], [each["name"] for each in first["columnDefinitions"]]) == ("Table", ["Name", "Data", "Age"])
    assert first["rows"][0]["cells"][:2] == ["a", 1]
    assert first["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert (second.get("columnDefinitions"), second["rows"][0]["cells"][:2]) == (None, ["b", 1])
