"""The writes about snapshots: one an action, each guarded by what it was decided on."""

from collections.abc import Callable
from typing import assert_never

import msgspec
import structlog

from controllers.csi.snapshotter.references import snapshot_key
from controllers.csi.snapshotter.snapshots.actions import (
    Action,
    Bind,
    DeleteContent,
    Fail,
    Hold,
    HoldClaim,
    LetGo,
    MakeContent,
    Nothing,
    Postpone,
    Reason,
    Release,
    SetClass,
    Tell,
)
from controllers.csi.snapshotter.snapshots.decide import is_ready
from controllers.finalizers import put_on
from controllers.runtime import Retry
from controllers.writes import Writer
from kube.client import Client
from kube.errors import NotFound
from kube.events import EventRecorder
from kube.times import moment, now
from model import quantity
from model.meta import JSON
from model.names import CONTENT_BEING_DELETED, SNAPSHOT_CLAIM_PROTECTION
from model.resources import CLAIMS, SNAPSHOT_CONTENTS, SNAPSHOTS
from model.snapshots import VolumeSnapshot, VolumeSnapshotContent

log = structlog.get_logger()


class Executor:
    """Carries actions out."""

    def __init__(self, client: Client, write: Writer, recorder: EventRecorder, clock: Callable[[], str] = now) -> None:
        """`clock` tells the time in RFC 3339."""
        self._client = client
        self._write = write
        self._recorder = recorder
        self._clock = clock

    async def execute(self, action: Action) -> bool:  # noqa: C901, PLR0912 - one branch an action
        """Carry it out; whether there was anything to do.

        Raises:
            Retry: the snapshot can not get on before something changes.
            KubeError: a write failed.
        """
        match action:
            case Nothing():
                return False
            case SetClass(snapshot, name):
                await self._write.patch(SNAPSHOTS, snapshot, {"spec": {"volumeSnapshotClassName": name}})
            case Hold(snapshot, finalizer):
                await self._write.patch(SNAPSHOTS, snapshot, put_on(snapshot, finalizer))
            case HoldClaim(claim):
                await self._write.patch(CLAIMS, claim, put_on(claim, SNAPSHOT_CLAIM_PROTECTION))
            case MakeContent(snapshot, body):
                await self._make(snapshot, body)
            case Bind(snapshot, content):
                await self._bind(snapshot, content)
            case Tell(snapshot, content):
                await self._tell(snapshot, content)
            case Fail():
                await self._fail(action)
            case Postpone(snapshot, message):
                self._warn(snapshot, Reason.DELETE_PENDING, message)
                raise Retry(message)
            case Release(content):
                marked = {"metadata": {"annotations": {CONTENT_BEING_DELETED: "yes"}}}
                await self._write.patch(SNAPSHOT_CONTENTS, content, marked)
            case DeleteContent(content):
                await self._write.delete(SNAPSHOT_CONTENTS, content)
                log.info("content deleted", content=content.name, snapshot=snapshot_key(content))
                return False  # the cache knows it only when the server shows it
            case LetGo():
                await self._let_go(action)
            case _:
                assert_never(action)
        return True

    async def _make(self, snapshot: VolumeSnapshot, body: JSON) -> None:
        content = await self._write.create(SNAPSHOT_CONTENTS, body)
        log.info("content made", namespace=snapshot.namespace, snapshot=snapshot.name, content=content.name)
        message = f"waiting for driver {content.spec.driver} to make the snapshot"
        self._recorder.event(snapshot, SNAPSHOTS, "Normal", Reason.CREATING, message)

    async def _bind(self, snapshot: VolumeSnapshot, content: VolumeSnapshotContent) -> None:
        reference = msgspec.structs.replace(
            content.spec.volume_snapshot_ref,
            uid=snapshot.uid,
            kind=SNAPSHOTS.kind,
            api_version=SNAPSHOTS.api_version,
            resource_version=snapshot.metadata.resource_version,
        )
        spec: JSON = {"volumeSnapshotRef": msgspec.to_builtins(reference)}
        if snapshot.spec.volume_snapshot_class_name:
            spec["volumeSnapshotClassName"] = snapshot.spec.volume_snapshot_class_name
        await self._write.patch(SNAPSHOT_CONTENTS, content, {"spec": spec})
        log.info("content bound", namespace=snapshot.namespace, snapshot=snapshot.name, content=content.name)

    async def _tell(self, snapshot: VolumeSnapshot, content: VolumeSnapshotContent) -> None:
        await self._write.patch(SNAPSHOTS, snapshot, {"status": status_of(content)}, subresource="status")
        driver = content.spec.driver
        if snapshot.status.creation_time is None and content.status.creation_time is not None:
            self._recorder.event(snapshot, SNAPSHOTS, "Normal", Reason.CREATED, f"driver {driver} has made it")
        if not snapshot.status.ready_to_use and is_ready(content):
            self._recorder.event(snapshot, SNAPSHOTS, "Normal", Reason.READY, "volumes can be restored from it")
            log.info("snapshot ready", namespace=snapshot.namespace, snapshot=snapshot.name, content=content.name)

    async def _fail(self, action: Fail) -> None:
        snapshot = action.snapshot
        if action.absent and await self._live(action.absent) is not None:
            raise Retry(f"VolumeSnapshotContent {action.absent} is about to be seen")
        told = snapshot.status.error.message if snapshot.status.error else ""
        if told != action.message or snapshot.status.ready_to_use is not False:
            error = {"time": self._clock(), "message": action.message}
            change = {"status": {"error": error, "readyToUse": False}}
            await self._write.patch(SNAPSHOTS, snapshot, change, subresource="status")
        self._warn(snapshot, action.reason, action.message)
        raise Retry(action.message)

    async def _let_go(self, action: LetGo) -> None:
        snapshot = action.snapshot
        content = await self._live(action.absent) if action.absent else None
        if content is not None and content.belongs_to(snapshot):
            raise Retry(f"VolumeSnapshotContent {action.absent} is about to be seen")
        left = [each for each in snapshot.metadata.finalizers or () if each not in action.finalizers]
        await self._write.patch(SNAPSHOTS, snapshot, {"metadata": {"finalizers": left}})
        log.info("snapshot let go", namespace=snapshot.namespace, snapshot=snapshot.name, finalizers=left)

    async def _live(self, content: str) -> VolumeSnapshotContent | None:
        """The content as the server has it now: a cache may not know it yet."""
        try:
            return await self._client.get(SNAPSHOT_CONTENTS, content)
        except NotFound:
            return None

    def _warn(self, snapshot: VolumeSnapshot, reason: Reason, message: str) -> None:
        self._recorder.event(snapshot, SNAPSHOTS, "Warning", reason, message)


def status_of(content: VolumeSnapshotContent) -> JSON:
    """The status of the content's snapshot, as a change that leaves nothing of an earlier one."""
    told = content.status
    return {
        "boundVolumeSnapshotContentName": content.name,
        "creationTime": None if told.creation_time is None else moment(told.creation_time),
        "readyToUse": is_ready(content),
        "restoreSize": None if told.restore_size is None else quantity.format_bytes(told.restore_size),
        "error": msgspec.to_builtins(told.error) if told.error else None,
    }
