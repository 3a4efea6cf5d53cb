"""Whatever happens in whatever order, in the end the driver has what there are volumes for, and claims have volumes."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from grpc import StatusCode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model import names
from tests.controllers.csi.beside import SETTINGS, Running, beside
from tests.controllers.csi.provisioner.cluster import CLASSES, NODES, STOCK, wants
from tests.controllers.csi.provisioner.shelf import Shelf, reached
from tests.controllers.inprocess import World, world
from tests.waiting import eventually

NAMES = st.sampled_from("abc")
CODES = st.sampled_from(
    [
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.ABORTED,
        StatusCode.INTERNAL,
        StatusCode.RESOURCE_EXHAUSTED,
        None,
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("create"), NAMES, st.sampled_from(["fast", "late", "kept"])),
    st.tuples(st.just("delete"), NAMES, st.just("")),
    st.tuples(st.just("choose"), NAMES, st.sampled_from(["node-1", "node-2", "node-9"])),
    st.tuples(st.just("refuse"), st.sampled_from(["before", "after"]), st.lists(CODES, max_size=3)),
    st.tuples(st.just("refuse deletions"), st.just(""), st.just("")),
    st.tuples(st.just("turn policies"), st.just(""), st.just("")),
    st.tuples(st.just("stop"), st.just(""), st.just("")),
    st.tuples(st.just("start"), st.just(""), st.just("")),
    st.tuples(st.just("rest"), st.just(""), st.just("")),
)


class History:
    """A server with its binder, a driver, and a sidecar that comes and goes."""

    def __init__(self, made: World, shelf: Shelf, driver: Any) -> None:
        self._made, self._shelf, self._driver = made, shelf, driver
        self._stack = AsyncExitStack()
        self.sidecar: Running | None = None

    async def take(self, step: Any) -> None:
        what, who, how = step
        match what:
            case "create" if not self._made.claim(who):
                await self._made.create(wants(who, how))
            case "delete" if self._made.claim(who):
                await self._made.delete("PersistentVolumeClaim", "default", who)
            case "choose" if self._made.claim(who):
                await self._choose(who, how)
            case "refuse":
                getattr(self._shelf, who).extend(how)
            case "refuse deletions":
                self._shelf.deletion_faults.append(StatusCode.INTERNAL)
            case "turn policies":
                await self._turn()
            case "stop":
                await self.stop()
            case "start":
                await self.start()
            case "rest":
                await asyncio.sleep(0.02)

    async def start(self) -> None:
        if self.sidecar is None:
            running = beside(self._made, self._driver, "csi-provisioner", settings=SETTINGS)
            self.sidecar = await self._stack.enter_async_context(running)

    async def stop(self) -> None:
        """As a kill: what is under way is cut off wherever it is."""
        await self._stack.aclose()
        self.sidecar = None

    async def _choose(self, name: str, node: str) -> None:
        change = {"metadata": {"annotations": {names.SELECTED_NODE: node}}}
        await self._made.merge("PersistentVolumeClaim", "default", name, change)

    async def _turn(self) -> None:
        for volume in self._made.objects("PersistentVolume"):
            policy = "Delete" if volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain" else "Retain"
            change = {"spec": {"persistentVolumeReclaimPolicy": policy}}
            await self._made.merge("PersistentVolume", "", volume["metadata"]["name"], change)

    async def heal(self) -> None:
        """The driver is well again, and each claim that waits for a node has one that is there."""
        for faults in (self._shelf.before, self._shelf.after, self._shelf.deletion_faults):
            faults.clear()
        await self.start()
        await eventually(self._is_whole, within_seconds=30.0)

    async def _is_whole(self) -> bool:
        for claim in self._made.objects("PersistentVolumeClaim"):
            bound = claim["spec"].get("volumeName")
            if not bound and claim["metadata"].get("annotations", {}).get(names.SELECTED_NODE) not in {
                "node-1",
                "node-2",
            }:
                await self._choose(claim["metadata"]["name"], "node-1")
        claims = self._made.objects("PersistentVolumeClaim")
        volumes = self._made.objects("PersistentVolume")
        handles = {each["spec"]["csi"]["volumeHandle"] for each in volumes}
        records = [each.get("data") or {} for each in self._made.objects("ConfigMap")]
        return (
            all(each["status"]["phase"] == "Bound" for each in claims)
            and handles == self._shelf.handles
            and not any(records)
            and not any(self._is_due(each) for each in volumes)
        )

    @staticmethod
    def _is_due(volume: Any) -> bool:
        released = volume.get("status", {}).get("phase") == "Released"
        return released and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"


async def live(steps: list[Any]) -> None:
    shelf = Shelf()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            reached(Path(folder), shelf, topology=True, seconds=0.2) as driver,
            world(*CLASSES, *NODES) as made,
            made.controllers(*STOCK),
        ):
            history = History(made, shelf, driver)
            try:
                await history.start()
                for step in steps:
                    await history.take(step)
                await history.heal()
            finally:
                await history.stop()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=14))
def test_nothing_is_lost_and_nothing_is_stuck(steps: list[Any]) -> None:
    asyncio.run(live(steps))
