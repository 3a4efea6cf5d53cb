"""Claims bound a second on a real API server: Lading's binder, kube-controller-manager's, and four bare writes a claim.

As many Available volumes as claims, of 1 to 7 Gi, all there before the binder starts; the binders in turn. The stock
one runs twice: with its client's rate out of the way, and as it is by default, when it is watched for 20 s rather than
to the end. Times and CPU count from the first claim that is bound to the last, so that no start-up is among them.

`LADING_BENCH_CLAIMS` says how many claims (default 1,000), `LADING_BENCH_ROUNDS` how often (default 3).
"""

import asyncio
import os
import re
import ssl
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import structlog

from bench import claims
from bench.claims import Followed, followed
from bench.measure import Result
from bench.servers import process
from deploy.rbac import Mode
from kube.client import Client, connect
from kube.config import load
from model.resources import CLAIMS, VOLUMES
from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import ControlPlane, control_plane
from tests.scheduling_live.components import Installed, installed

log = structlog.get_logger()

CLAIMS_COUNT: Final = int(os.environ.get("LADING_BENCH_CLAIMS", "1000"))
ROUNDS: Final = int(os.environ.get("LADING_BENCH_ROUNDS", "3"))
SECONDS_A_CLAIM: Final = 0.1
"""Patience: what is not bound after so long, on the average, counts as not bound."""
DEFAULT_SECONDS: Final = 20.0
BURST: Final = 100
BINDER: Final = "persistentvolume-binder-controller"
FAST: Final = ("--kube-api-qps=5000", "--kube-api-burst=5000")
NO_FINALIZERS: Final = (
    "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,StorageObjectInUseProtection",
)
"""Nobody is there to take them off."""
PASSES: Final = re.compile(r"^lading_controller_passes_total\{.*\} (\S+)$", re.MULTILINE)

Pid = int
Start = Callable[[str], AbstractAsyncContextManager[Pid]]
"""Starts a binder for the claims of a namespace."""


@dataclass(frozen=True)
class Round:
    """What one binder did."""

    bound: int
    rate: float
    """Claims a second."""
    slowest: float
    """When the last claim was bound, in seconds after the first."""
    cpu: float
    """Seconds of the binder's process."""
    server_cpu: float
    """The same of the API server and etcd."""


async def run(folder: Path) -> list[Result]:
    """All binders in every round, as ratios."""
    binaries = Binaries(say=log.info)
    kubectl = (await asyncio.to_thread(binaries.get, "kubectl")).path
    async with (
        control_plane(folder / "plane", binaries, more=NO_FINALIZERS) as plane,
        connect(await load(plane.kubeconfig), user_agent="bench", field_manager="bench") as client,
        installed(plane, kubectl, folder, Mode.INSTEAD) as lading,
    ):
        starts: dict[str, Start] = {
            "ours": lambda _: _ours(lading),
            "stock": lambda _: _stock(plane, FAST),
            "default": lambda _: _stock(plane, ()),
            "bare": lambda namespace: _bare(plane, namespace),
        }
        rounds: dict[str, list[Round]] = {how: [] for how in starts}
        for number in range(ROUNDS):
            for how, done in rounds.items():
                done.append(await _round(plane, client, f"{how}-{number}", starts[how], default=how == "default"))
                log.info("round", binder=how, **vars(done[-1]))
        return [*_compared(rounds), await _burst(client, lading), *await _quiet(client, lading)]


async def _round(plane: ControlPlane, client: Client, namespace: str, start: Start, *, default: bool) -> Round:
    await claims.make_volumes(client, namespace, CLAIMS_COUNT)
    await claims.make_claims(client, namespace, CLAIMS_COUNT)
    async with followed(client, namespace) as watched, start(namespace) as pid:
        servers = [server.pid for server in plane.servers]
        await watched.bound(1)
        began = _cpu(pid), sum(map(_cpu, servers))
        await _until_bound(watched, DEFAULT_SECONDS if default else 30 + CLAIMS_COUNT * SECONDS_A_CLAIM)
        spent = _cpu(pid) - began[0], sum(map(_cpu, servers)) - began[1]
        times = sorted(watched.times.values())
    await claims.remove(client, namespace, CLAIMS_COUNT)
    seconds = times[-1] - times[0]
    return Round(len(times), (len(times) - 1) / seconds, seconds, *spent)


async def _until_bound(watched: Followed, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await watched.bound(CLAIMS_COUNT)
    except TimeoutError:
        log.warning("not all are bound", bound=len(watched.times), seconds=seconds)


@asynccontextmanager
async def _ours(lading: Installed) -> AsyncIterator[Pid]:
    async with lading.running("controllers", "--mode", "instead", "--controllers", BINDER) as command:
        yield command.pid


@asynccontextmanager
async def _stock(plane: ControlPlane, more: tuple[str, ...]) -> AsyncIterator[Pid]:
    async with plane.controller_manager(BINDER, more) as server:
        yield server.pid


@asynccontextmanager
async def _bare(plane: ControlPlane, namespace: str) -> AsyncIterator[Pid]:
    arguments = ("-m", "bench.bare_writes", plane.url, str(plane.pki.ca), plane.token, namespace)
    async with process(*arguments, until="pid ") as line:
        yield int(line.removeprefix("pid "))


def _cpu(pid: Pid) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _compared(rounds: dict[str, list[Round]]) -> list[Result]:
    what = f"binding {CLAIMS_COUNT:,} claims"
    stock, default, bare = "kube-controller-manager, rate raised", "kube-controller-manager", "four bare writes"
    return [
        _ratio(f"{what} (aim 4)", "claims/s", rounds["ours"], rounds["stock"], stock, lambda each: each.rate),
        _ratio(f"{what} (aim 40)", "claims/s", rounds["ours"], rounds["default"], default, lambda each: each.rate),
        _ratio(f"{what} (aim 0.8)", "claims/s", rounds["ours"], rounds["bare"], bare, lambda each: each.rate),
        _ratio(f"{what}, bound at last (aim 1)", "claims", rounds["ours"], rounds["stock"], stock, _bound),
        _ratio(f"{what}, the slowest", "ms", rounds["ours"], rounds["stock"], stock, lambda each: each.slowest * 1e3),
        _ratio(f"{what}, CPU (aim below 1)", "µs a claim", rounds["ours"], rounds["stock"], stock, _cpu_a_claim),
        _ratio(f"{what}, CPU", "µs a claim", rounds["ours"], rounds["bare"], bare, _cpu_a_claim),
        _ratio(f"{what}, CPU of the servers", "µs a claim", rounds["ours"], rounds["bare"], bare, _server_cpu_a_claim),
    ]


def _bound(each: Round) -> float:
    return each.bound


def _cpu_a_claim(each: Round) -> float:
    return each.cpu / each.bound * 1e6


def _server_cpu_a_claim(each: Round) -> float:
    return each.server_cpu / each.bound * 1e6


def _ratio(
    question: str, unit: str, ours: list[Round], floor: list[Round], floor_is: str, of: Callable[[Round], float]
) -> Result:
    ratios = [of(mine) / of(theirs) for mine, theirs in zip(ours, floor, strict=True)]
    mine, theirs = statistics.median(map(of, ours)), statistics.median(map(of, floor))
    return Result(question, unit, mine, theirs, floor_is, statistics.median(ratios), min(ratios), max(ratios))


async def _burst(client: Client, lading: Installed) -> Result:
    """Claims that come at once while the binder runs and volumes are free: from asking for each to its being bound."""
    times = list[float]()
    for number in range(ROUNDS):
        namespace = f"burst-{number}"
        await claims.make_volumes(client, namespace, BURST)
        async with _ours(lading), followed(client, namespace) as watched:
            began = time.perf_counter()
            await claims.make_claims(client, namespace, BURST)
            async with asyncio.timeout(60):
                await watched.bound(BURST)
            times.append(sorted(each - began for each in watched.times.values())[BURST * 95 // 100 - 1])
        await claims.remove(client, namespace, BURST)
    longest = [each / 2.0 for each in times]
    question = f"{BURST} claims at once, from the first wish to the 95th of them bound (aim below 1)"
    middle = statistics.median(longest)
    return Result(question, "ms", middle * 2000, 2000, "two seconds", middle, min(longest), max(longest))


async def _quiet(client: Client, lading: Installed) -> list[Result]:
    """A pass over everything when all is bound, as after a start and within ten minutes of work: what it writes."""
    namespace = "quiet"
    await claims.make_volumes(client, namespace, CLAIMS_COUNT)
    await claims.make_claims(client, namespace, CLAIMS_COUNT)
    async with followed(client, namespace) as watched, _ours(lading):
        await _until_bound(watched, 30 + CLAIMS_COUNT * SECONDS_A_CLAIM)
    before = await _versions(client)
    async with lading.running("controllers", "--mode", "instead", "--controllers", BINDER) as command:
        began = _cpu(command.pid)
        await _passed(f"{command.url}/metrics", lading.certs / "ca.crt", 2 * len(watched.times))
        cost = (_cpu(command.pid) - began) / len(watched.times) * 1e6
    written = len(set((await _versions(client)).items()) - set(before.items()))
    await claims.remove(client, namespace, CLAIMS_COUNT)
    question = f"a pass over {CLAIMS_COUNT:,} bound claims and their volumes"
    return [
        Result(
            f"{question}, objects written (aim 0)",
            "objects",
            written,
            2 * CLAIMS_COUNT,
            "all",
            *[written / 2 / CLAIMS_COUNT] * 3,
        ),
        Result(f"{question}, CPU", "µs a claim", cost, 1000, "a millisecond a claim", *[cost / 1000] * 3),
    ]


async def _passed(url: str, ca: Path, count: int) -> None:
    """Return once the controllers have made so many passes."""
    trusted = ssl.create_default_context(cafile=ca)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session, asyncio.timeout(300):
        passes = 0.0
        while passes < count:
            await asyncio.sleep(0.2)
            async with session.get(url, raise_for_status=True) as answer:
                passes = sum(map(float, PASSES.findall(await answer.text())))


async def _versions(client: Client) -> dict[str, str]:
    found = [*await client.list(CLAIMS), *await client.list(VOLUMES)]
    return {each.uid: each.metadata.resource_version for each in found}
