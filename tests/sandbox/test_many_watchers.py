"""A thousand watchers, and some that do not read: nobody else is hurt."""

import asyncio

import pytest

from sandbox.store import BUFFERED
from tests.sandbox.client import CONFIGMAPS, TOKEN, http_server
from tests.waiting import eventually

WATCHERS = 1000


@pytest.fixture
async def client():
    async with http_server() as made:
        yield made


async def put(client, name, size=1):
    body = {"metadata": {"name": name}, "data": {"value": "x" * size}}
    status, answer = await client.request("POST", CONFIGMAPS, body)
    assert status == 201, answer
    return int(answer["metadata"]["resourceVersion"])


async def raw_watch(client):
    """A watch on a connection of its own, from now on."""
    host, port = client.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    version = client.api.store.version
    head = f"GET {CONFIGMAPS}?watch=1&resourceVersion={version} HTTP/1.1\r\nHost: x\r\n"
    writer.write(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    return reader, writer


def watches(client):
    return len(client.api.store._table("configmaps").watches)


async def test_a_thousand_watchers_all_see_everything(client, monkeypatch):
    monkeypatch.setattr("sandbox.http.streaming.LOOK_SECONDS", 0.5)
    opened = [await raw_watch(client) for _ in range(WATCHERS)]
    await eventually(lambda: watches(client) == WATCHERS)
    for number in range(5):
        await put(client, f"c{number}")

    async def read(reader):
        seen = b""
        while seen.count(b'"type":"ADDED"') < 5:
            seen += await reader.read(2**16)
        return [seen.index(b'"name":"c%d"' % number) for number in range(5)]

    async with asyncio.timeout(60):
        orders = await asyncio.gather(*(read(reader) for reader, _ in opened))
    assert all(order == sorted(order) for order in orders)
    for _, writer in opened:
        writer.transport.abort()
    await eventually(lambda: watches(client) == 0)


async def test_a_reader_that_does_not_read_hurts_nobody_and_is_ended(client, monkeypatch):
    monkeypatch.setattr("sandbox.http.streaming.WRITE_SECONDS", 0.5)
    slow = [await raw_watch(client) for _ in range(5)]
    for _, writer in slow:
        # Its socket takes a little, and no more.
        writer.transport.pause_reading()
    async with client.watch(CONFIGMAPS, resourceVersion=client.api.store.version) as events:
        await eventually(lambda: watches(client) == 6)
        # More than the sockets between them hold.
        for number in range(150):
            version = await put(client, f"c{number}", 200_000)
            assert await events.until(version) == [("ADDED", f"c{number}", version)]
        await eventually(lambda: watches(client) == 1)
    for _, writer in slow:
        writer.transport.abort()


async def test_a_watcher_that_falls_too_far_behind_is_ended_and_lists_anew(client):
    """What waits for it is bounded; afterwards it is told 410 or goes on from where it was, and misses nothing."""
    version = client.api.store.version
    kind = client.api.kind("v1", "ConfigMap")
    async with client.watch(CONFIGMAPS, resourceVersion=version) as events:
        await eventually(lambda: watches(client) == 1)
        await client.api.create(kind, "default", {"metadata": {"name": "a"}, "data": {"x": "0"}})
        record = client.api.store.get("configmaps", ("default", "a"))
        # All in one turn of the loop: the watcher has no chance to keep up.
        for number in range(BUFFERED + 10):
            value = {**record.value, "metadata": dict(record.value["metadata"]), "data": {"x": str(number)}}
            record = await client.api.store.write("configmaps", ("default", "a"), value, expected=record.version)
        while await events.next() is not None:
            pass
    listing = await client.get(CONFIGMAPS)
    assert listing["items"][0]["data"] == {"x": str(BUFFERED + 9)}
    async with client.watch(CONFIGMAPS, resourceVersion=version) as events:
        type_, status = await events.next()
        assert (type_, status["code"]) == ("ERROR", 410)
