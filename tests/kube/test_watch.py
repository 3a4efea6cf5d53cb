"""What a watch asks for, and what comes out of the stream, whole or broken."""

import orjson
import pytest

from kube.client import connect
from kube.decode import Bookmark, Deleted, Shown, Unreadable
from kube.errors import ApiError, BadAnswer, Gone, Unreachable
from model.resources import NODES
from tests.kube.conftest import connection_to
from tests.kube.objects import bookmark, event, node_json
from tests.kube.server import hang, refusal, reset, status_object, stream
from tests.waiting import eventually

PATH = "/api/v1/nodes"


async def collect(client, **options):
    async with client.watch(NODES, **{"version": "5", **options}) as events:
        return [each async for each in events]


async def test_a_watch_asks_for_bookmarks_and_an_end(api, client):
    api.on("GET", PATH, stream())
    assert await collect(client, labels="a=b", server_seconds=7) == []
    assert api.seen[0].query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "7",
        "resourceVersion": "5",
        "labelSelector": "a=b",
    }


async def test_a_streamed_list_asks_for_what_is_there(api, client):
    api.on("GET", PATH, stream())
    await collect(client, version="", streamed_list=True)
    query = api.seen[0].query
    assert (query["sendInitialEvents"], query["resourceVersionMatch"]) == ("true", "NotOlderThan")
    assert "resourceVersion" not in query


async def test_events_come_typed_and_in_order(api, client):
    api.on(
        "GET",
        PATH,
        stream(
            event("ADDED", node_json("n1", 6)),
            event("MODIFIED", node_json("n1", 7)),
            event("DELETED", node_json("n1", 8)),
            bookmark(9),
            bookmark(10, complete=True),
        ),
    )
    events = await collect(client)
    assert [type(each) for each in events] == [Shown, Shown, Deleted, Bookmark, Bookmark]
    assert events[1].object.metadata.resource_version == "7"
    assert events[2].object.key == "n1"
    assert events[3:] == [Bookmark("9", complete=False), Bookmark("10", complete=True)]


async def test_an_odd_object_is_told_by_its_name_and_the_rest_goes_on(api, client):
    odd = node_json("odd", 6) | {"spec": {"unschedulable": "maybe"}}
    api.on("GET", PATH, stream(event("MODIFIED", odd), event("DELETED", odd), event("ADDED", node_json("n1", 7))))
    first, second, third = await collect(client)
    assert (type(first), first.object.key) == (Unreadable, "odd")
    assert (type(second), type(third)) == (Deleted, Shown)


async def test_a_large_object_fits_in_a_line(api, client):
    large = node_json("n1", 6)
    large["metadata"]["annotations"] = {"a": "x" * (3 << 20)}
    api.on("GET", PATH, stream(event("ADDED", large)))
    assert len((await collect(client))[0].object.annotations["a"]) == 3 << 20


async def test_a_line_without_end_is_a_bad_answer(api, client):
    api.on("GET", PATH, stream(b"x" * (5 << 20)))
    with pytest.raises(BadAnswer):
        await collect(client)


@pytest.mark.parametrize("line", [b"{]\n", b"[]\n", b"\xff\n", b'{"type":"NEWS","object":{}}\n', b'{"type":"ADDED"}\n'])
async def test_a_line_that_is_no_event_is_a_bad_answer(api, client, line):
    api.on("GET", PATH, stream(line))
    with pytest.raises(BadAnswer):
        await collect(client)


async def test_a_line_cut_short_is_not_an_event(api, client):
    whole = orjson.dumps(event("ADDED", node_json("n1", 6)))
    api.on("GET", PATH, stream(whole))
    with pytest.raises(Unreachable, match="cut in the middle"):
        await collect(client)


async def test_a_connection_cut_in_the_stream_is_unreachable(api, client):
    api.on("GET", PATH, stream(event("ADDED", node_json("n1", 6)), end="cut"))
    seen = []
    with pytest.raises(Unreachable):
        async with client.watch(NODES, version="5") as events:
            seen.extend([each async for each in events])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(410, "Expired"), Gone),
        (stream(event("ERROR", status_object(410, "Expired"))), Gone),
        (stream(event("ERROR", status_object(500, "InternalError"))), ApiError),
        (stream(event("ERROR", {})), ApiError),
        (reset, Unreachable),
    ],
)
async def test_what_the_server_complains_of_is_raised(api, client, answer, error):
    api.on("GET", PATH, answer)
    with pytest.raises(error):
        await collect(client)


async def test_silence_is_unreachable(api, client):
    api.on("GET", PATH, stream(event("ADDED", node_json("n1", 6)), end="hang"))
    with pytest.raises(Unreachable):
        await collect(client, silence_seconds=0.2)


async def test_a_server_that_never_begins_is_left_after_the_deadline(api):
    api.on("GET", PATH, hang)
    async with connect(connection_to(api), request_seconds=0.2) as client:
        with pytest.raises(Unreachable, match="no answer within"):
            await collect(client)


async def test_leaving_a_watch_gives_its_connection_back(api, client):
    api.on("GET", PATH, stream(bookmark(6), end="hang"))
    async with client.watch(NODES, version="5") as events:
        assert await anext(events) == Bookmark("6", complete=False)
    await eventually(lambda: not client._transport._session.connector._acquired)
