"""Volumes of a CSI driver made a second on a real API server: by `lading csi-sidecar`, and by external-provisioner.

The driver is `lading csi-hostpath`, a new one for each round. All claims are there before the provisioner starts,
marked as a binder marks them for their driver, and no binder runs: what is measured is making volumes, not binding
them. Then once more with a binder, the same one beside both: from claims to bound claims. The stock one runs with its
client's rate out of the way, and once as it is by default, when it is watched for 20 s rather than to the end. Times
and CPU count from the first volume to the last.

Two floors: CreateVolume called bare, by our client; and one bare write a claim, that of the volume's object.

`LADING_BENCH_CLAIMS` says how many claims (default 1,000), `LADING_BENCH_ROUNDS` how often (default 3);
`LADING_EXTERNAL_PROVISIONER` where external-provisioner is, which is else built by Go, where there is Go.
"""

import asyncio
import os
import statistics
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import nan
from pathlib import Path
from typing import Final

import structlog

from bench import csi_claims
from bench.claims import all_of
from bench.csi_claims import DRIVER, LABELS, NODE, Seen
from bench.external_provisioner import external_provisioner
from bench.measure import Result
from kube.client import Client, connect
from kube.config import load
from model.resources import VOLUMES
from plugins.csi import csi_pb2 as pb
from plugins.csi.driver import reached
from tests.controlplane.binaries import Binaries
from tests.controlplane.guard import Guard, guarding
from tests.controlplane.plane import ControlPlane, control_plane
from tests.csi_live.programs import controllers, hostpath, running, sidecar

log = structlog.get_logger()

COUNT: Final = int(os.environ.get("LADING_BENCH_CLAIMS", "1000"))
ROUNDS: Final = int(os.environ.get("LADING_BENCH_ROUNDS", "3"))
SECONDS_A_CLAIM: Final = 0.2
"""Patience: what is not there after so long, on the average, counts as not made."""
DEFAULT_SECONDS: Final = 20.0
CALLS: Final = 100
"""CreateVolume calls at a time, as both provisioners make."""
FAST: Final = ("--kube-api-qps=5000", "--kube-api-burst=5000")
BINDER: Final = "persistentvolume-binder-controller"
NO_FINALIZERS: Final = (
    "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,StorageObjectInUseProtection",
)
"""Nobody is there to take them off."""

Pid = int
Start = Callable[[Path], AbstractAsyncContextManager[Pid]]
"""Starts a provisioner for the driver whose socket is in the folder."""


@dataclass(frozen=True)
class Round:
    """What one provisioner did."""

    made: int
    rate: float
    """Claims a second."""
    cpu: float = 0.0
    """Seconds of the provisioner's process, a claim."""
    server_cpu: float = 0.0
    """The same of the API server and etcd."""


@dataclass(frozen=True)
class World:
    """What all rounds share."""

    plane: ControlPlane
    client: Client
    guard: Guard
    folder: Path

    @asynccontextmanager
    async def driver(self, name: str) -> AsyncIterator[Path]:
        """A new driver, in the folder of that name."""
        folder = self.folder / name
        folder.mkdir()
        options = ("--driver-name", DRIVER, "--node-id", NODE, "--capacity", "100Ti", "--log-level", "warning")
        async with running(hostpath(folder, self.guard, *options)):
            yield folder

    @asynccontextmanager
    async def ours(self, folder: Path) -> AsyncIterator[Pid]:
        """`lading csi-sidecar`, with all of its limits as they are."""
        options = ("--no-leader-elect", "--controllers", "csi-provisioner")
        async with running(sidecar(folder, self.guard, self.plane.kubeconfig, *options)) as program:
            yield program.pid

    @asynccontextmanager
    async def stock(self, binary: Path, more: tuple[str, ...], folder: Path) -> AsyncIterator[Pid]:
        """external-provisioner."""
        given = (f"--csi-address={folder}/csi.sock", f"--kubeconfig={self.plane.kubeconfig}", *more)
        with (folder / "csi-provisioner.log").open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                str(binary), *given, stdin=DEVNULL, stdout=output, stderr=STDOUT, start_new_session=True
            )
        self.guard.add(process.pid)
        try:
            yield process.pid
        finally:
            process.terminate()
            await process.wait()
            self.guard.remove(process.pid)


async def run(folder: Path) -> list[Result]:
    """All in every round, as ratios."""
    binary = await asyncio.to_thread(external_provisioner, log.info)
    async with (
        control_plane(folder / "plane", Binaries(say=log.info), more=NO_FINALIZERS) as plane,
        connect(await load(plane.kubeconfig), user_agent="bench", field_manager="bench") as client,
        guarding() as guard,
    ):
        await csi_claims.prepare(client)
        world = World(plane, client, guard, folder)
        starts: dict[str, Start] = {"ours": world.ours}
        if binary is not None:
            starts["stock"] = partial(world.stock, binary, FAST)
            starts["default"] = partial(world.stock, binary, ())
        made: dict[str, list[Round]] = {"ours": [], "stock": [], "default": [], "calls": [], "writes": []}
        bound: dict[str, list[Round]] = {"ours": [], "stock": []}
        for number in range(ROUNDS):
            for how, start in starts.items():
                if how != "default" or number == 0:
                    made[how].append(await _provisioned(world, f"made-{how}-{number}", start, short=how == "default"))
            made["calls"].append(await _called(world, f"calls-{number}"))
            made["writes"].append(await _written(world, f"writes-{number}"))
        for number in range(ROUNDS):
            for how in ("ours", "stock"):
                if how in starts:
                    bound[how].append(await _bound(world, f"bound-{how}-{number}", starts[how]))
        return _compared(made, bound)


async def _provisioned(world: World, namespace: str, start: Start, *, short: bool) -> Round:
    """Claims that wait for a provisioner, until each has a volume."""
    await csi_claims.make_claims(world.client, namespace, COUNT, marked=True)
    async with world.driver(namespace) as folder, csi_claims.volumes_of(world.client, namespace) as seen:
        done = await _round(
            world, namespace, seen, start(folder), DEFAULT_SECONDS if short else 30 + COUNT * SECONDS_A_CLAIM
        )
    await csi_claims.remove(world.client, namespace)
    return done


async def _bound(world: World, namespace: str, start: Start) -> Round:
    """Claims as users make them, until each is bound."""
    await csi_claims.make_claims(world.client, namespace, COUNT, marked=False)
    async with world.driver(namespace) as folder, csi_claims.bound_claims(world.client, namespace) as seen:
        options = ("--no-leader-elect", "--controllers", BINDER)
        binder = controllers(folder, world.guard, world.plane.kubeconfig, *options)
        async with running(binder):
            done = await _round(world, namespace, seen, start(folder), 30 + COUNT * SECONDS_A_CLAIM)
    await csi_claims.remove(world.client, namespace)
    return done


async def _round(
    world: World, what: str, seen: Seen, provisioner: AbstractAsyncContextManager[Pid], seconds: float
) -> Round:
    async with provisioner as pid:
        await seen.count(1)
        servers = [server.pid for server in world.plane.servers]
        began, already = (_cpu(pid), sum(map(_cpu, servers))), len(seen.times)
        try:
            async with asyncio.timeout(seconds):
                await seen.count(COUNT)
        except TimeoutError:
            log.warning("not all are there", made=len(seen.times), seconds=seconds)
        spent = _cpu(pid) - began[0], sum(map(_cpu, servers)) - began[1]
        return _rated(what, seen, *(each / max(len(seen.times) - already, 1) for each in spent))


async def _called(world: World, name: str) -> Round:
    """The first floor: as many calls as claims."""
    seen, few = Seen(), asyncio.Semaphore(CALLS)
    async with world.driver(name) as folder, reached(f"unix://{folder}/csi.sock", seconds=60.0) as driver:

        async def make(number: int) -> None:
            mode = pb.VolumeCapability.AccessMode(mode=pb.VolumeCapability.AccessMode.SINGLE_NODE_MULTI_WRITER)
            wanted = pb.VolumeCapability(mount=pb.VolumeCapability.MountVolume(), access_mode=mode)
            request = pb.CreateVolumeRequest(
                name=f"{name}-{number}",
                capacity_range=pb.CapacityRange(required_bytes=1 << 30),
                volume_capabilities=[wanted],
            )
            request.accessibility_requirements.requisite.add().segments.update(LABELS)
            async with few:
                await driver.controller.create_volume(request)
            seen.see(request.name)

        await asyncio.gather(*map(make, range(COUNT)))
    return _rated(name, seen)


async def _written(world: World, namespace: str) -> Round:
    """The second floor: as many volume objects as claims."""
    seen = Seen()

    async def write(number: int) -> None:
        name = f"{namespace}-{number}"
        await world.client.create(VOLUMES, csi_claims.volume(name, namespace, number))
        seen.see(name)

    await all_of(write(number) for number in range(COUNT))
    await csi_claims.remove(world.client, namespace)
    return _rated(namespace, seen)


def _rated(what: str, seen: Seen, *cpu: float) -> Round:
    times = sorted(seen.times.values())
    done = Round(len(times), (len(times) - 1) / (times[-1] - times[0]), *cpu)
    log.info("round", what=what, **vars(done))
    return done


def _cpu(pid: Pid) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _compared(made: dict[str, list[Round]], bound: dict[str, list[Round]]) -> list[Result]:
    what, ours = f"volumes for {COUNT:,} claims", made["ours"]
    peer = "external-provisioner" if made["stock"] else "external-provisioner, which is neither here nor can be built"
    raised = f"{peer}, rate raised"
    together = f"{COUNT:,} claims provisioned and bound, by lading controllers"
    return [
        _ratio(what, "claims/s", ours, made["stock"], raised, _rate),
        _ratio(what, "claims/s", ours[:1], made["default"], peer, _rate),
        _ratio(f"{what}, made at last (aim 1)", "claims", ours, made["stock"], raised, lambda each: each.made),
        _ratio(f"{what}, CPU", "µs a claim", ours, made["stock"], raised, _cpu_a_claim),
        _ratio(f"{what}, CPU of the servers", "µs a claim", ours, made["stock"], raised, _server_cpu_a_claim),
        _ratio(together, "claims/s", bound["ours"], bound["stock"], raised, _rate),
        _ratio(what, "claims/s", ours, made["calls"], "bare CreateVolume calls", _rate),
        _ratio(what, "claims/s", ours, made["writes"], "one bare write a claim", _rate),
    ]


def _rate(each: Round) -> float:
    return each.rate


def _cpu_a_claim(each: Round) -> float:
    return each.cpu * 1e6


def _server_cpu_a_claim(each: Round) -> float:
    return each.server_cpu * 1e6


def _ratio(
    question: str, unit: str, ours: list[Round], floor: list[Round], floor_is: str, of: Callable[[Round], float]
) -> Result:
    """Round by round; no number where there is nothing to compare with."""
    mine = statistics.median(map(of, ours))
    if not floor:
        return Result(question, unit, mine, nan, floor_is, nan, nan, nan)
    ratios = [of(one) / of(other) for one, other in zip(ours, floor, strict=True)]
    theirs = statistics.median(map(of, floor))
    return Result(question, unit, mine, theirs, floor_is, statistics.median(ratios), min(ratios), max(ratios))
