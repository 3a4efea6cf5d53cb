"""csi-snapshotter: has one driver make and delete the snapshots of its contents."""

import asyncio
from collections.abc import Iterator
from typing import Final

import structlog

from controllers.csi.context import SidecarContext
from controllers.csi.snapshotter.contents.calls import Calls
from controllers.csi.snapshotter.contents.decide import LetGo, Settle, decide, is_settled
from controllers.csi.snapshotter.contents.execute import Executor, Outcome
from controllers.csi.snapshotter.contents.pace import Pace
from controllers.runtime import Loop, Retry
from model.csi import VolumeSnapshotClass
from model.resources import SNAPSHOT_CLASSES, SNAPSHOT_CONTENTS
from model.snapshots import VolumeSnapshotContent

log = structlog.get_logger()

QUEUE: Final = "csi-snapshotter-content"
WORKERS: Final = 10
STEPS: Final = 4
"""How many actions a pass takes at most."""


class Snapshotter:
    """Keys are those of contents of the driver."""

    def __init__(self, context: SidecarContext) -> None:
        base, driver, settings = context.base, context.driver, context.settings
        self._driver = driver.name
        self._contents = base.caches.of(SNAPSHOT_CONTENTS)
        self._classes = base.caches.of(SNAPSHOT_CLASSES)
        calls = Calls(driver, context.secrets, self._classes.get, names=settings.extra_create_metadata)
        recorder = base.recorder(f"csi-snapshotter {driver.name}")
        self._executor = Executor(base.client, base.writer, recorder, calls)
        first, longest = settings.backoff_seconds
        self._pace = Pace(first, longest, asyncio.get_running_loop().time)
        self._queue = base.queue(QUEUE, base_seconds=first, max_seconds=longest)
        self._contents.subscribe(self._on_content)
        self._classes.subscribe(self._on_class)
        self.loops = (Loop(QUEUE, self._queue, self._reconcile, WORKERS, self._unsettled, settings.resync_seconds),)

    async def _reconcile(self, key: str) -> float | None:
        for _ in range(STEPS):
            content = self._contents.get(key)
            if content is None or content.spec.driver != self._driver:
                break
            action = decide(content)
            if not isinstance(action, Settle | LetGo) and (left := self._pace.left(key)):
                return left
            try:
                outcome = await self._executor.execute(action)
            except Retry as error:
                again = self._pace.again(key)
                log.warning("snapshot is not done", content=key, error=str(error), again_in_seconds=again)
                return again
            if outcome is Outcome.UNDER_WAY:
                return self._pace.again(key)
            if outcome is Outcome.NOTHING:
                break
        self._pace.forget(key)
        return None

    def _on_content(self, old: VolumeSnapshotContent | None, new: VolumeSnapshotContent | None) -> None:
        if new is None:
            if old is not None:
                self._pace.forget(old.key)
            return
        if new.spec.driver == self._driver and not is_settled(new):
            if old is not None and type(decide(old)) is not type(decide(new)):
                self._pace.forget(new.key)  # it is another thing that is to be done now
            self._queue.add(new.key)

    def _on_class(self, _: VolumeSnapshotClass | None, new: VolumeSnapshotClass | None) -> None:
        if new is None:
            return
        for content in self._contents.values():
            if content.spec.volume_snapshot_class_name == new.name and content.spec.driver == self._driver:
                self._pace.forget(content.key)
                self._queue.add(content.key)

    def _unsettled(self) -> Iterator[str]:
        """The contents that wait for something."""
        for content in self._contents.values():
            if content.spec.driver == self._driver and not is_settled(content):
                yield content.key
