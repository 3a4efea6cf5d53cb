"""Killed after any write, or around any call to the driver, the provisioner leaks nothing and reaches the same end."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kube.transport import Request
from model import names
from tests.controllers.csi.beside import SETTINGS, beside
from tests.controllers.csi.provisioner.cluster import CLASSES, NODES, STOCK, wants
from tests.controllers.csi.provisioner.shelf import Shelf, reached
from tests.controllers.inprocess import CrashedError, Direct, World, storage_class, world
from tests.waiting import eventually

UNIQUE = re.compile(
    r"[0-9-]{10}T[0-9:]{8}Z|[0-9]{13}-[0-9a-f]{4}-|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
SECRETS = {
    f"csi.storage.k8s.io/provisioner-secret-{key}": value for key, value in (("name", "s"), ("namespace", "default"))
}
SAFE = storage_class("safe", "hostpath.csi.lading", parameters=SECRETS)
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "default"},
    "data": {"a": "Yg=="},
}


@dataclass
class Death:
    """The process ends after the write of this number; or when a driver's call hangs."""

    number: int = 0
    writes: int = 0
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, transport: Direct) -> None:
        transport.before, transport.after = self._before, self._after

    def _before(self, _: Request) -> None:
        if self.happened.is_set():
            raise CrashedError

    def _after(self, _: Request) -> None:
        self.writes += 1
        if self.writes == self.number:
            self.happened.set()
            raise CrashedError


Step = Callable[[World], Awaitable[None]]


async def creates(made: World) -> None:
    await made.create(wants("c", "safe"), wants("d", "late", on="node-1"), wants("kept", "kept"))


async def deletes(made: World) -> None:
    for name in ("c", "d"):
        await made.delete("PersistentVolumeClaim", "default", name)


async def retains(made: World) -> None:
    """Volumes that were to be deleted are kept, and the other way round."""
    for volume in made.objects("PersistentVolume"):
        policy = "Delete" if volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain" else "Retain"
        change = {"spec": {"persistentVolumeReclaimPolicy": policy}}
        await made.merge("PersistentVolume", "", volume["metadata"]["name"], change)


@dataclass
class Outcome:
    state: Any
    shelf: Shelf
    volumes: set[str]
    record: Any
    died: bool


async def story(
    folder: Path, *, death: Death, shelf: Shelf, steps: list[Step], meanwhile: Step | None = None
) -> Outcome:
    """Steps, each after all has settled; if the process dies, `meanwhile` happens while there is none."""
    async with (
        reached(folder, shelf, topology=True) as driver,
        world(*CLASSES, *NODES, SAFE, SECRET) as made,
        made.controllers(*STOCK) as stock,
    ):
        died = False
        for step in steps:
            await step(made)
            if not died:
                async with beside(made, driver, "csi-provisioner", settings=SETTINGS, prepare=death.arm) as sidecar:
                    died = await _settled_or_dead(stock, sidecar, death, shelf)
                if died and meanwhile is not None:
                    await meanwhile(made)
                    await stock.settle()
            if died:
                async with beside(made, driver, "csi-provisioner", settings=SETTINGS) as sidecar:
                    await _settle(stock, sidecar)
        handles = {each["spec"]["csi"]["volumeHandle"] for each in made.objects("PersistentVolume")}
        record = [each.get("data", {}) for each in made.objects("ConfigMap")]
        return Outcome(_comparable(made), shelf, handles, record, died)


async def _settle(stock: Any, sidecar: Any) -> None:
    for _ in range(2):
        await stock.settle()
        await sidecar.settle()


async def _settled_or_dead(stock: Any, sidecar: Any, death: Death, shelf: Shelf) -> bool:
    settling = asyncio.ensure_future(_settle(stock, sidecar))
    ends = [asyncio.ensure_future(each.wait()) for each in (death.happened, shelf.hung)]
    _, others = await asyncio.wait([settling, *ends], return_when=asyncio.FIRST_COMPLETED)
    for each in others:
        each.cancel()
    await asyncio.wait([settling, *ends])
    died = death.happened.is_set() or shelf.hung.is_set()
    death.happened.set()  # nothing more is written
    if not died:
        settling.result()
        death.happened.clear()
    return died


def _comparable(made: World) -> list[str]:
    return sorted(UNIQUE.sub("*", str(each)) for each in made.state().items())


def sound(outcome: Outcome) -> None:
    """What the driver has is what there are volumes for, and nothing is under way."""
    assert outcome.shelf.handles == outcome.volumes
    assert outcome.record in ([], [{}])


STORIES = {
    "made": [creates],
    "made and deleted": [creates, deletes],
    "made, policies swapped, deleted": [creates, retains, deletes],
}


@pytest.fixture
async def undisturbed(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[list[Step], Outcome, Death]:
    steps, death = STORIES[request.param], Death()
    (tmp_path / "calm").mkdir()
    outcome = await story(tmp_path / "calm", death=death, shelf=Shelf(), steps=steps)
    sound(outcome)
    return steps, outcome, death


@pytest.mark.parametrize("undisturbed", STORIES, indirect=True)
async def test_after_any_write(tmp_path: Path, undisturbed: tuple[list[Step], Outcome, Death]) -> None:
    steps, expected, death = undisturbed
    assert death.writes >= 4
    for number in range(1, death.writes + 1):
        outcome = await story(tmp_path, death=Death(number), shelf=Shelf(), steps=steps)
        sound(outcome)
        assert outcome.state == expected.state, number


@pytest.mark.parametrize("when", ["hangs_before", "hangs_after"])
@pytest.mark.parametrize("undisturbed", STORIES, indirect=True)
async def test_around_any_call(tmp_path: Path, undisturbed: tuple[list[Step], Outcome, Death], when: str) -> None:
    steps, expected, _ = undisturbed
    for number in range(1, expected.shelf.calls + 1):
        outcome = await story(tmp_path, death=Death(), shelf=Shelf(**{when: number}), steps=steps)
        assert outcome.died
        sound(outcome)
        assert outcome.state == expected.state, number


@pytest.mark.parametrize("undisturbed", ["made"], indirect=True)
async def test_claims_that_are_deleted_while_nobody_runs_leave_nothing(
    tmp_path: Path, undisturbed: tuple[list[Step], Outcome, Death]
) -> None:
    steps, expected, death = undisturbed
    deaths = [(Death(number), Shelf()) for number in range(1, death.writes + 1)]
    for number in range(1, expected.shelf.calls + 1):
        deaths += [(Death(), Shelf(hangs_before=number)), (Death(), Shelf(hangs_after=number))]
    for each, shelf in deaths:
        outcome = await story(tmp_path, death=each, shelf=shelf, steps=steps, meanwhile=deletes)
        sound(outcome)
        # How many writes the record takes depends on what comes together, so that the last may not be reached.
        assert len(outcome.shelf.volumes) == (1 if outcome.died else 3), "the volume that is kept, and no other"


async def test_the_record_of_a_large_cluster_leads_to_the_storage_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many places are written down once for all."""
    monkeypatch.setattr("controllers.csi.provisioner.job._MANY_PLACES", 1)

    async def late(made: World) -> None:
        await made.create(wants("c", "late", on="node-1"), wants("d", "late", on="node-1"))

    async def first_goes(made: World) -> None:
        await made.delete("PersistentVolumeClaim", "default", "c")

    for number in (1, 2):
        shelf = Shelf(hangs_after=number)
        outcome = await story(tmp_path, death=Death(), shelf=shelf, steps=[late], meanwhile=first_goes)
        assert outcome.died
        sound(outcome)
        assert len(outcome.volumes) == 1


async def test_an_entry_that_is_not_understood_is_left_alone(tmp_path: Path) -> None:
    record = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "lading-csi-hostpath.csi.lading-calls", "namespace": "default"},
        "data": {"uid-1": "AAAA", "uid-2": "not base64"},
    }
    async with (
        reached(tmp_path, Shelf()) as driver,
        world(*CLASSES, record, wants()) as made,
        made.controllers(*STOCK) as stock,
        beside(made, driver, "csi-provisioner", settings=SETTINGS) as sidecar,
    ):
        await _settle(stock, sidecar)
        assert made.claim("c")["status"]["phase"] == "Bound"
        await eventually(lambda: made.objects("ConfigMap")[0]["data"] == record["data"])
        assert names.BIND_COMPLETED in made.claim("c")["metadata"]["annotations"]
