"""Saying for whom a growing claim waits, and giving volumes a size that their nodes then bring about.

Such a growth is written down on the claim before the volume has its size, and handed to the node after that: a crash in
between leaves a growth of known size in progress, which is repeated.
"""

from collections.abc import Callable
from typing import Final, assert_never

import structlog

from controllers.csi.conditions import merged
from controllers.csi.resizer.decide import STORAGE, Condition, Status
from controllers.expander.decide import Action, Grow, Grown, LeaveToDriver, LeaveToOthers, NotBound, Nothing
from controllers.runtime import Retry
from controllers.writes import Writer
from kube.events import EventRecorder
from kube.times import now
from model import quantity
from model.meta import JSON
from model.names import PRE_RESIZE_CAPACITY, STORAGE_RESIZER
from model.resources import CLAIMS, VOLUMES
from model.volumes import PersistentVolume, PersistentVolumeClaim

log = structlog.get_logger()

EXTERNAL_EXPANDING: Final = "ExternalExpanding"
RESIZED: Final = "VolumeResizeSuccessful"
_ON_THE_NODE: Final = "the file system grows on the node, when a pod uses the claim"


async def execute(action: Action, write: Writer, recorder: EventRecorder, clock: Callable[[], str] = now) -> None:
    """Carry it out. Raises KubeError, and Retry where it is too early."""
    match action:
        case LeaveToDriver(claim, plugin):
            if claim.annotations.get(STORAGE_RESIZER) != plugin.driver:
                await write.patch(CLAIMS, claim, {"metadata": {"annotations": {STORAGE_RESIZER: plugin.driver}}})
            _say(recorder, claim, f"{plugin.name} is served by {plugin.driver}: waiting for its resizer to expand")
        case LeaveToOthers(claim):
            _say(recorder, claim, "waiting for an external controller to expand the claim")
        case Grow():
            await _grow(action, write, recorder, clock())
        case Grown(volume):
            await write.patch(VOLUMES, volume, {"metadata": {"annotations": {PRE_RESIZE_CAPACITY: None}}})
        case NotBound(why):
            raise Retry(why)
        case Nothing():
            pass
        case _:
            assert_never(action)


async def _grow(action: Grow, write: Writer, recorder: EventRecorder, now: str) -> None:
    claim, size = action.claim, action.size
    on_node = action.volume.volume_mode == "Filesystem"
    claim = await write.patch(CLAIMS, claim, _begun(claim, action, now), subresource="status")
    change = _sized(action.volume, claim, size, on_node=on_node)
    if change:
        await write.patch(VOLUMES, action.volume, change)
    status = _left_to_node(claim, now) if on_node else _finished(claim, size, now)
    await write.patch(CLAIMS, claim, {"status": status}, subresource="status")
    log.info("volume grown", namespace=claim.namespace, claim=claim.name, volume=action.volume.name, size=size)
    if not on_node:
        recorder.event(claim, CLAIMS, "Normal", RESIZED, f"volume {action.volume.name} has {size} now")


def _begun(claim: PersistentVolumeClaim, action: Grow, now: str) -> JSON:
    """The claim says to what size it grows, and by whom."""
    status = {
        "allocatedResources": {STORAGE: action.size},
        "allocatedResourceStatuses": {STORAGE: Status.CONTROLLER_IN_PROGRESS},
        "conditions": merged(claim.status.conditions, {str(Condition.RESIZING): {}}, now, dropped=tuple(Condition)),
    }
    return {"metadata": {"annotations": {STORAGE_RESIZER: action.driver}}, "status": status}


def _sized(volume: PersistentVolume, claim: PersistentVolumeClaim, size: str, *, on_node: bool) -> JSON:
    """The volume has the size, and says what the claim has until the node is done; empty if that is so already."""
    change: JSON = {}
    if volume.capacity_nanos < quantity.nanos(size):
        change["spec"] = {"capacity": {STORAGE: size}}
    if on_node and PRE_RESIZE_CAPACITY not in volume.annotations:
        has = (claim.status.capacity or {}).get(STORAGE, "0")
        change["metadata"] = {"annotations": {PRE_RESIZE_CAPACITY: has}}
    return change


def _left_to_node(claim: PersistentVolumeClaim, now: str) -> JSON:
    waiting = {str(Condition.FILE_SYSTEM_PENDING): {"message": _ON_THE_NODE}}
    return {
        "allocatedResourceStatuses": {STORAGE: Status.NODE_PENDING},
        "conditions": merged(claim.status.conditions, waiting, now),
    }


def _finished(claim: PersistentVolumeClaim, size: str, now: str) -> JSON:
    return {
        "capacity": {STORAGE: size},
        "allocatedResourceStatuses": {STORAGE: None},
        "conditions": merged(claim.status.conditions, {}, now, dropped=tuple(Condition)) or None,
    }


def _say(recorder: EventRecorder, claim: PersistentVolumeClaim, message: str) -> None:
    recorder.event(claim, CLAIMS, "Normal", EXTERNAL_EXPANDING, message)
