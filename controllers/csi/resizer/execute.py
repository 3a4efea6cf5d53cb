"""Growing: the call to the driver, and the writes around it, in an order that a crash may interrupt.

What is being grown to is written down before the driver is asked, the volume's size before the claim's. A crash in
between leaves a growth of known size in progress, which is repeated: a volume that is large enough is a success.
"""

from collections.abc import Callable
from typing import Final, NoReturn, assert_never

import structlog
from grpc import StatusCode

from controllers.csi.attempts import Attempts
from controllers.csi.conditions import merged
from controllers.csi.resizer.decide import (
    STORAGE,
    Action,
    CannotGrow,
    Condition,
    Grow,
    InUse,
    Nothing,
    NotThere,
    Slowly,
    Status,
    needs_no_mark,
)
from controllers.csi.resizer.expansion import Expansion, Unasked
from controllers.runtime import Retry
from controllers.writes import Writer
from kube.events import EventRecorder, EventType
from kube.times import now
from model import quantity
from model.meta import JSON
from model.names import NODE_EXPANSION_NOT_REQUIRED
from model.resources import CLAIMS, VOLUMES
from model.volumes import PersistentVolume, PersistentVolumeClaim
from plugins.csi.errors import code_of
from plugins.errors import Failed, PluginError
from plugins.protocol import Expanded

log = structlog.get_logger()

RESIZING: Final = "Resizing"
RESIZE_FAILED: Final = "VolumeResizeFailed"
RESIZED: Final = "VolumeResizeSuccessful"
FILE_SYSTEM_REQUIRED: Final = "FileSystemResizeRequired"

INFEASIBLE: Final = frozenset({StatusCode.INVALID_ARGUMENT, StatusCode.OUT_OF_RANGE, StatusCode.NOT_FOUND})
"""The answers that say that a growth to this size can never be."""
_NODE_MESSAGE: Final = "the node grows the file system when a pod uses the volume"


class Executor:
    """Carries actions out."""

    def __init__(
        self,
        write: Writer,
        recorder: EventRecorder,
        expansion: Expansion,
        attempts: Attempts,
        clock: Callable[[], str] = now,
    ) -> None:
        self._write = write
        self._recorder = recorder
        self._expansion = expansion
        self._attempts = attempts
        self._clock = clock

    async def execute(self, action: Action) -> None:
        """Carry it out.

        Raises:
            Retry: it was not done; the claim was told why.
            KubeError: something could not be read or written.
        """
        match action:
            case Grow():
                await self._grow(action)
            case CannotGrow(claim, why):
                self._tell(claim, "Warning", RESIZE_FAILED, why)
                raise Retry(why)
            case InUse(claim):
                why = "the driver grows the volume only while no pod uses it: waiting until none does"
                self._tell(claim, "Warning", RESIZE_FAILED, why)
            case NotThere(why):
                raise Retry(why)
            case Nothing() | Slowly():
                pass
            case _:
                assert_never(action)

    async def _grow(self, action: Grow) -> None:
        claim, volume = action.claim, action.volume
        if not needs_no_mark(action):
            claim = await self._mark(action)
        self._tell(claim, "Normal", RESIZING, f"growing volume {volume.name} to {action.size}")
        try:
            grown = await self._expansion.expand(action.spec, quantity.whole(action.size))
        except PluginError as error:
            await self._failed(claim, action, error)
        self._attempts.forget(claim)
        await self._set_capacity(volume, grown.size_bytes)
        if grown.node_expansion_required:
            await self._leave_to_node(claim)
        else:
            await self._finish(claim, grown)

    async def _mark(self, action: Grow) -> PersistentVolumeClaim:
        """Write down what is being grown to. What the last attempt came to stays, if it is the same size again."""
        claim = action.claim
        status: JSON = {"conditions": self._conditions(claim, {Condition.RESIZING: ""}, keep=not action.anew)}
        if action.anew:
            status["allocatedResources"] = {STORAGE: action.size}
            status["allocatedResourceStatuses"] = {STORAGE: Status.CONTROLLER_IN_PROGRESS}
        return await self._patch(claim, status, expansion_not_required=None)

    async def _set_capacity(self, volume: PersistentVolume, size_bytes: int) -> None:
        if quantity.whole((volume.spec.capacity or {}).get(STORAGE, "0")) != size_bytes:
            change = {"spec": {"capacity": {STORAGE: quantity.format_bytes(size_bytes)}}}
            await self._write.patch(VOLUMES, volume, change)
        log.info("volume grown", volume=volume.name, size_bytes=size_bytes)

    async def _leave_to_node(self, claim: PersistentVolumeClaim) -> None:
        conditions = self._conditions(claim, {Condition.FILE_SYSTEM_PENDING: _NODE_MESSAGE}, keep=True)
        status = {"conditions": conditions, "allocatedResourceStatuses": {STORAGE: Status.NODE_PENDING}}
        await self._patch(claim, status, expansion_not_required=None)
        self._tell(claim, "Normal", FILE_SYSTEM_REQUIRED, _NODE_MESSAGE)

    async def _finish(self, claim: PersistentVolumeClaim, grown: Expanded) -> None:
        size = quantity.format_bytes(grown.size_bytes)
        status = {
            "capacity": {STORAGE: size},
            "conditions": self._conditions(claim, {}, keep=False) or None,
            "allocatedResourceStatuses": {STORAGE: None},
        }
        await self._patch(claim, status, expansion_not_required="true")
        self._tell(claim, "Normal", RESIZED, f"the volume has {size} now")

    async def _failed(self, claim: PersistentVolumeClaim, action: Grow, error: PluginError) -> NoReturn:
        """Write down what the driver answered, if it is certain that it did not do it."""
        why = f"volume {action.volume.name} was not grown: {error}"
        self._tell(claim, "Warning", RESIZE_FAILED, why)
        if isinstance(error, Unasked):
            raise Retry(why) from error
        infeasible = code_of(error) in INFEASIBLE
        self._attempts.failed(claim, error, infeasible=infeasible)
        if isinstance(error, Failed):
            status: JSON = {"conditions": self._conditions(claim, {Condition.CONTROLLER_ERROR: why}, keep=True)}
            if infeasible:
                status["allocatedResourceStatuses"] = {STORAGE: Status.CONTROLLER_INFEASIBLE}
            await self._write.patch(CLAIMS, claim, {"status": status}, subresource="status")
        raise Retry(why) from error

    async def _patch(
        self, claim: PersistentVolumeClaim, status: JSON, *, expansion_not_required: str | None
    ) -> PersistentVolumeClaim:
        change: JSON = {"status": status}
        if claim.annotations.get(NODE_EXPANSION_NOT_REQUIRED) != expansion_not_required:
            change["metadata"] = {"annotations": {NODE_EXPANSION_NOT_REQUIRED: expansion_not_required}}
        return await self._write.patch(CLAIMS, claim, change, subresource="status")

    def _conditions(self, claim: PersistentVolumeClaim, news: dict[Condition, str], *, keep: bool) -> list[JSON]:
        told = {str(condition): {"message": message} for condition, message in news.items()}
        return merged(claim.status.conditions, told, self._clock(), dropped=() if keep else tuple(Condition))

    def _tell(self, claim: PersistentVolumeClaim, kind: EventType, reason: str, message: str) -> None:
        self._recorder.event(claim, CLAIMS, kind, reason, message)
