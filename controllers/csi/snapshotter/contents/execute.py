"""Having the driver make, look at and delete snapshots, and writing down what it answers.

Around CreateSnapshot: the mark goes on, the call is made, its answer is written, the mark comes off. Killed anywhere in
between, the mark is there, and the same call is made again before anything else, even if nobody wants the snapshot any
more. Only then is it known what there is to delete.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NoReturn, assert_never

import structlog

from controllers.csi.snapshotter.contents.calls import Calls, Found, NotAsked
from controllers.csi.snapshotter.contents.decide import (
    Action,
    Destroy,
    LetGo,
    Look,
    Nothing,
    Settle,
    Take,
    decide,
    is_being_created,
)
from controllers.finalizers import take_off
from controllers.runtime import Retry
from controllers.writes import Writer
from kube.client import Client
from kube.events import EventRecorder
from kube.times import now
from model.meta import JSON
from model.names import CONTENT_BEING_CREATED, CONTENT_PROTECTION
from model.resources import SNAPSHOT_CONTENTS
from model.snapshots import VolumeSnapshotContent
from plugins.errors import Exhausted, InDoubt, PluginError

log = structlog.get_logger()


class Reason(StrEnum):
    """The reasons of events, as the users of snapshots know them."""

    NOT_TAKEN = "SnapshotCreationFailed"
    NOT_SEEN = "SnapshotContentCheckandUpdateFailed"
    NOT_DELETED = "SnapshotDeleteError"


class Outcome(StrEnum):
    """What follows from an action."""

    NOTHING = "nothing was to be done"
    DONE = "done: there may be more to do"
    UNDER_WAY = "the driver is at it: to be asked again"


class Executor:
    """Carries actions out."""

    def __init__(
        self,
        client: Client,
        write: Writer,
        recorder: EventRecorder,
        calls: Calls,
        clock: Callable[[], str] = now,
    ) -> None:
        """`clock` tells the time in RFC 3339."""
        self._client = client
        self._write = write
        self._recorder = recorder
        self._calls = calls
        self._clock = clock

    async def execute(self, action: Action) -> Outcome:
        """Carry it out.

        Raises:
            Retry: the driver could not do it.
            KubeError: a write failed.
        """
        match action:
            case Nothing():
                return Outcome.NOTHING
            case Take(content, volume):
                return await self._take(content, volume)
            case Look(content, handle):
                return await self._look(content, handle)
            case Settle(content):
                await self._unmark(content)
            case Destroy(content, handle):
                await self._destroy(content, handle)
            case LetGo(content):
                await self._patch(content, take_off(content, CONTENT_PROTECTION))
                log.info("content let go", content=content.name, policy=content.spec.deletion_policy)
            case _:
                assert_never(action)
        return Outcome.DONE

    async def _take(self, content: VolumeSnapshotContent, volume: str) -> Outcome:
        try:
            request = await self._calls.request(content, volume)
        except NotAsked as error:
            await self._fail(content, Reason.NOT_TAKEN, error)
        if not is_being_created(content):
            content = await self._patch(content, _marked("yes"))
        try:
            found = await self._calls.take(request)
        except PluginError as error:
            if _is_over(error):
                content = await self._unmark(content)
            await self._fail(content, Reason.NOT_TAKEN, error)
        await self._unmark(await self._tell(content, found))
        log.info("snapshot taken", content=content.name, handle=found.handle, ready=found.ready)
        return Outcome.DONE if found.ready else Outcome.UNDER_WAY

    async def _look(self, content: VolumeSnapshotContent, handle: str) -> Outcome:
        try:
            found = await self._calls.look(content, handle)
        except PluginError as error:
            await self._fail(content, Reason.NOT_SEEN, error)
        await self._tell(content, found)
        return Outcome.DONE if found.ready else Outcome.UNDER_WAY

    async def _destroy(self, content: VolumeSnapshotContent, handle: str) -> None:
        # A cache may not know yet that the policy has changed, and this can not be taken back.
        live = await self._client.get(SNAPSHOT_CONTENTS, content.name)
        if live.uid != content.uid or decide(live) != Destroy(live, handle):
            raise Retry("the content has changed meanwhile")
        try:
            await self._calls.destroy(live, handle)
        except PluginError as error:
            self._warn(live, Reason.NOT_DELETED, error)
            raise Retry(str(error)) from error
        log.info("snapshot deleted", content=live.name, handle=handle)
        cleared = dict.fromkeys(("snapshotHandle", "creationTime", "restoreSize", "readyToUse", "error"))
        await self._patch(live, {"status": cleared}, "status")

    async def _tell(self, content: VolumeSnapshotContent, found: Found) -> VolumeSnapshotContent:
        """Write down what the driver said, where it is news."""
        told = content.status
        written = (told.snapshot_handle, told.ready_to_use, told.creation_time, told.restore_size)
        if told.error is None and written == (
            found.handle,
            found.ready,
            found.created_nanoseconds,
            found.size_bytes,
        ):
            return content
        status = {
            "snapshotHandle": found.handle,
            "readyToUse": found.ready,
            "creationTime": found.created_nanoseconds,
            "restoreSize": found.size_bytes,
            "error": None,
        }
        return await self._patch(content, {"status": status}, "status")

    async def _fail(self, content: VolumeSnapshotContent, reason: Reason, error: PluginError) -> NoReturn:
        message = str(error)
        told = content.status.error.message if content.status.error else ""
        if told != message or content.status.ready_to_use is not False:
            status = {"error": {"time": self._clock(), "message": message}, "readyToUse": False}
            await self._patch(content, {"status": status}, "status")
        self._warn(content, reason, error)
        raise Retry(message) from error

    async def _unmark(self, content: VolumeSnapshotContent) -> VolumeSnapshotContent:
        return await self._patch(content, _marked(None)) if is_being_created(content) else content

    async def _patch(
        self, content: VolumeSnapshotContent, change: JSON, subresource: str = ""
    ) -> VolumeSnapshotContent:
        return await self._write.patch(SNAPSHOT_CONTENTS, content, change, subresource=subresource)

    def _warn(self, content: VolumeSnapshotContent, reason: Reason, error: PluginError) -> None:
        self._recorder.event(content, SNAPSHOT_CONTENTS, "Warning", reason, str(error))


def _marked(value: str | None) -> JSON:
    return {"metadata": {"annotations": {CONTENT_BEING_CREATED: value}}}


def _is_over(error: PluginError) -> bool:
    """Whether nothing of the call can be left. A driver may be out of room while an earlier call is at work."""
    return not isinstance(error, InDoubt | Exhausted)
