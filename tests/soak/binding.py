"""`python -m tests.soak.binding`: claims in waves for minutes, while those controllers that lead are killed.

A real API server, two replicas of `lading controllers` with a short Lease. At the end nothing may be lost (a claim that
was not bound), leaked (a volume, or a directory, that is still there) or stuck. Then nobody is killed for a while, for
memory to be seen. Each minute one line; the last says how it went, and so does the exit status.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
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
from tests.soak.waves import Waves

LANES = 2


def main(
    minutes: Annotated[float, typer.Option(help="How long leaders are killed.")] = 5.0,
    calm_minutes: Annotated[float, typer.Option(help="How long nobody is killed after that.")] = 2.0,
    kill_seconds: Annotated[float, typer.Option(help="A leader is killed so often.")] = 30.0,
    size: Annotated[int, typer.Option(help="Static claims in a wave, and as many that volumes are made for.")] = 20,
) -> None:
    """Wave after wave of claims, with leaders that are killed."""
    with tempfile.TemporaryDirectory() as folder:
        faults = asyncio.run(_soak(Path(folder), minutes * 60, calm_minutes * 60, kill_seconds, size))
    for fault in faults:
        typer.echo(f"FAULT {fault}")
    sys.exit(bool(faults))


async def _soak(folder: Path, seconds: float, calm: float, every: float, size: int) -> list[str]:
    binaries = Binaries(say=lambda line: typer.echo(line, err=True))
    kubectl = (await asyncio.to_thread(binaries.get, "kubectl")).path
    async with (
        control_plane(folder / "plane", binaries) as plane,
        connect(await load(plane.kubeconfig)) as client,
        _followed(client) as caches,
        installed(plane, kubectl, folder, Mode.INSTEAD) as lading,
        replicas(lading, 2, folder / "storage") as running,
    ):
        waves = Waves(client, caches, folder / "storage", size)
        await waves.prepare()
        faults = list[str]()
        try:
            await _run(waves, running, seconds, calm, every)
        except* AssertionError as group:
            faults = [str(error) for error in group.exceptions]
        return faults or [*(f"left over: {each}" for each in await waves.left_over()), *await running.complaints()]


async def _run(waves: Waves, running: Replicas, seconds: float, calm: float, every: float) -> None:
    began = time.monotonic()
    over = asyncio.Event()
    number = count()
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(_tell(waves, running, began))
        lanes = [group.create_task(_lane(waves, number, over)) for _ in range(LANES)]
        while time.monotonic() - began < seconds:
            await asyncio.sleep(every)
            await running.kill_leader()
        await asyncio.sleep(calm)
        over.set()
        await asyncio.wait(lanes)
        telling.cancel()
    typer.echo(f"{next(number)} waves, {waves.bound} claims bound, {running.kills} leaders killed")


async def _lane(waves: Waves, number: "count[int]", over: asyncio.Event) -> None:
    while not over.is_set():
        await waves.wave(f"wave-{next(number)}")


async def _tell(waves: Waves, running: Replicas, began: float) -> None:
    while True:
        await asyncio.sleep(60)
        memory = ", ".join(f"{name} {size} MiB" for name, size in (await running.memory()).items())
        minute = (time.monotonic() - began) / 60
        typer.echo(f"minute {minute:.1f}: {waves.bound} claims bound, {running.kills} leaders killed, memory: {memory}")


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
