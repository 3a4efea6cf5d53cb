"""One case of `tests/cases/lifecycle`, replayed: what is there before, the controllers, the steps, what is expected.

Loading happens with the controllers stopped, each step is followed by quiet, as the cases want it. The driver of the
cases, `hostpath.csi.test`, is a process; the controllers, and those beside the driver, are at work in this one, so that
quiet is known rather than guessed.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from model.meta import JSON
from plugins.csi.driver import Driver
from tests.controllers.api import KINDS, Api, identity
from tests.controllers.at_work import AtWork, at_work, sidecar_at_work
from tests.controllers.lifecycle.comparing import differences, has, is_about
from tests.controllers.lifecycle.loading import create, load, without_status, write_status
from tests.controllers.lifecycle.references import Uids
from tests.waiting import eventually

FOLDER: Final = Path(__file__).parents[2] / "cases" / "lifecycle"
EVENT_SECONDS: Final = 10.0
"""Events are written in the background: for so long an expected one is waited for."""
BESIDE: Final = ("csi-provisioner", "csi-attacher", "csi-resizer")
"""What works beside the driver."""


def cases() -> dict[str, JSON]:
    """All cases by `file/name`."""
    return {
        f"{file.stem}/{case['name']}": case
        for file in sorted(FOLDER.glob("*.json"))
        for case in json.loads(file.read_text())
    }


class Replay:
    """The replay of one case on a server where nothing else goes on."""

    def __init__(self, api: Api, kubeconfig: Path, case: JSON, driver: Driver) -> None:
        self._api = api
        self._kubeconfig = kubeconfig
        self._case = case
        self._driver = driver
        self._uids = Uids()

    async def run(self) -> list[str]:
        """What came out otherwise than expected."""
        kept = await self._handles()
        await load(self._api, self._uids, self._case["before"])
        async with (
            self._cleared(kept),
            at_work(self._kubeconfig, self._api) as ours,
            sidecar_at_work(self._kubeconfig, self._api, self._driver, BESIDE) as beside,
        ):
            await self._quiet((ours, beside))
            for step in self._case.get("steps", ()):
                await self._take(step)
                await self._quiet((ours, beside))
            return [difference async for difference in self._differences(kept)]

    async def _handles(self) -> set[str]:
        """Of all volumes that the driver has."""
        return {entry.volume.volume_id async for entry in self._driver.controller.volumes()}

    @asynccontextmanager
    async def _cleared(self, kept: Collection[str]) -> AsyncIterator[None]:
        """The driver has no more volumes at the end than it had."""
        try:
            yield
        finally:
            for handle in (await self._handles()).difference(kept):
                await self._driver.controller.delete_volume(handle)

    async def _take(self, step: JSON) -> None:
        (verb,) = step
        wanted = self._uids.resolved(step[verb])
        if verb == "delete":
            await self._api.delete(wanted["kind"], wanted.get("namespace", ""), wanted["name"])
            return
        assert verb == "apply", step
        change = without_status(wanted)
        if await self._api.get(*identity(wanted)) is None:
            await create(self._api, self._uids, change)
        else:
            await self._api.merge(wanted, change)
        await write_status(self._api, self._uids, wanted)

    async def _quiet(self, works: Sequence[AtWork]) -> None:
        before, now = {}, await self._versions()
        while before != now:
            for work in works:
                await work.settle()
            before, now = now, await self._versions()

    async def _versions(self) -> dict[str, str]:
        """Of all objects that controllers write, which are remembered by the way."""
        there = [
            obj
            for kind in ("PersistentVolumeClaim", "PersistentVolume", "Pod", "VolumeAttachment")
            for obj in await self._api.all(kind)
        ]
        for obj in there:
            self._uids.learn(obj)
        return {obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"] for obj in there}

    async def _differences(self, kept: Collection[str]) -> AsyncIterator[str]:
        async for handle in self._unknown(kept):
            yield f"the driver has volume {handle}, which no PersistentVolume names"
        case = self._uids.resolved({key: self._case.get(key, []) for key in ("expect", "absent", "absentPaths")})
        for expected in case["expect"]:
            there = await self._api.get(*identity(expected))
            name = "/".join(identity(expected))
            if there is None:
                yield f"{name}: absent"
            for difference in differences(expected, (there or expected) | {"kind": expected["kind"]}):
                yield f"{name}{difference}"
        for unwanted in case["absent"]:
            if await self._api.get(*_named(unwanted)) is not None:
                yield f"{unwanted}: is there"
        for unwanted in case["absentPaths"]:
            there = await self._api.get(*_named(unwanted))
            if there is None or has(there, unwanted["path"]):
                yield f"{unwanted}: {'no such object' if there is None else 'is there'}"
        for event in self._case.get("events", ()):
            if not await self._told(event):
                yield f"{event}: no such event"

    async def _unknown(self, kept: Collection[str]) -> AsyncIterator[str]:
        """The handles of new volumes that nobody could find any more."""
        volumes = await self._api.all("PersistentVolume")
        known = {each["spec"].get("csi", {}).get("volumeHandle") for each in volumes}
        for handle in (await self._handles()).difference(kept):
            if handle not in known:
                yield handle

    async def _told(self, wanted: JSON) -> bool:
        async def told() -> bool:
            return any(
                is_about(event, wanted) and self._uids.knows(event["involvedObject"].get("uid", ""))
                for event in await self._api.events(wanted.get("namespace") or "default")
            )

        try:
            return await eventually(told, within_seconds=EVENT_SECONDS)
        except TimeoutError:
            return False


@asynccontextmanager
async def swept(api: Api) -> AsyncIterator[None]:
    """A server without anything that could be bound, left as it was, whatever was made on it in the block."""
    await _sweep(api, _BOUND, frozenset())
    before = frozenset({identity(each) for kind in _SWEPT for each in await api.all(kind)})
    yield
    await _sweep(api, _SWEPT, before)


async def _sweep(api: Api, kinds: Iterable[str], kept: Collection[tuple[str, str, str]]) -> None:
    kinds = tuple(kinds)
    while left := [each for kind in kinds for each in await api.all(kind) if identity(each) not in kept]:
        for obj in left:
            if obj["metadata"].get("finalizers"):
                await api.merge(obj, {"metadata": {"finalizers": None}}, missing=True)
            await api.delete(*identity(obj), gracePeriodSeconds=0)


_BOUND: Final = ("Pod", "PersistentVolumeClaim", "PersistentVolume")
_SWEPT: Final = tuple(kind for kind in KINDS if kind != "Namespace")


def _named(wanted: JSON) -> tuple[str, str, str]:
    return wanted["kind"], wanted.get("namespace", ""), wanted["name"]
