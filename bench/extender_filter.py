"""How long `/filter` takes over large clusters, against a server that reads the same and answers as much.

One extender process, one connection, the scheduler's own form of request; its lists of names change from call to call.
"""

import asyncio
import http.client
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

import msgspec
import orjson

from bench import cluster
from bench.measure import Result, compare_times
from bench.servers import process
from extender.wire import ExtenderArgs
from model.meta import JSON

CALLS: Final = 300
LISTS: Final = 40
WHOLE_CALLS: Final = 10
IMAGES: Final = 58
_SOME_TIME: Final = "2026-01-01T00:00:00Z"
PODS: Final = {
    "zonal": "1 waiting and 2 bound claims, most nodes fail",
    "anywhere": "1 waiting and 2 bound claims, most nodes pass",
    "none": "no volumes",
}
_ECHO: Final = "an aiohttp server that reads the same and answers as much"


async def run(folder: Path) -> list[Result]:
    """5,000 nodes in full; 1,000 and 15,000 for how it grows."""
    results = list[Result]()
    async with process("-m", "bench.floors", "sized", str(folder), until="listening ") as first:
        echo = first.removeprefix("listening ")
        for nodes in (5000, 1000, 15000):
            async with process(
                "-m", "bench.extender_server", str(nodes), until="listening ", within_seconds=240
            ) as line:
                extender = line.removeprefix("listening ")
                results += await asyncio.to_thread(_measure, extender, echo, nodes)
    return results


def _measure(extender: str, echo: str, nodes: int) -> list[Result]:
    results = list[Result]()
    for kind, what in PODS.items() if nodes == 5000 else [("zonal", PODS["zonal"])]:
        results += _by_names(extender, echo, nodes, kind, what)
    if nodes == 5000:
        results += _whole(extender, echo)
        results += _state(extender, nodes)
    return results


def _by_names(extender: str, echo: str, nodes: int, kind: str, what: str) -> list[Result]:
    bodies = _requests(nodes, kind)
    ours, floor = _Caller(extender), _Caller(echo)
    sizes = [len(ours.post("/filter", body)) for body in bodies]
    mine, theirs = list[float](), list[float]()
    began = ours.cpu(), floor.cpu()
    for number in range(CALLS):
        body, size = bodies[number % LISTS], sizes[number % LISTS]
        mine.append(_timed(lambda body=body: ours.post("/filter", body)))  # type: ignore[misc]
        theirs.append(_timed(lambda body=body, size=size: floor.post(f"/{size}", body)))  # type: ignore[misc]
    spent = [(caller.cpu() - before) / CALLS for caller, before in zip((ours, floor), began, strict=True)]
    question = f"/filter, {nodes:,} names, pod with {what}"
    ratio = spent[0] / spent[1]
    return [
        *compare_times(question, mine, theirs, _ECHO),
        Result(f"{question}, CPU", "µs", spent[0] * 1e6, spent[1] * 1e6, f"the CPU of {_ECHO}", *[ratio] * 3),
    ]


def _whole(extender: str, echo: str) -> list[Result]:
    """Whole nodes in the request, as large as kubelet makes them, against the echo and the mere decoding of them."""
    nodes = [{**cluster.node(number), **_grown()} for number in range(5000)]
    body = orjson.dumps({"Pod": cluster.new_pod("zonal"), "Nodes": {"items": nodes}, "NodeNames": None})
    ours, floor, decoder = _Caller(extender), _Caller(echo), msgspec.json.Decoder(ExtenderArgs)
    size = len(ours.post("/filter", body))
    mine, theirs, decoding = list[float](), list[float](), list[float]()
    for _ in range(WHOLE_CALLS):
        mine.append(_timed(lambda: ours.post("/filter", body)))
        theirs.append(_timed(lambda: floor.post(f"/{size}", body)))
        decoding.append(_timed(lambda: decoder.decode(body)))
    question = f"/filter, 5,000 whole nodes, {len(body) >> 20} MiB in, {size >> 20} MiB out"
    return [
        compare_times(question, mine, theirs, _ECHO)[0],
        compare_times(question, mine, decoding, "msgspec decoding the body")[0],
        compare_times("the echo of the same", theirs, decoding, "msgspec decoding the body")[0],
    ]


def _grown() -> JSON:
    """What makes a node some 10 kB: its conditions, and the images that it has."""
    conditions = [
        {"type": each, "status": "False", "lastHeartbeatTime": _SOME_TIME, "lastTransitionTime": _SOME_TIME}
        for each in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    images = [
        {
            "names": [f"example.com/team/image-{number}@sha256:{number:064x}", f"example.com/team/image-{number}:v1"],
            "sizeBytes": number,
        }
        for number in range(IMAGES)
    ]
    return {"status": {"conditions": conditions, "images": images}}


def _state(extender: str, nodes: int) -> list[Result]:
    """What a watch event costs, and what the whole state holds; the floors are the aims."""
    caller = _Caller(extender)
    memory = orjson.loads(caller.get("/memory"))
    events = orjson.loads(caller.get("/events"))
    size = cluster.Size(nodes)
    pods = nodes * size.pods_per_node
    held = memory["after"] - memory["before"]
    question = f"resident memory with {pods:,} pods, {size.volumes:,} volumes ({held / pods * 1e4:.0f} per 10,000 pods)"
    return [
        _against_aim(question, "MiB", memory["after"], 400.0),
        *(_against_aim(f"watch event into the indexes, {name}", "µs", each, 50.0) for name, each in events.items()),
    ]


def _against_aim(question: str, unit: str, ours: float, aim: float) -> Result:
    ratio = ours / aim
    return Result(question, unit, ours, aim, "the aim", ratio, ratio, ratio)


def _requests(nodes: int, kind: str) -> list[bytes]:
    random, names, made = Random(1), [cluster.node_name(number) for number in range(nodes)], list[bytes]()
    for number in range(LISTS):
        random.shuffle(names)
        pod: JSON = cluster.new_pod(kind, number)
        made.append(orjson.dumps({"Pod": pod, "Nodes": None, "NodeNames": names}))
    return made


class _Caller:
    """One connection that is kept open."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def post(self, path: str, body: bytes) -> bytes:
        self._connection.request("POST", path, body, {"Content-Type": "application/json"})
        return self._read()

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path)
        return self._read()

    def cpu(self) -> float:
        """Seconds that the server has computed."""
        seconds: float = orjson.loads(self.get("/cpu"))["seconds"]
        return seconds

    def _read(self) -> bytes:
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {answer[:200].decode(errors='replace')}")
        return answer


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
