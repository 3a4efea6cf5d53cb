"""What others send keeps no good request from its answer."""

import asyncio
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from extender.gate import Gate
from tests.extender.objects import claim, node, pod, storage_class, volume
from tests.extender.world import Caller, World, running

GOOD = pod("p", "c")
HEAD = b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def caller():
    world = World()
    for obj in (node("n1", zone="a"), node("n2", zone="b"), storage_class("fast"), volume("v", zone="a")):
        world.put(obj)
    world.put(claim("c", volume="v"))
    async with running(world) as caller:
        yield caller


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(HEAD + b"Content-Length: 5\r\n\r\n{{{{{", id="garbage"),
        pytest.param(HEAD + b"Content-Length: 99999999999\r\n\r\n{", id="oversized"),
        pytest.param(HEAD + b"Content-Length: 500\r\n\r\n{", id="slow"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", id="endless"),
        pytest.param(HEAD[:20], id="half a head"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS where there is none"),
    ],
)
@pytest.mark.parametrize("leaves", [True, False], ids=["and hangs up", "and stays"])
async def test_three_hundred_of_a_kind_harm_no_good_request(caller: Caller, sent: bytes, leaves: bool):
    address = urlsplit(caller.url)
    connections = [await asyncio.open_connection(address.hostname, address.port) for _ in range(300)]
    try:
        for _, writer in connections:
            writer.write(sent)
            if leaves:
                writer.transport.abort()
        answers = await asyncio.gather(*(caller.filter(GOOD, ["n1", "n2"]) for _ in range(100)))
        assert all(answer["NodeNames"] == ["n1"] for answer in answers)
    finally:
        for _, writer in connections:
            writer.transport.abort()


def test_too_many_bytes_at_once_are_told_to_come_again():
    async def main():
        gate, first = Gate(bytes_at_once=100), _announcing(80)
        with gate.admitted(first):
            with pytest.raises(web.HTTPServiceUnavailable, match="Unavailable"), gate.admitted(_announcing(30)):
                pass
            with gate.admitted(_announcing(20)):
                pass
        with gate.admitted(_announcing(500)):
            pass  # one alone is bounded by the limit on a body

    asyncio.run(main())


def test_what_comes_too_late_is_not_judged():
    async def main():
        with pytest.raises(web.HTTPServiceUnavailable), Gate(answer_seconds=-1.0).admitted(_announcing(1)):
            pass

    asyncio.run(main())


def _announcing(size: int) -> web.Request:
    return make_mocked_request("POST", "/filter", headers={"Content-Length": str(size)}, transport=_Open())


class _Open(asyncio.Transport):
    """A connection that stands."""

    def is_closing(self) -> bool:
        return False
