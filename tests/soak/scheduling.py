"""`python -m tests.soak.scheduling`: pods in waves on a cluster too small for them, while leading extenders are killed.

A real kube-apiserver and kube-scheduler with the extender in place of its volume plugins, `lading controllers`, and two
replicas of `lading extender --leader-elect` behind one address. No node may pass its limit, no volume have two claims,
no pool be overdrawn, no claim for one pod have two; and every pod is bound in its time. Twice a minute one line; at the
end a table says how it went, and so does the exit status.
"""

import asyncio
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Annotated, Final

import aiohttp
import typer

from deploy.rbac import Mode
from kube.caches import Caches
from kube.client import Client, connect
from kube.config import load
from kube.errors import KubeError
from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import ControlPlane, control_plane
from tests.scheduling_live.cluster import followed
from tests.scheduling_live.components import Command, Installed, installed
from tests.soak.replicas import Replicas
from tests.soak.scheduling_cluster import Driver, prepare
from tests.soak.scheduling_judge import Judge
from tests.soak.scheduling_pods import DEADLINE_SECONDS, KINDS, Pods, left_over
from tests.soak.scheduling_relay import relayed
from tests.soak.verdict import Row, table
from tests.waiting import eventually

LEASE: Final = ("--lease-duration", "9", "--renew-deadline", "7", "--retry-period", "1")
"""Short, and long enough for a machine that is busy with all of this."""
TELLING_SECONDS: Final = 30.0
MEMORY_LIMIT_BYTES: Final = 200 << 20
"""Of a replica: each is young again after it was killed, so that growth tells nothing."""


@dataclass(frozen=True)
class Plan:
    """How long it goes on, and how."""

    seconds: float
    kill_seconds: float
    pods: int
    seed: int


def main(
    minutes: Annotated[float, typer.Option(help="How long pods come.")] = 10.0,
    kill_seconds: Annotated[float, typer.Option(help="The leading replica is killed so often.")] = 30.0,
    pods: Annotated[int, typer.Option(help="So many at once, at the most.")] = 60,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
) -> None:
    """Wave after wave of pods, with extenders that are killed."""
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(_soak(Path(folder), Plan(minutes * 60, kill_seconds, pods, seed)))
    typer.echo(table(rows))
    sys.exit(not all(row.well for row in rows))


async def _soak(folder: Path, plan: Plan) -> list[Row]:
    binaries = Binaries(say=lambda line: typer.echo(line, err=True))
    kubectl = (await asyncio.to_thread(binaries.get, "kubectl")).path
    async with control_plane(folder / "plane", binaries) as plane:
        return await soaked(plane, kubectl, folder, plan)


async def soaked(plane: ControlPlane, kubectl: Path, folder: Path, plan: Plan) -> list[Row]:
    """A run on a control plane that has nothing of what it makes."""
    storage = ("--host-path-root", str(folder / "storage"))
    async with (
        connect(await load(plane.kubeconfig)) as client,
        followed(plane) as caches,
        installed(plane, kubectl, folder, Mode.INSTEAD) as lading,
    ):
        await prepare(client)
        async with (
            lading.running("controllers", "--mode", "instead", "--no-leader-elect", *storage),
            _extenders(lading, 2) as (replicas, running, url),
            plane.scheduler(lading.scheduler_config(url)),
        ):
            soak = Soak(client, caches, replicas, running, plan)
            await soak.run()
            return list(soak.verdict())


class Soak:
    """One run."""

    def __init__(
        self, client: Client, caches: Caches, replicas: Sequence[Command], running: Replicas, plan: Plan
    ) -> None:
        self._client = client
        self._replicas = replicas
        self._running = running
        self._ended = 0
        """Replicas that ended by themselves, and were started again, as kubelet does."""
        self._plan = plan
        self._random = Random(plan.seed)
        self._driver = Driver(client, caches, self._random)
        self._judge = Judge(caches, self._driver)
        self._pods = Pods(client, caches, self._random)
        self._began = time.monotonic()
        self._waves = 0
        self._under_way = set[asyncio.Task[None]]()
        self._stuck = list[str]()
        self._left = list[str]()
        self._memory = list[dict[str, int]]()

    async def run(self) -> None:
        """Until the time is up and the last pod is gone."""
        work = (self._kill(), self._keep(), self._driver.run(), self._judge.run(), self._tell())
        helping = [asyncio.create_task(each) for each in work]
        try:
            while time.monotonic() - self._began < self._plan.seconds and not (self._stuck or self._judge.violations):
                self._wave()
                _ = await eventually(self._has_room, within_seconds=2 * DEADLINE_SECONDS)
                await asyncio.sleep(self._random.uniform(0.5, 3.0))
            self._say("no more pods come")
            if self._under_way:
                await asyncio.wait(self._under_way)
            self._left = [] if self._stuck else await self._left_over()
        finally:
            for task in helping:
                task.cancel()
            results = await asyncio.gather(*helping, return_exceptions=True)
            self._stuck += [repr(each) for each in results if isinstance(each, Exception)]

    def verdict(self) -> Iterator[Row]:
        """How it went."""
        wrong, refused, left = self._judge.violations, self._driver.refused, self._left
        yield Row("pods bound", f"{self._pods.bound:,} in {self._waves} waves", self._pods.bound > 0)
        yield from self._times()
        yield Row("volumes made of pools", f"{self._driver.made:,}", self._driver.made > 0)
        yield Row("leaders killed", str(self._running.kills), well=True)
        yield Row("replicas that lost their lease", str(self._ended), well=True)
        yield Row("asked for beyond a pool's room", "; ".join(refused) or "never", not refused)
        yield Row("violations", "; ".join(wrong) or f"none, looked {self._judge.looks:,} times", not wrong)
        yield Row("stuck", "; ".join(self._stuck) or "none", not self._stuck)
        yield Row("left over", ", ".join(left) or "none", not left)
        if sizes := [size for each in self._memory for size in each.values()]:
            told = f"{min(sizes) / (1 << 20):.1f} to {max(sizes) / (1 << 20):.1f} MiB"
            yield Row("memory of replicas", told, max(sizes) <= MEMORY_LIMIT_BYTES)

    async def _left_over(self) -> list[str]:
        """What is still there although all pods have left it a while ago."""
        with suppress(TimeoutError):
            await eventually(self._is_clean, within_seconds=60.0)
        return await left_over(self._client)

    async def _is_clean(self) -> bool:
        return not await left_over(self._client)

    def _times(self) -> Iterator[Row]:
        for kind, waited in sorted(self._pods.waited.items()):
            middle, late = statistics.median(waited), sorted(waited)[int(0.95 * len(waited))]
            told = f"{len(waited):,}; median {middle:.1f} s, p95 {late:.1f} s, longest {max(waited):.1f} s"
            yield Row(f"  {kind}", told, well=True)

    def _has_room(self) -> bool:
        return 2 * len(self._under_way) <= self._plan.pods or bool(self._stuck)

    def _wave(self) -> None:
        self._waves += 1
        for _ in range(self._random.randint(5, self._plan.pods // 2)):
            task = asyncio.create_task(self._live(self._random.choice(KINDS)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _live(self, kind: str) -> None:
        try:
            await self._pods.one(kind)
        except* (AssertionError, KubeError) as group:
            self._stuck += [f"{type(each).__name__}: {each}" for each in _leaves(group)]

    async def _kill(self) -> None:
        while True:
            await asyncio.sleep(self._plan.kill_seconds)
            # Nobody took over in time, or the leader had just ended: both are started again.
            with suppress(TimeoutError, AssertionError):
                await self._running.kill_leader()
            await self._look_after()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for each in self._replicas:
                if each.ended:
                    each.forget()
                    self._ended += 1
                    await each.start()

    async def _look_after(self) -> None:
        for each in self._replicas:
            if not each.runs:
                await each.start()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELLING_SECONDS)
            memory = dict[str, int]()
            with suppress(AssertionError, OSError):  # one has ended this moment
                memory = await self._running.memory()
            self._memory.append(memory)
            told = ", ".join(f"{name} {size / (1 << 20):.1f} MiB" for name, size in memory.items())
            self._say(f"memory: {told}")

    def _say(self, what: str) -> None:
        minute = (time.monotonic() - self._began) / 60
        typer.echo(
            f"minute {minute:.1f}: {self._pods.bound} pods bound, {len(self._under_way)} under way, "
            f"{self._driver.made} volumes made, {self._running.kills} leaders killed, "
            f"{len(self._judge.violations)} violations; {what}"
        )


@asynccontextmanager
async def _extenders(lading: Installed, count: int) -> AsyncIterator[tuple[list[Command], Replicas, str]]:
    """So many replicas, and the address that leads to the one that answers."""
    async with AsyncExitStack() as stack:
        commands = [await stack.enter_async_context(_extender(lading, number)) for number in range(count)]
        trusted = ssl.create_default_context(cafile=lading.certs / "ca.crt")
        connector = aiohttp.TCPConnector(ssl=trusted, force_close=True)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        relay = await stack.enter_async_context(relayed(commands, trusted))
        yield commands, Replicas(commands, session), relay.url


@asynccontextmanager
async def _extender(lading: Installed, number: int) -> AsyncIterator[Command]:
    folder = lading.folder / f"extender-{number}"
    await asyncio.to_thread(folder.mkdir)
    (folder / "certs").symlink_to(lading.certs)
    more = ("--mode", "instead", "--leader-elect", *LEASE)
    async with replace(lading, folder=folder).running("extender", *more) as command:
        yield command


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


if __name__ == "__main__":
    typer.run(main)
