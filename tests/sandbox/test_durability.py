"""What is on disk survives: kills in the middle of writes, full disks, and a second server on the same folder."""

import asyncio
import base64
import signal
import ssl
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest
import yaml

from sandbox.durable import DataInUseError, open_store
from tests.sandbox.client import CONFIGMAPS, Events

KILLS = 20
WRITERS = 1000
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def server(data, *arguments):
    """A server in a process of its own; killed at the end, if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.sandbox.durable_server",
        data,
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        if line != b"ready\n":
            raise AssertionError((await process.stderr.read()).decode())
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Remote:
    """A client by the kubeconfig that the server wrote."""

    def __init__(self, session, url):
        self.session, self.url = session, url

    async def request(self, method, path, body=None, **query):
        content = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        async with self.session.request(method, self.url + path, data=content, params=query, headers=headers) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def list(self):
        status, answer = await self.request("GET", CONFIGMAPS)
        assert status == 200
        items = {each["metadata"]["name"]: each for each in answer["items"]}
        return items, int(answer["metadata"]["resourceVersion"])


@asynccontextmanager
async def remote(data):
    config = yaml.safe_load(data.with_suffix(".kubeconfig").read_text())
    cluster = config["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    connector = aiohttp.TCPConnector(ssl=context, limit=32)
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Remote(session, cluster["server"])


class Ledger:
    """What was acknowledged: per object its last version and value, None for deleted."""

    def __init__(self):
        self.known = {}
        self.asked = {}
        """The value of the last write that was sent, acknowledged or not."""
        self.highest = 0
        self.versions = set()
        self.acknowledged = lambda: None

    def acknowledge(self, name, value, version):
        self.known[name] = (version, value)
        assert version not in self.versions
        self.versions.add(version)
        self.highest = max(self.highest, version)
        self.acknowledged()

    def check(self, items, version):
        assert version >= self.highest
        for name, (at, value) in self.known.items():
            held = items.get(name)
            if value is None:
                # A deletion whose answer came can only be followed by a creation that was sent.
                assert held is None or self.asked[name] == held["data"]["value"]
            else:
                assert held is not None or self.asked[name] is None, f"{name} is lost"
                if held is not None:
                    current = int(held["metadata"]["resourceVersion"])
                    assert current >= at
                    assert held["data"]["value"] == (value if current == at else self.asked[name])


async def _write(client, ledger, number, turn):
    """One object's life: made, changed, and every third one deleted."""
    name, value = f"w{number}", f"{turn}"
    try:
        ledger.asked[name] = value
        exists = ledger.known.get(name, (0, None))[1] is not None
        if exists:
            status, answer = await client.request("PATCH", f"{CONFIGMAPS}/{name}", {"data": {"value": value}})
        else:
            status, answer = await client.request(
                "POST", CONFIGMAPS, {"metadata": {"name": name}, "data": {"value": value}}
            )
        if status in (200, 201):
            ledger.acknowledge(name, value, int(answer["metadata"]["resourceVersion"]))
            if number % 3 == 0:
                ledger.asked[name] = None
                status, answer = await client.request("DELETE", f"{CONFIGMAPS}/{name}")
                if status == 200:
                    ledger.known[name] = (ledger.known[name][0], None)
        else:
            # Written before the last kill, without an answer: read anew.
            assert status in (404, 409), answer
    except (aiohttp.ClientError, OSError):
        return


def _kills_at(ledger, enough, process):
    """Kill the server at the acknowledgement of that number, once: a second look would take its exit status away."""
    alive = [process]

    def acknowledged():
        if len(ledger.versions) >= enough and alive:
            alive.pop().send_signal(signal.SIGKILL)

    return acknowledged


@pytest.mark.timeout(300)
async def test_no_acknowledged_write_is_lost_whenever_the_server_is_killed(tmp_path):
    data, ledger = tmp_path / "data", Ledger()
    for turn in range(KILLS):
        async with server(data) as process, remote(data) as client:
            items, version = await client.list()
            ledger.check(items, version)
            ledger.highest = max(ledger.highest, version)
            ledger.known = {
                name: (int(each["metadata"]["resourceVersion"]), each["data"]["value"]) for name, each in items.items()
            }
            ledger.asked = {name: value for name, (_, value) in ledger.known.items()}
            # At another moment in each turn.
            ledger.acknowledged = _kills_at(ledger, len(ledger.versions) + 10 + turn * 53 % 120, process)
            writers = [asyncio.create_task(_write(client, ledger, number, turn)) for number in range(WRITERS)]
            await asyncio.wait(writers)
            assert await process.wait() == -signal.SIGKILL
    async with server(data), remote(data) as client:
        ledger.check(*await client.list())
    assert len(ledger.versions) > KILLS * 40


async def test_a_watch_goes_on_after_a_restart_or_is_told_that_it_can_not(tmp_path):
    data = tmp_path / "data"
    async with server(data), remote(data) as client:
        for name in ("a", "b"):
            await client.request("POST", CONFIGMAPS, {"metadata": {"name": name}})
        items, version = await client.list()
    async with server(data), remote(data) as client:
        same, restarted = await client.list()
        assert (same, restarted) == (items, version)
        _, changed = await client.request("PATCH", f"{CONFIGMAPS}/a", {"data": {"x": "y"}})
        assert int(changed["metadata"]["resourceVersion"]) == version + 1
        query = {"watch": "true", "timeoutSeconds": "1"}
        async with client.session.get(client.url + CONFIGMAPS, params={**query, "resourceVersion": version}) as answer:
            events = Events(answer)
            type_, obj = await events.next()
            assert (type_, obj) == ("MODIFIED", changed)
            assert await events.next() is None
        before = {**query, "resourceVersion": version - 1}
        async with client.session.get(client.url + CONFIGMAPS, params=before) as answer:
            events = Events(answer)
            type_, obj = await events.next()
            assert (type_, obj["code"], obj["reason"]) == ("ERROR", 410, "Expired")


async def test_credentials_stay_the_same(tmp_path):
    data = tmp_path / "data"
    kept = []
    for _ in range(2):
        async with server(data):
            config = yaml.safe_load(data.with_suffix(".kubeconfig").read_text())
            config["clusters"][0]["cluster"].pop("server")
            kept.append(config)
    assert kept[0] == kept[1]


async def test_a_second_server_on_the_folder_says_so_and_does_no_harm(tmp_path):
    data = tmp_path / "data"
    async with server(data), remote(data) as client:
        with pytest.raises(AssertionError, match="another server is using it"):
            async with server(data):
                pass
        status, _ = await client.request("POST", CONFIGMAPS, {"metadata": {"name": "a"}})
        assert status == 201


async def test_a_folder_that_is_none_is_a_clear_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(DataInUseError, match=f"--data {file}"), open_store(file):
        pass
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "objects.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(DataInUseError, match="not a sandbox's folder, or damaged"), open_store(damaged):
        pass


async def test_a_full_disk_is_the_writers_error_and_nothing_is_lost(tmp_path):
    data, ledger = tmp_path / "data", Ledger()
    async with server(data, str(1024 * 1024)), remote(data) as client:
        kept, failed = 0, None
        while failed is None:
            name, value = f"c{kept}", "x" * 50_000
            body = {"metadata": {"name": name}, "data": {"value": value}}
            ledger.asked[name] = value
            status, answer = await client.request("POST", CONFIGMAPS, body)
            if status == 201:
                ledger.acknowledge(name, value, int(answer["metadata"]["resourceVersion"]))
                kept += 1
                assert kept < 200
            else:
                failed = (status, answer)
        assert failed[0] == 500
        assert failed[1]["reason"] == "InternalError"
        assert "the write could not be kept" in failed[1]["message"]
        # Reading goes on, and shows nothing of what was not kept.
        items, version = await client.list()
        assert len(items) == kept
        ledger.check(items, version)
    async with server(data), remote(data) as client:
        ledger.check(*await client.list())
        status, _ = await client.request("POST", CONFIGMAPS, {"metadata": {"name": "after"}})
        assert status == 201


@pytest.mark.timeout(60)
async def test_the_process_ends_cleanly_when_told(tmp_path):
    data = tmp_path / "data"
    async with server(data) as process, remote(data) as client:
        watch = {"watch": "true"}
        async with client.session.get(client.url + CONFIGMAPS, params=watch) as answer:
            process.send_signal(signal.SIGTERM)
            assert await answer.content.read() == b""
        out, err = await process.communicate()
    assert (process.returncode, out, err.decode()) == (0, b"", "")
    assert (data / "objects.sqlite").exists()
