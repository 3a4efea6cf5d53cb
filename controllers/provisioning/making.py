"""Making a volume for a claim: the plugin first, then the object.

A call that may have had its effect is remembered until the object is there, even if the claim goes meanwhile. Only a
restart in that window can leave storage without an object; where the claim still is, its next pass makes the same
storage by the same name.
"""

from dataclasses import dataclass

import msgspec
import structlog

from controllers.migration import expected_provisioner
from controllers.provisioning.decide import volume_object
from controllers.provisioning.metrics import Metrics
from controllers.provisioning.outcome import word_for
from controllers.provisioning.reporting import Reporters
from controllers.runtime import Context, Retry, TerminalError
from kube.errors import AlreadyExists, Forbidden, Invalid, NotFound
from kube.events import EventType
from model import names
from model.meta import JSON
from model.resources import CLAIMS, VOLUMES
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from plugins.errors import InDoubt, NotSupported, PluginError
from plugins.protocol import Provisioned, Provisioner, ProvisionRequest

log = structlog.get_logger()


@dataclass(frozen=True)
class Job:
    """What is to be made, for whom, and by whom."""

    claim: PersistentVolumeClaim
    storage_class: StorageClass
    request: ProvisionRequest
    plugin: Provisioner


class Making:
    """The jobs under way."""

    def __init__(self, context: Context, reporters: Reporters, metrics: Metrics) -> None:
        self._client = context.client
        self._writer = context.writer
        self._plugins = context.plugins
        self._reporters = reporters
        self._metrics = metrics
        self._open: dict[str, Job] = {}
        """By claim key: jobs whose storage may be there while their object is not."""

    async def make(self, job: Job) -> None:
        """Make storage and volume.

        Raises:
            Retry, TerminalError: it was not made; the claim was told.
            KubeError: the object could not be written, or the claim not be told to choose another node.
        """
        made = await self._call(job)
        if made is None:
            return
        try:
            volume = await self._writer.create(VOLUMES, volume_object(job.claim, job.storage_class, made))
        except AlreadyExists:
            self._open.pop(job.claim.key, None)
            return
        except (Forbidden, Invalid) as error:
            await self._refused(job, made, f"the volume can not be written: {error}")
            return
        self._open.pop(job.claim.key, None)
        log.info("volume made", namespace=job.claim.namespace, claim=job.claim.name, volume=volume.name)
        message = f"made volume {volume.name} by {job.storage_class.provisioner}"
        self._say(job.claim, "Normal", "ProvisioningSucceeded", message)

    async def finish(self, key: str, claim: PersistentVolumeClaim | None) -> None:
        """If the claim that a job was for is gone (`claim` has its key now), drive that job to its end all the same.

        The volume object then stands for the storage, and goes the way of all volumes whose claim is gone. Nothing is
        destroyed here: the object may be there although the answer that said so was lost.
        """
        job = self._open.get(key)
        if job is not None and (claim is None or claim.uid != job.claim.uid or claim.deleting):
            await self.make(job)

    def done(self, key: str) -> None:
        """The volume object of the claim is there: nothing is under way any more."""
        self._open.pop(key, None)

    async def reschedule(self, claim: PersistentVolumeClaim, why: str) -> None:
        """Say why it can not be made there, and take the choice of the node back."""
        self.tell(claim, why)
        if claim.selected_node is None:
            raise Retry(why)
        await self._writer.patch(CLAIMS, claim, {"metadata": {"annotations": {names.SELECTED_NODE: None}}})
        log.info("another node asked for", namespace=claim.namespace, claim=claim.name, why=why)

    def tell(self, claim: PersistentVolumeClaim, why: str) -> None:
        """Say why nothing was made."""
        self._say(claim, "Warning", "ProvisioningFailed", why)

    def _say(self, claim: PersistentVolumeClaim, type_: EventType, reason: str, message: str) -> None:
        reporter = self._reporters.of(expected_provisioner(claim) or "")
        reporter.event(claim, CLAIMS, type_, reason, message)

    async def _call(self, job: Job) -> Provisioned | None:
        """What the plugin made; None where that was not to be, and the claim goes on from there."""
        self._open[job.claim.key] = job
        provisioner = job.storage_class.provisioner
        try:
            made = await job.plugin.provision(job.request)
        except PluginError as error:
            self._metrics.ended("provision", provisioner, word_for(error))
            await self._not_made(job, error)
            return None
        self._metrics.ended("provision", provisioner, "success")
        return made

    async def _not_made(self, job: Job, error: PluginError) -> None:
        """What a failed call means for the claim."""
        why = str(error)
        if isinstance(error, InDoubt):
            self.tell(job.claim, why)
            raise Retry(why) from error
        self._open.pop(job.claim.key, None)
        if job.request.node and not isinstance(error, NotSupported):
            await self.reschedule(job.claim, why)  # whatever the fault, another node may do better
            return
        self.tell(job.claim, why)
        raise (TerminalError if isinstance(error, NotSupported) else Retry)(why) from error

    async def _destroy(self, job: Job, made: Provisioned) -> None:
        """Destroy what was made, as it serves nobody."""
        volume = _as_view(volume_object(job.claim, job.storage_class, made))
        deleter = self._plugins.deleter(volume)
        try:
            if deleter is None:
                raise NotSupported(f"no plugin can delete {volume.name}")
            await deleter.delete(volume)
        except PluginError as error:
            self._metrics.ended("delete", job.storage_class.provisioner, word_for(error))
            why = f"storage of {volume.name}, which is not needed any more, is still there: {error}"
            self._say(job.claim, "Warning", "ProvisioningCleanupFailed", why)
            raise Retry(why) from error
        self._metrics.ended("delete", job.storage_class.provisioner, "success")
        self._open.pop(job.claim.key, None)

    async def _refused(self, job: Job, made: Provisioned, why: str) -> None:
        """What a refusal of the volume object means: that will not change by itself, so the storage is of no use."""
        try:
            await self._client.get(VOLUMES, job.request.name)
        except NotFound:
            await self._destroy(job, made)
            self.tell(job.claim, why)
            raise Retry(why) from None
        self._open.pop(job.claim.key, None)  # an earlier attempt had got through


def _as_view(body: JSON) -> PersistentVolume:
    return msgspec.convert(body, PersistentVolume)
