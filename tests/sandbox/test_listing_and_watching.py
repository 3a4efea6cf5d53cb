"""Lists and watches over HTTP: consistent chunks, and no gap between a list and the watch from it."""

import asyncio

import pytest

from tests.sandbox.client import CONFIGMAPS, http_server, version_of
from tests.waiting import eventually


@pytest.fixture
async def client():
    async with http_server() as made:
        yield made


async def put(client, name, value="x", **metadata):
    body = {"metadata": {"name": name, **metadata}, "data": {"value": value}}
    status, answer = await client.request("POST", CONFIGMAPS, body)
    assert status == 201, answer
    return version_of(answer)


async def change(client, name, value):
    body = {"data": {"value": value}}
    headers = {"Content-Type": "application/merge-patch+json"}
    status, answer = await client.request("PATCH", f"{CONFIGMAPS}/{name}", body, headers=headers)
    assert status == 200, answer
    return version_of(answer)


async def remove(client, name):
    status, answer = await client.request("DELETE", f"{CONFIGMAPS}/{name}")
    assert status == 200, answer


async def listed(client, **query):
    """All chunks of a list: names, and the version of each chunk."""
    names, versions = [], set()
    while True:
        answer = await client.get(CONFIGMAPS, params=query)
        names += [each["metadata"]["name"] for each in answer["items"]]
        versions.add(answer["metadata"]["resourceVersion"])
        if "continue" not in answer["metadata"]:
            return names, versions
        query["continue"] = answer["metadata"]["continue"]


async def test_chunks_are_one_list_whatever_is_written_between_them(client):
    wanted = [f"c{number:02}" for number in range(10)]
    for name in wanted:
        await put(client, name)
    first = await client.get(CONFIGMAPS, params={"limit": 3})
    assert first["metadata"]["remainingItemCount"] == 7
    await put(client, "c00-new")
    await put(client, "zz")
    await remove(client, "c05")
    await change(client, "c09", "y")
    rest = await client.get(CONFIGMAPS, params={"limit": 50, "continue": first["metadata"]["continue"]})
    assert [each["metadata"]["name"] for each in first["items"] + rest["items"]] == wanted
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert rest["items"][-1]["data"]["value"] == "x"


async def test_a_chunked_list_that_is_compacted_away_can_be_finished_inconsistently(client):
    for number in range(4):
        await put(client, f"c{number}")
    first = await client.get(CONFIGMAPS, params={"limit": 2})
    await put(client, "c3-new")
    client.api.store.compact()
    query = {"limit": "2", "continue": first["metadata"]["continue"]}
    status, answer = await client.request("GET", CONFIGMAPS, params=query)
    assert (status, answer["reason"]) == (410, "Expired")
    names, _ = await listed(client, **{"limit": 2, "continue": answer["metadata"]["continue"]})
    assert names == ["c2", "c3", "c3-new"]


async def test_a_list_can_be_had_as_of_a_version(client):
    version = await put(client, "a")
    await put(client, "b")
    assert (await listed(client, resourceVersion=version, resourceVersionMatch="Exact"))[0] == ["a"]
    assert (await listed(client, resourceVersion=version, resourceVersionMatch="NotOlderThan"))[0] == ["a", "b"]
    status, answer = await client.request("GET", CONFIGMAPS, params={"resourceVersion": str(version + 100)})
    assert (status, answer["reason"]) == (504, "Timeout")
    assert answer["message"] == f"Timeout: Too large resource version: {version + 100}, current: {version + 1}"
    client.api.store.compact()
    query = {"resourceVersion": str(version), "resourceVersionMatch": "Exact"}
    assert (await client.request("GET", CONFIGMAPS, params=query))[0] == 410


async def test_nothing_is_missed_between_a_list_and_the_watch_from_it(client):
    """While writers are at work: replaying the watch over the list gives what is there in the end, each event once."""

    async def write(number):
        for turn in range(20):
            await put(client, f"w{number}-{turn}")
            await change(client, f"w{number}-{turn}", "y")
            if turn % 2:
                await remove(client, f"w{number}-{turn}")

    async def follow(limit):
        listing = await client.get(CONFIGMAPS, params={"limit": limit})
        items, version = listing["items"], listing["metadata"]["resourceVersion"]
        while "continue" in listing["metadata"]:
            query = {"limit": limit, "continue": listing["metadata"]["continue"]}
            listing = await client.get(CONFIGMAPS, params=query)
            items += listing["items"]
        state = {each["metadata"]["name"]: version_of(each) for each in items}
        seen = int(version)
        async with client.watch(CONFIGMAPS, resourceVersion=version) as events:
            while True:
                type_, obj = await events.next()
                assert version_of(obj) > seen
                seen, name = version_of(obj), obj["metadata"]["name"]
                assert (name in state) is (type_ != "ADDED")
                if type_ == "DELETED":
                    del state[name]
                else:
                    state[name] = seen
                if name == "last":
                    return state

    writers = [asyncio.create_task(write(number)) for number in range(4)]
    followers = [asyncio.create_task(follow(limit)) for limit in (1, 7, 0, 100) for _ in range(5)]
    await asyncio.wait(writers)
    await put(client, "last")
    states = await asyncio.gather(*followers)
    now = await client.get(CONFIGMAPS)
    expected = {each["metadata"]["name"]: version_of(each) for each in now["items"]}
    assert all(state == expected for state in states)


async def test_a_watch_is_resumed_where_it_ended(client):
    first = await put(client, "a")
    await put(client, "b")
    await change(client, "a", "y")
    await remove(client, "b")
    last = await put(client, "c")
    expected = [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b"), ("ADDED", "c")]
    for back in range(4):
        async with client.watch(CONFIGMAPS, resourceVersion=first + back) as events:
            seen = await events.until(last)
        assert [(type_, name) for type_, name, _ in seen] == expected[back:]
        assert [version for _, _, version in seen] == list(range(first + back + 1, last + 1))


async def test_a_watch_from_before_the_compaction_is_told_so(client):
    version = await put(client, "a")
    await put(client, "b")
    client.api.store.compact()
    async with client.watch(CONFIGMAPS, resourceVersion=version) as events:
        type_, status = await events.next()
        assert (type_, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        assert await events.next() is None


async def test_a_watch_without_a_version_begins_with_what_is_there(client):
    await put(client, "b")
    await put(client, "a")
    for value, query in (("y", {}), ("z", {"resourceVersion": "0"})):
        async with client.watch(CONFIGMAPS, **query) as events:
            assert [(await events.next())[1]["metadata"]["name"] for _ in range(2)] == ["a", "b"]
            await change(client, "a", value)
            assert (await events.next())[0] == "MODIFIED"


async def test_initial_events_end_with_a_bookmark(client):
    await put(client, "a")
    query = {"sendInitialEvents": "true", "allowWatchBookmarks": "true", "resourceVersionMatch": "NotOlderThan"}
    async with client.watch(CONFIGMAPS, **query) as events:
        assert (await events.next())[0] == "ADDED"
        type_, bookmark = await events.next()
        assert (type_, version_of(bookmark)) == ("BOOKMARK", client.api.store.version)
        assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_quiet_watch_is_told_the_version(client, monkeypatch):
    monkeypatch.setattr("sandbox.watching.BOOKMARK_SECONDS", 0.05)
    version = await put(client, "a")
    async with client.watch(CONFIGMAPS, resourceVersion=version, allowWatchBookmarks="true") as events:
        body = {"metadata": {"name": "elsewhere"}}
        status, written = await client.request("POST", "/api/v1/namespaces/default/secrets", body)
        assert status == 201
        type_, bookmark = await events.next()
        assert (type_, version_of(bookmark), bookmark["kind"]) == ("BOOKMARK", version_of(written), "ConfigMap")
        # It is told once.
        await put(client, "b")
        assert (await events.next())[0] == "ADDED"


async def test_objects_come_into_view_and_go_out_of_it(client):
    version = await put(client, "a", labels={"color": "red"})
    async with client.watch(CONFIGMAPS, resourceVersion=version, labelSelector="color=blue") as events:
        headers = {"Content-Type": "application/merge-patch+json"}
        for color in ("blue", "red"):
            patch = {"metadata": {"labels": {"color": color}}}
            await client.request("PATCH", f"{CONFIGMAPS}/a", patch, headers=headers)
        seen = [await events.next() for _ in range(2)]
    assert [type_ for type_, _ in seen] == ["ADDED", "DELETED"]
    assert [obj["metadata"]["labels"]["color"] for _, obj in seen] == ["blue", "blue"]
    assert version_of(seen[1][1]) == version + 2


async def test_a_watch_ends_when_its_time_is_over(client):
    async with client.watch(CONFIGMAPS, resourceVersion="0", timeoutSeconds=1) as events:
        assert await events.next() is None


async def test_watchers_that_leave_are_forgotten(client):
    for _ in range(5):
        async with client.watch(CONFIGMAPS):
            pass
    await put(client, "a")
    await eventually(lambda: not client.api.store._table("configmaps").watches)
