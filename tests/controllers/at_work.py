"""Lading's controllers at work on an API server, the sandbox or a real one, and when they have nothing left to do.

No clock is asked: the resync is run when everything rests, and what it does not change is quiet.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from controllers.csi import names as csi_names
from controllers.csi.service import Sidecar
from controllers.csi.settings import SidecarSettings
from controllers.runtime import Loop
from controllers.service import Controllers, cached
from controllers.settings import ControllerSettings
from controllers.table import ROWS
from kube.caches import Caches
from kube.client import connect
from kube.config import load
from kube.events import EventRecorder
from kube.metrics import Metrics
from model.meta import Object
from model.resources import Resource
from plugins.csi.driver import Driver
from plugins.registry import Registry
from sandbox.server import SandboxSettings, serve
from tests.controllers.api import KINDS, Api, connected

SOON_SECONDS: Final = 1.0
"""A key that comes back within this time is waited for; one that backs off longer is left to the resync."""
PATIENCE_SECONDS: Final = 60.0

Versions = dict[tuple[str, str], str]
"""Objects by plural and key, and which version of them there is."""


class AtWork:
    """Running controllers."""

    def __init__(self, api: Api, caches: Caches, loops: Sequence[Loop]) -> None:
        self.caches = caches
        self._api = api
        self._loops = loops
        self._passes = 0
        self._shown: Versions = {}
        self._kinds = [kind for kind, resource in KINDS.items() if resource in caches]
        for kind in self._kinds:
            caches.of(KINDS[kind]).subscribe(functools.partial(self._show, KINDS[kind].plural))

    def counted(self, loop: Loop) -> Loop:
        """The loop, with its passes counted."""

        async def reconcile(key: str) -> float | None:
            try:
                return await loop.reconcile(key)
            finally:
                self._passes += 1

        return replace(loop, reconcile=reconcile)

    async def settle(self) -> None:
        """Return when everything rests and a resync changes nothing any more."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            before, now = {}, await self._rest()
            while before != now:
                self.resync()
                before, now = now, await self._rest()

    def resync(self) -> None:
        """Look at everything that is looked at every so often, and at what backs off."""
        for loop in self._loops:
            for key in [*loop.resync(), *loop.queue._delayed]:
                loop.queue.add(key)

    async def _rest(self) -> Versions:
        """What there is once the caches have seen it and every pass on it has ended."""
        while True:
            passes, resting = self._passes, self.resting()
            there = await self._there()
            if resting and self.resting() and self._passes == passes and there == self._shown:
                return there
            await asyncio.sleep(0.005)

    def resting(self) -> bool:
        """Whether no key is worked on, waits for a worker or comes back soon."""
        soon = asyncio.get_running_loop().time() + SOON_SECONDS
        queues = [loop.queue for loop in self._loops]
        return not any(
            queue._dirty or queue._working or any(when < soon for when in queue._delayed.values()) for queue in queues
        )

    async def _there(self) -> Versions:
        lists = await asyncio.gather(*(self._api.all(kind) for kind in self._kinds))
        return {
            (KINDS[kind].plural, _key(each["metadata"])): each["metadata"]["resourceVersion"]
            for kind, objects in zip(self._kinds, lists, strict=True)
            for each in objects
        }

    def _show(self, plural: str, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._shown[plural, new.key] = new.metadata.resource_version
        elif old is not None:
            del self._shown[plural, old.key]


def at_work(kubeconfig: Path, api: Api, names: Iterable[str] = tuple(ROWS)) -> AbstractAsyncContextManager[AtWork]:
    """The controllers of these names while the block runs."""
    names = tuple(names)
    settings = ControllerSettings(resync_seconds=1e6, guarded=False)
    return _at_work(kubeconfig, api, cached(names), lambda *given: Controllers(*given, names, Registry(), settings))


def sidecar_at_work(
    kubeconfig: Path, api: Api, driver: Driver, names: Iterable[str]
) -> AbstractAsyncContextManager[AtWork]:
    """The controllers of these names beside a driver, while the block runs."""
    names = tuple(names)
    settings = SidecarSettings(resync_seconds=1e6, reconcile_attachments_seconds=1e6)
    return _at_work(kubeconfig, api, csi_names.cached(names), lambda *given: Sidecar(*given, names, driver, settings))


@asynccontextmanager
async def _at_work(
    kubeconfig: Path, api: Api, resources: Iterable[Resource[Any]], make: Callable[..., Controllers | Sidecar]
) -> AsyncIterator[AtWork]:
    registry = CollectorRegistry()
    async with (
        connect(await load(kubeconfig), metrics=Metrics(registry)) as client,
        asyncio.TaskGroup() as group,
    ):
        tasks = []

        @functools.cache
        def recorder(component: str) -> EventRecorder:
            made = EventRecorder(client, component)
            tasks.append(group.create_task(made.run()))
            return made

        caches = Caches(client, tuple(resources))
        made = make(client, caches, recorder, registry)
        tasks.append(group.create_task(caches.run()))
        await caches.wait_synced()
        loops = [loop for make in made._makers for loop in make().loops]
        work = AtWork(api, caches, loops)
        tasks.append(group.create_task(made._runtime.run_loops([work.counted(loop) for loop in loops])))
        yield work
        for task in tasks:
            task.cancel()


def _key(metadata: dict[str, str]) -> str:
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]


@asynccontextmanager
async def on_sandbox(folder: Path, *names: str) -> AsyncIterator[tuple[Api, AtWork]]:
    """A sandbox of its own, and these controllers at work on it."""
    async with serve(SandboxSettings(run_pods=False)) as sandbox:
        sandbox.write_kubeconfig(folder / "kubeconfig")
        async with connected(folder / "kubeconfig") as api, at_work(folder / "kubeconfig", api, names) as work:
            yield api, work
