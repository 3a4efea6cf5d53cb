"""`python -m tests.soak.csi`: volumes of a CSI driver come and go, while driver and sidecar are killed at random.

A real control plane, `lading csi-hostpath` and `lading csi-sidecar`. Claims are made, filled, grown, attached, snapshot
and deleted, some before anything was made for them. At the end the driver must hold just the volumes and snapshots
that the cluster knows, attached where it says, nothing may have been deleted that was in use, and nothing may be stuck.
Each half minute one line; the last says how it went, and so does the exit status.
"""

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from typing import Annotated, Final

import structlog
import typer

from kube.caches import Caches
from kube.client import Client
from model.resources import CLASSES, SNAPSHOT_CLASSES
from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import ControlPlane, control_plane
from tests.csi_live.cluster import OURS, cluster
from tests.csi_live.objects import snapshot_class, storage_class
from tests.csi_live.programs import EVERYTHING, Program, hostpath, running, sidecar
from tests.soak import csi_holdings
from tests.soak.csi_stories import CACHED, CLASS, DRIVER, NODES, Stories
from tests.waiting import eventually

ZONE: Final = {f"topology.{DRIVER}/zone": "z"}
OPTIONS: Final = ("--driver-name", DRIVER, "--capacity", "10Ti", "--node-id", NODES[0], "--other-node", NODES[1])
QUICK: Final = ("--no-leader-elect", "--retry-interval-start", "0.2", "--retry-interval-max", "5", "--timeout", "5")
TELL_SECONDS: Final = 30.0
KEPT: Final = 4
SETTLE_SECONDS: Final = 60.0


@dataclass
class Soak:
    """One run."""

    stories: Stories
    client: Client
    driver: Program
    programs: tuple[Program, ...]
    random: Random
    kills: dict[str, int] = field(default_factory=dict)

    async def run(self, seconds: float, lanes: int, every: float) -> list[str]:
        """What went wrong."""
        kept = [f"kept-{number}" for number in range(KEPT)]
        over = asyncio.Event()
        faults = list[str]()
        try:
            async with asyncio.TaskGroup() as group:
                keeping = [group.create_task(self.stories.keep(name)) for name in kept]
                going = [group.create_task(self._lane(over)) for _ in range(lanes)]
                telling = group.create_task(self._tell())
                await self._kill_for(seconds, every)
                over.set()
                await asyncio.wait([*keeping, *going])
                telling.cancel()
            faults = await self._differences(KEPT)
            for name in kept:
                await self.stories.drop(name)
        except* AssertionError as wrong:
            faults = [str(error) for error in wrong.exceptions]
        return faults or await self._differences(0)

    async def _lane(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self.stories.one()

    async def _kill_for(self, seconds: float, every: float) -> None:
        """Kill one or both, again and again, each time after another while; all run at the end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self.random.uniform(0.1, 2 * every)))
            chosen = self.random.sample(self.programs, self.random.choice((1, 1, len(self.programs))))
            for program in chosen:
                await program.kill()
                name = program.log.stem
                self.kills[name] = self.kills.get(name, 0) + 1
            await asyncio.gather(*(program.start() for program in chosen))

    async def _tell(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(TELL_SECONDS)
            typer.echo(f"{time.monotonic() - began:4.0f} s: {self.progress()}")

    def progress(self) -> str:
        """How much was done so far."""
        kills = ", ".join(f"{name} killed {count} times" for name, count in sorted(self.kills.items()))
        return f"{self.stories.told.total()} stories; {kills or 'nobody killed'}"

    async def _differences(self, kept: int) -> list[str]:
        """What the driver holds and the cluster does not know, or the other way round, once all has come to rest."""
        last: list[str] = []

        async def is_right() -> bool:
            last[:] = await self._seen(kept)
            return not last

        with suppress(TimeoutError):
            _ = await eventually(is_right, within_seconds=SETTLE_SECONDS)
        return last

    async def _seen(self, kept: int) -> list[str]:
        held, known = await csi_holdings.held(self.driver.url), await csi_holdings.known(self.client, DRIVER)
        wrong = [f"the driver has {each}, and the cluster has not" for each in held - known]
        wrong += [f"the cluster has {each}, and the driver has not" for each in known - held]
        calls = await csi_holdings.written_down(self.client, DRIVER, OURS)
        wrong += [f"call for claim {each} is still written down" for each in calls]
        # Each that is kept is a volume, its snapshot, and its attachment.
        return wrong if len(known) == 3 * kept else [*wrong, f"{kept} were kept, and there are {sorted(known)}"]


def main(
    minutes: Annotated[float, typer.Option(help="How long driver and sidecar are killed.")] = 5.0,
    lanes: Annotated[int, typer.Option(help="How many stories go on at a time.")] = 8,
    every: Annotated[float, typer.Option(help="Seconds between two kills, on the average.")] = 4.0,
    seed: Annotated[int | None, typer.Option(help="What is drawn; another one each time.", show_default=False)] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="For logs and volumes, which are kept.", show_default=False)
    ] = None,
) -> None:
    """Stories of claims, with a driver and a sidecar that are killed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    seed = SystemRandom().randrange(1 << 32) if seed is None else seed
    typer.echo(f"seed {seed}")
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder) as place:
        faults = asyncio.run(_soak(Path(place), minutes * 60, lanes, every, Random(seed)))
    for fault in faults:
        typer.echo(f"FAULT {fault}")
    typer.echo(f"{len(faults)} faults" if faults else "nothing leaked, lost or stuck")
    sys.exit(bool(faults))


async def _soak(folder: Path, seconds: float, lanes: int, every: float, random: Random) -> list[str]:
    binaries = Binaries(say=lambda line: typer.echo(line, err=True))
    kubectl = (await asyncio.to_thread(binaries.get, "kubectl")).path
    async with control_plane(folder / "plane", binaries) as plane, at_work(plane, kubectl, folder, random) as soak:
        faults = await soak.run(seconds, lanes, every)
        typer.echo(f"at last: {soak.progress()}; {dict(soak.stories.told)}")
        return faults


@asynccontextmanager
async def at_work(plane: ControlPlane, kubectl: Path, folder: Path, random: Random) -> AsyncIterator[Soak]:
    """All that a run needs, on a control plane where nothing else goes on."""
    zone = [f"--topology={key}={value}" for key, value in ZONE.items()]
    async with cluster(plane, kubectl, folder) as made, made.granted(DRIVER) as kubeconfig:
        driver = hostpath(folder, made.guard, *OPTIONS, *zone)
        beside = sidecar(folder, made.guard, kubeconfig, *QUICK, *EVERYTHING)
        async with (
            made.registered(DRIVER, ZONE, *NODES),
            made.having((CLASSES, storage_class(CLASS, DRIVER)), (SNAPSHOT_CLASSES, snapshot_class(CLASS, DRIVER))),
            _followed(made.client) as caches,
            running(driver),
            running(beside),
        ):
            stories = Stories(made.client, caches, folder / "state" / "volumes", random)
            yield Soak(stories, made.client, driver, (driver, beside), random)


@asynccontextmanager
async def _followed(client: Client) -> AsyncIterator[Caches]:
    caches = Caches(client, CACHED)
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
