"""Changing attributes: the call to the driver, and the writes around it, in an order that a crash may interrupt.

Which class it is going to be is written down before the driver is asked; then the volume's class before the claim's. A
crash in between leaves a change in progress, which is repeated: one that has had its effect is a success.
"""

from collections.abc import Callable, Mapping
from typing import Final, NoReturn, assert_never

import structlog
from grpc import StatusCode

from controllers.csi.attempts import Attempts
from controllers.csi.conditions import holds_true, merged
from controllers.csi.modifier.decide import (
    Action,
    Condition,
    GiveUp,
    Modify,
    Nothing,
    NotThere,
    Slowly,
    Status,
    secret_of,
)
from controllers.csi.secrets import Secrets
from controllers.runtime import Retry
from controllers.writes import Writer
from kube.client import Client
from kube.errors import NotFound
from kube.events import EventRecorder, EventType
from kube.times import now
from model.attributes_classes import VolumeAttributesClass
from model.meta import JSON
from model.resources import ATTRIBUTES_CLASSES, CLAIMS, VOLUMES
from model.volumes import PersistentVolumeClaim
from plugins.csi.controller import Controller
from plugins.csi.errors import code_of
from plugins.csi.parameters import told_names
from plugins.errors import Failed, PluginError

log = structlog.get_logger()

MODIFY: Final = "VolumeModify"
MODIFY_FAILED: Final = "VolumeModifyFailed"
MODIFIED: Final = "VolumeModifySuccessful"
CANCELED: Final = "VolumeModifyCanceled"


class Executor:
    """Carries actions out for one driver."""

    def __init__(
        self,
        client: Client,
        write: Writer,
        recorder: EventRecorder,
        secrets: Secrets,
        controller: Controller,
        driver: str,
        attempts: Attempts,
        *,
        tells_names: bool = False,
        clock: Callable[[], str] = now,
    ) -> None:
        """`tells_names`: whether the driver is told the names of claim and volume."""
        self._client = client
        self._write = write
        self._recorder = recorder
        self._secrets = secrets
        self._controller = controller
        self._driver = driver
        self._attempts = attempts
        self._tells_names = tells_names
        self._clock = clock

    async def execute(self, action: Action) -> None:
        """Carry it out.

        Raises:
            Retry: it was not done; the claim was told why.
            KubeError: something could not be read or written.
        """
        match action:
            case Modify():
                await self._modify(action)
            case GiveUp(claim):
                conditions = merged(claim.status.conditions, {}, self._clock(), dropped=(Condition.MODIFYING,))
                await self._patch(claim, {"conditions": conditions})
                self._tell(claim, "Normal", CANCELED, "the claim asks for no class any more")
            case NotThere(why):
                raise Retry(why)
            case Nothing() | Slowly():
                pass
            case _:
                assert_never(action)

    async def _modify(self, action: Modify) -> None:
        claim, volume, name = action.claim, action.volume, action.class_name
        wanted = await self._class(action)
        if action.anew:
            claim = await self._begin(claim, name)
        try:
            secrets = await self._secrets.read(secret_of(volume))
            assert volume.spec.csi is not None, "decided by it"
            parameters = {**(wanted.parameters or {}), **self._names(claim)}
            await self._controller.modify(volume.spec.csi.volume_handle, parameters, secrets)
        except PluginError as error:
            await self._failed(claim, name, error)
        self._attempts.forget(claim)
        if volume.spec.volume_attributes_class_name != name:
            await self._write.patch(VOLUMES, volume, {"spec": {"volumeAttributesClassName": name}})
        conditions = merged(claim.status.conditions, {}, self._clock(), dropped=tuple(Condition))
        done = {
            "currentVolumeAttributesClassName": name,
            "modifyVolumeStatus": None,
            "conditions": conditions or None,
        }
        await self._patch(claim, done)
        log.info("volume modified", volume=volume.name, attributes_class=name)
        self._tell(claim, "Normal", MODIFIED, f"volume {volume.name} has the attributes of class {name} now")

    def _names(self, claim: PersistentVolumeClaim) -> dict[str, str]:
        return told_names(claim.name, claim.namespace, claim.spec.volume_name) if self._tells_names else {}

    async def _class(self, action: Modify) -> VolumeAttributesClass:
        """The class, as the server has it.

        Raises:
            Retry: there is none; the claim was told.
        """
        claim, name = action.claim, action.class_name
        try:
            found = await self._client.get(ATTRIBUTES_CLASSES, name)
        except NotFound:
            why = f"there is no volume attributes class {name}"
        else:
            if found.driver_name == self._driver:
                return found
            why = f"volume attributes class {name} is of driver {found.driver_name}, the volume of {self._driver}"
        under_way = claim.status.modify_volume_status
        if action.anew and (under_way is None or under_way.status != Status.PENDING):
            await self._patch(claim, {"modifyVolumeStatus": {"status": Status.PENDING}})
        self._tell(claim, "Warning", MODIFY_FAILED, why)
        raise Retry(why)

    async def _begin(self, claim: PersistentVolumeClaim, name: str) -> PersistentVolumeClaim:
        under_way = claim.status.modify_volume_status
        same = under_way is not None and under_way.target_volume_attributes_class_name == name
        begun = same and under_way is not None and under_way.status == Status.IN_PROGRESS
        if not (begun and holds_true(claim.status.conditions, Condition.MODIFYING)):
            news = {Condition.MODIFYING: {"message": f"the volume is given the attributes of class {name}"}}
            status = {"modifyVolumeStatus": {"status": Status.IN_PROGRESS, "targetVolumeAttributesClassName": name}}
            claim = await self._patch(claim, {**status, "conditions": self._with(claim, news)})
        self._tell(claim, "Normal", MODIFY, f"giving the volume the attributes of class {name}")
        return claim

    async def _failed(self, claim: PersistentVolumeClaim, name: str, error: PluginError) -> NoReturn:
        code = code_of(error)
        infeasible = code is StatusCode.INVALID_ARGUMENT
        self._tell(claim, "Warning", MODIFY_FAILED, f"the volume did not get the attributes of class {name}: {error}")
        if code is not None:  # without one the driver was not asked: how its last call ended stays what is known
            self._attempts.failed(claim, error, infeasible=infeasible)
            over = "failed, and is tried again" if isinstance(error, Failed) else "is still in progress"
            news = {
                Condition.MODIFYING: {"message": f"the change to the attributes of class {name} {over}"},
                Condition.ERROR: {"reason": code.name, "message": str(error)},
            }
            status: JSON = {"conditions": self._with(claim, news)}
            if infeasible:
                status["modifyVolumeStatus"] = {"status": Status.INFEASIBLE}
            await self._patch(claim, status)
        raise Retry(str(error)) from error

    def _with(self, claim: PersistentVolumeClaim, news: Mapping[Condition, Mapping[str, str]]) -> list[JSON]:
        return merged(claim.status.conditions, {str(key): told for key, told in news.items()}, self._clock())

    async def _patch(self, claim: PersistentVolumeClaim, status: JSON) -> PersistentVolumeClaim:
        return await self._write.patch(CLAIMS, claim, {"status": status}, subresource="status")

    def _tell(self, claim: PersistentVolumeClaim, kind: EventType, reason: str, message: str) -> None:
        self._recorder.event(claim, CLAIMS, kind, reason, message)
