"""What others send keeps no good request from its answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from extender.gate import Gate
from tests.extender.objects import claim, node, pod, storage_class, volume
from tests.extender.world import Caller, World, running

GOOD = pod("p", "c")
HEAD = b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
KINDS = {
    "garbage": HEAD + b"Content-Length: 5\r\n\r\n{{{{{",
    "oversized": HEAD + b"Content-Length: 99999999999\r\n\r\n{",
    "slow": HEAD + b"Content-Length: 500\r\n\r\n{",
    "endless": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "half a head": HEAD[:20],
    "TLS where there is none": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def caller():
    world = World()
    for obj in (node("n1", zone="a"), node("n2", zone="b"), storage_class("fast"), volume("v", zone="a")):
        world.put(obj)
    world.put(claim("c", volume="v"))
    async with running(world) as caller:
        yield caller


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in KINDS.items()])
@pytest.mark.parametrize("then", ["hangs up", "stays", "closes its half"])
async def test_three_hundred_of_a_kind_harm_no_good_request(caller: Caller, sent: bytes, then: str):
    async with _connected(caller, 300) as connections:
        for _, writer in connections:
            writer.write(sent)
            if then == "hangs up":
                writer.transport.abort()
            elif then == "closes its half":
                writer.write_eof()
        await _are_answered(caller, 100)


@pytest.mark.parametrize("part", ["a head", "a body", "chunks"])
async def test_five_hundred_that_send_a_byte_at_a_time_harm_no_good_request(caller: Caller, part: str):
    begun, rest = {
        "a head": (b"", HEAD + b"X-Long: " + b"x" * 1000),
        "a body": (HEAD + b"Content-Length: 5000\r\n\r\n", b'{"Pod": {"metadata": {"name": "' + b"x" * 1000),
        "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n" * 200),
    }[part]
    async with _connected(caller, 500) as connections:
        for _, writer in connections:
            writer.write(begun)
        async with _dripping([writer for _, writer in connections], rest):
            await _are_answered(caller, 100)


async def test_a_thousand_of_all_kinds_at_once_harm_no_good_request(caller: Caller):
    async with _connected(caller, 1000) as connections:
        for (_, writer), sent, then in zip(connections, cycle(KINDS.values()), cycle(range(5)), strict=False):
            writer.write(sent)
            if then == 0:
                writer.transport.abort()
            elif then == 1:
                writer.write_eof()
        async with _dripping([writer for _, writer in connections[::3]], b"x" * 2000):
            await _are_answered(caller, 100)


@asynccontextmanager
async def _connected(caller: Caller, count: int) -> AsyncIterator[list[Connection]]:
    address = urlsplit(caller.url)
    connections = [await asyncio.open_connection(address.hostname, address.port) for _ in range(count)]
    try:
        yield connections
    finally:
        for _, writer in connections:
            writer.transport.abort()


async def _are_answered(caller: Caller, count: int) -> None:
    answers = await asyncio.gather(*(caller.filter(GOOD, ["n1", "n2"]) for _ in range(count)))
    assert all(answer["NodeNames"] == ["n1"] for answer in answers)


@asynccontextmanager
async def _dripping(writers: list[asyncio.StreamWriter], rest: bytes) -> AsyncIterator[None]:
    """They send while the block runs, and are not done with it then."""
    task = asyncio.create_task(_drip(writers, rest))
    yield
    assert not task.done()
    task.cancel()


async def _drip(writers: list[asyncio.StreamWriter], rest: bytes) -> None:
    """A byte to each, turn by turn."""
    for byte in rest:
        for writer in writers:
            if not writer.is_closing():
                with suppress(OSError, RuntimeError):  # it may have closed its half
                    writer.write(bytes([byte]))
        await asyncio.sleep(0)


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
