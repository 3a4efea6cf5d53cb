"""Attaching and detaching: the calls to the driver, and the writes around them, in an order that a crash may interrupt.

Before the driver is asked to attach, the volume is held, and the attachment too, with what the driver calls the node:
whatever the call came to, it will be undone before either is gone. Repeating a call that has had its effect is free.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, assert_never

import structlog

from controllers.csi.attacher.decide import (
    Action,
    Attach,
    Attacher,
    CannotAttach,
    CannotDetach,
    Close,
    Detach,
    MarkAttached,
    Nothing,
)
from controllers.csi.attacher.requests import PublishOptions, publish_request
from controllers.csi.secrets import Secrets
from controllers.finalizers import holds, put_on, take_off
from controllers.runtime import Retry
from controllers.writes import Writer
from kube.errors import NotFound
from kube.times import now
from model.csi import VolumeAttachment
from model.meta import JSON
from model.names import ATTACHED_NODE_ID
from model.resources import ATTACHMENTS, VOLUMES
from model.volumes import PersistentVolume, VolumeSpec
from plugins.csi.controller import Controller
from plugins.csi.errors import code_of
from plugins.errors import PluginError

log = structlog.get_logger()


class Executor:
    """Carries actions out."""

    def __init__(
        self,
        write: Writer,
        secrets: Secrets,
        controller: Controller,
        attacher: Attacher,
        options: PublishOptions,
        clock: Callable[[], str] = now,
    ) -> None:
        self._write = write
        self._secrets = secrets
        self._controller = controller
        self._attacher = attacher
        self._options = options
        self._clock = clock

    async def execute(self, action: Action) -> None:
        """Carry it out.

        Raises:
            Retry: the driver did not do it; the attachment says why.
            KubeError: something could not be read or written.
        """
        match action:
            case Attach():
                await self._attach(action)
            case Detach():
                await self._detach(action)
            case MarkAttached(attachment):
                await self._patch_status(attachment, {"attached": True})
            case CannotAttach(attachment, why):
                await self._say(attachment, "attachError", why)
                raise Retry(why)
            case CannotDetach(attachment, why):
                await self._say(attachment, "detachError", why)
                raise Retry(why)
            case Close(attachment):
                await self._close(attachment)
            case Nothing():
                pass
            case _:
                assert_never(action)

    async def _attach(self, action: Attach) -> None:
        attachment = action.attachment
        try:
            secrets = await self._secrets_of(action.spec)
            request = publish_request(action.spec, action.node_id, secrets, self._options)
            if action.volume is not None:
                await self._hold_volume(action.volume)
            attachment = await self._hold(attachment, action.node_id)
            context = await self._controller.publish(request)
        except PluginError as error:
            await self._fail(attachment, "attachError", error)
        before = attachment.status.attachment_metadata or {}
        metadata = {**dict.fromkeys(before), **context} or None
        await self._patch_status(attachment, {"attached": True, "attachmentMetadata": metadata, "attachError": None})
        log.info("volume attached", attachment=attachment.name, node=attachment.spec.node_name)

    async def _detach(self, action: Detach) -> None:
        assert action.spec.csi is not None, "decided by it"
        try:
            secrets = await self._secrets_of(action.spec)
            await self._controller.unpublish(action.spec.csi.volume_handle, action.node_id, secrets)
        except PluginError as error:
            await self._fail(action.attachment, "detachError", error)
        log.info("volume detached", attachment=action.attachment.name, node=action.attachment.spec.node_name)
        await self._close(action.attachment)

    async def _secrets_of(self, spec: VolumeSpec) -> dict[str, str]:
        return await self._secrets.read(spec.csi.controller_publish_secret_ref if spec.csi else None)

    async def _hold_volume(self, volume: PersistentVolume) -> None:
        if not holds(volume, self._attacher.finalizer):
            await self._write.patch(VOLUMES, volume, put_on(volume, self._attacher.finalizer))

    async def _hold(self, attachment: VolumeAttachment, node_id: str) -> VolumeAttachment:
        change: JSON = {"metadata": {}}
        if not holds(attachment, self._attacher.finalizer):
            change = put_on(attachment, self._attacher.finalizer)
        if attachment.annotations.get(ATTACHED_NODE_ID) != node_id:
            change["metadata"]["annotations"] = {ATTACHED_NODE_ID: node_id}
        if not change["metadata"]:
            return attachment
        return await self._write.patch(ATTACHMENTS, attachment, change)

    async def _close(self, attachment: VolumeAttachment) -> None:
        # The finalizer first: without it a deleted attachment is detached, whatever its status says.
        if holds(attachment, self._attacher.finalizer):
            change = take_off(attachment, self._attacher.finalizer)
            last = attachment.deleting and not change["metadata"]["finalizers"]
            attachment = await self._write.patch(ATTACHMENTS, attachment, change)
            if last:
                return  # it is gone with it; the answer shows it as it was before
        with suppress(NotFound):
            detached = {"attached": False, "attachmentMetadata": None, "detachError": None}
            await self._patch_status(attachment, detached)

    async def _fail(self, attachment: VolumeAttachment, field: str, error: PluginError) -> NoReturn:
        """Say what the driver answered, or why it was not asked."""
        code = code_of(error)
        await self._say(attachment, field, str(error), code.value[0] if code else None)
        raise Retry(str(error)) from error

    async def _say(self, attachment: VolumeAttachment, field: str, why: str, code: int | None = None) -> None:
        await self._patch_status(attachment, {field: {"time": self._clock(), "message": why, "errorCode": code}})

    async def _patch_status(self, attachment: VolumeAttachment, status: JSON) -> None:
        await self._write.patch(ATTACHMENTS, attachment, {"status": status}, subresource="status")
