"""Webhooks that are asked to stop: unready at once, answering on, and no review that has begun is lost."""

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from tests.lading.command import running
from tests.waiting import eventually
from tests.webhooks.server import review

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "twice", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce", "ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
BODY = orjson.dumps(review("CREATE", CLAIM))


class Slow:
    """A review that arrives slowly: half of it is there, the rest comes when the test says so."""

    def __init__(self, streams):
        self._reader, self._writer = streams

    async def end(self):
        """Send the rest; the status and the body of the answer."""
        self._writer.write(BODY[len(BODY) // 2 :])
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        answer = await self._reader.readexactly(int(length.partition(b":")[2]))
        self._writer.close()
        await self._writer.wait_closed()
        return int(head.split()[1]), orjson.loads(answer)


async def _begun(url):
    """A review that has begun, of which the server waits for the end."""
    host = urlsplit(url).netloc
    reader, writer = await asyncio.open_connection(*host.rsplit(":", 1))
    head = f"POST /mutate HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"
    writer.write(f"{head}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert b"100" in await reader.readuntil(b"\r\n\r\n")
    writer.write(BODY[: len(BODY) // 2])
    return Slow((reader, writer))


@asynccontextmanager
async def _webhooks(cluster, home, *options):
    listen = ("--kubeconfig", str(cluster), "--listen", "127.0.0.1:0", "--insecure-http")
    async with running("webhooks", *listen, *options, home=home) as command:
        yield command


async def _state(url):
    """The status of `/readyz`, by a connection of its own; None where none is taken."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
            return response.status, await response.text()
    except aiohttp.ClientError:
        return None


async def _is_right(slow):
    status, answer = await slow.end()
    return status == 200 and answer["response"]["allowed"] and answer["response"]["patchType"] == "JSONPatch"


async def test_reviews_that_have_begun_are_answered_and_no_more_are_taken(cluster, tmp_path):
    async with _webhooks(cluster, tmp_path, "--linger", "2") as command:
        before = await _begun(command.url)
        command.process.terminate()

        async def unready():
            state = await _state(command.url)
            assert state is not None, "it is to be unready for a while, before it takes no connections any more"
            return state[0] == 503 and "[-] stop: asked to stop" in state[1]

        await eventually(unready)
        assert await _is_right(before)
        last = [await _begun(command.url)]

        async def takes_none():
            """Whether no review can begin any more; of those that can, each is begun before the one before it ends."""
            try:
                last.append(await _begun(command.url))
            except (OSError, EOFError):
                return True
            assert await _is_right(last.pop(0))
            return False

        await eventually(takes_none)
        assert await _is_right(last.pop()), "it had begun when the listener closed"
        assert await command.process.wait() == 0
