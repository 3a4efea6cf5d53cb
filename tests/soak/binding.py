"""`python -m tests.soak.binding`: claims in waves for minutes, while those controllers that lead are killed.

A real API server, two replicas of `lading controllers` with a short Lease. At the end nothing may be lost (a claim that
was not bound), leaked (a volume, or a directory, that is still there) or stuck. Then nobody is killed for a while, for
memory to be seen. Twice a minute one line; at the end a table says how it went, and so does the exit status.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from deploy.rbac import Mode
from kube.caches import Caches
from kube.client import Client, connect
from kube.config import load
from model.resources import CLAIMS, VOLUMES
from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import control_plane
from tests.scheduling_live.components import installed
from tests.soak.replicas import Replicas, replicas
from tests.soak.verdict import Row, growth, memory_row, table
from tests.soak.waves import Waves

LANES = 3
TELLING_SECONDS = 30.0


@dataclass(frozen=True)
class Plan:
    """How long it goes on, and how."""

    seconds: float
    calm_seconds: float
    kill_seconds: float
    claims: int
    size: int


def main(
    minutes: Annotated[float, typer.Option(help="How long leaders are killed.")] = 5.0,
    calm_minutes: Annotated[float, typer.Option(help="How long nobody is killed after that.")] = 2.0,
    kill_seconds: Annotated[float, typer.Option(help="A leader is killed so often.")] = 30.0,
    claims: Annotated[int, typer.Option(help="Leaders are killed until so many claims are bound, if longer.")] = 0,
    size: Annotated[int, typer.Option(help="Static claims in a wave, and as many that volumes are made for.")] = 20,
) -> None:
    """Wave after wave of claims, with leaders that are killed."""
    plan = Plan(minutes * 60, calm_minutes * 60, kill_seconds, claims, size)
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(_soak(Path(folder), plan))
    typer.echo(table(rows))
    sys.exit(not all(row.well for row in rows))


async def _soak(folder: Path, plan: Plan) -> list[Row]:
    binaries = Binaries(say=lambda line: typer.echo(line, err=True))
    kubectl = (await asyncio.to_thread(binaries.get, "kubectl")).path
    async with (
        control_plane(folder / "plane", binaries) as plane,
        connect(await load(plane.kubeconfig)) as client,
        _followed(client) as caches,
        installed(plane, kubectl, folder, Mode.INSTEAD) as lading,
        replicas(lading, 2, folder / "storage") as running,
    ):
        soak = Soak(Waves(client, caches, folder / "storage", plan.size), running, plan)
        await soak.run()
        return await soak.verdict()


class Soak:
    """One run."""

    def __init__(self, waves: Waves, running: Replicas, plan: Plan) -> None:
        self._waves = waves
        self._running = running
        self._plan = plan
        self._began = time.monotonic()
        self._number = count()
        self._over = asyncio.Event()
        self._faults = list[str]()
        self._memory = list[tuple[float, int]]()
        """Of the calm time: how many claims were bound, and the bytes that the leader had then."""
        self._calm = False

    async def run(self) -> None:
        """Until the time is up, or something goes wrong."""
        await self._waves.prepare()
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(work) for work in (self._tell(), self._running.keep())]
                lanes = [group.create_task(self._lane()) for _ in range(LANES)]
                await self._kill()
                self._calm = True
                await asyncio.sleep(self._plan.calm_seconds)
                self._over.set()
                await asyncio.wait(lanes)
                for task in beside:
                    task.cancel()
        except* AssertionError as group:
            self._faults = [str(error) for error in group.exceptions]

    async def verdict(self) -> list[Row]:
        """How it went."""
        left = [] if self._faults else await self._waves.left_over()
        unready = await self._running.complaints()
        bound = self._waves.bound
        return [
            Row("claims bound", f"{bound:,} in {next(self._number)} waves", bound >= self._plan.claims),
            Row("leaders killed", str(self._running.kills), well=True),
            Row("leases not renewed in time", str(self._running.leases_lost), well=True),
            Row("lost or stuck", "; ".join(self._faults) or "none", not self._faults),
            Row("left over", ", ".join(left) or "none", not left),
            Row("replicas that complain", "; ".join(unready) or "none", not unready),
            memory_row(growth(self._memory)),
        ]

    async def _kill(self) -> None:
        while (
            time.monotonic() - self._began < self._plan.seconds or self._waves.bound < self._plan.claims
        ) and not self._over.is_set():
            await asyncio.sleep(self._plan.kill_seconds)
            await self._running.kill_leader()

    async def _lane(self) -> None:
        while not self._over.is_set():
            await self._waves.wave(f"wave-{next(self._number)}")

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELLING_SECONDS)
            memory = await self._running.memory()
            leader = next((size for name, size in memory.items() if name.endswith("*")), None)
            if self._calm and leader is not None:
                self._memory.append((self._waves.bound, leader))
            told = ", ".join(f"{name} {size / (1 << 20):.1f} MiB" for name, size in memory.items())
            minute = (time.monotonic() - self._began) / 60
            bound, kills = self._waves.bound, self._running.kills
            typer.echo(f"minute {minute:.1f}: {bound} claims bound, {kills} leaders killed, memory: {told}")


@asynccontextmanager
async def _followed(client: Client) -> AsyncIterator[Caches]:
    caches = Caches(client, (CLAIMS, VOLUMES))
    task = asyncio.create_task(caches.run())
    try:
        await caches.wait_synced()
        yield caches
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


if __name__ == "__main__":
    typer.run(main)
