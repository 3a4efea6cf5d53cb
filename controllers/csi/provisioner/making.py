"""Making a volume: written down, asked for, and its object written; in this order, so that a crash loses no storage.

A call that may have had its effect is made again in the same words until it is certain, also by the next process, and
also where the claim is gone: the volume's object then stands for the storage, and goes the way of all volumes whose
claim is gone.
"""

from time import perf_counter
from typing import Final

import structlog
from grpc import StatusCode

from controllers.csi.context import SidecarContext
from controllers.csi.provisioner.job import Job
from controllers.csi.provisioner.journal import Journal
from controllers.csi.provisioner.metrics import Metrics
from controllers.provisioning.decide import completed
from controllers.runtime import Retry
from kube.errors import AlreadyExists, Forbidden, Invalid, NotFound
from kube.events import EventRecorder
from model import names
from model.meta import JSON, Object
from model.resources import CLAIMS, VOLUMES
from model.volumes import PersistentVolumeClaim
from plugins.csi.controller import Unwanted
from plugins.csi.creation import provisioned
from plugins.csi.driver import TOPOLOGY
from plugins.csi.errors import code_of
from plugins.errors import Exhausted, Failed, InDoubt, PluginError
from plugins.protocol import Provisioned

log = structlog.get_logger()

DELETIONS: Final = 5
"""How often the deletion of a volume that is not what was asked for is tried at once."""
_KINDS: Final = {"snapshot": "VolumeSnapshot", "volume": "PersistentVolumeClaim", None: ""}
"""What a volume is filled from, as the metrics have it."""


class Making:
    """The jobs under way."""

    def __init__(
        self, context: SidecarContext, journal: Journal, recorder: EventRecorder, metrics: Metrics, identity: str
    ) -> None:
        self._client, self._writer = context.base.client, context.base.writer
        self._claims = context.base.caches.claims
        self._driver, self._secrets = context.driver, context.secrets
        self._longest_seconds = context.settings.backoff_seconds[1]
        self._journal = journal
        self._recorder = recorder
        self._metrics = metrics
        self._attributes = {names.PROVISIONER_IDENTITY: identity}

    async def make(self, job: Job) -> float | None:
        """Make storage and volume. The answer is when to try again what the driver will never do as it is asked.

        Raises:
            Retry: it was not made; the claim was told.
            KubeError: something could not be written.
        """
        try:
            secrets = await self._secrets.read(job.secret)
        except Failed as error:
            raise self._told(job, error) from error
        if self._journal.get(job.key) is None:
            await self._keep(job)
        request = job.asked()
        request.secrets.update(secrets)
        begun, source = perf_counter(), _KINDS[request.volume_content_source.WhichOneof("type")]
        try:
            made = await self._driver.controller.create_volume(request)
        except PluginError as error:
            self._metrics.not_made(job.storage_class, source)
            return await self._not_made(job, error, secrets)
        await self._write(job, provisioned(job.draft["spec"]["csi"], made, self._attributes), secrets)
        self._metrics.made(job.storage_class, source, perf_counter() - begun)
        return None

    async def reschedule(self, claim: PersistentVolumeClaim, why: str) -> None:
        """Say why it can not be made there, and take the choice of the node back."""
        self.tell(claim, why)
        await self._writer.patch(CLAIMS, claim, {"metadata": {"annotations": {names.SELECTED_NODE: None}}})
        log.info("another node asked for", namespace=claim.namespace, claim=claim.name, why=why)

    def tell(self, claim: Object, why: str) -> None:
        """Say why nothing was made."""
        self._recorder.event(claim, CLAIMS, "Warning", "ProvisioningFailed", why)

    async def _keep(self, job: Job) -> None:
        """Write the job down. Where that can not be, no volume is made, and the claim must know why."""
        try:
            await self._journal.keep(job)
        except Retry as full:
            self.tell(job.about, str(full))
            raise
        except (Forbidden, NotFound) as error:  # no right to write there, or no such namespace
            why = f"what is asked of the driver can not be written down: {error}"
            self.tell(job.about, why)
            raise Retry(why) from error

    async def _not_made(self, job: Job, error: PluginError, secrets: dict[str, str]) -> float | None:
        """What a failed call means."""
        if isinstance(error, InDoubt):
            raise self._told(job, error) from error
        if isinstance(error, Unwanted):
            await self._delete(job, error.volume_id, secrets)
        self._journal.drop(job)
        claim = self._living(job)
        placed = job.node and TOPOLOGY in self._driver.services
        if isinstance(error, Exhausted) and placed and claim is not None and claim.selected_node:
            await self.reschedule(claim, str(error))
            return None
        if code_of(error) is StatusCode.INVALID_ARGUMENT:
            self.tell(job.about, str(error))
            return self._longest_seconds
        raise self._told(job, error) from error

    def _living(self, job: Job) -> PersistentVolumeClaim | None:
        """The claim, if it is still there."""
        claim = self._claims.get(f"{job.claim.namespace}/{job.claim.name}")
        return claim if claim is not None and claim.uid == job.claim.uid else None

    def _told(self, job: Job, error: PluginError) -> Retry:
        self.tell(job.about, str(error))
        return Retry(str(error))

    async def _write(self, job: Job, made: Provisioned, secrets: dict[str, str]) -> None:
        body = completed(job.draft, made)
        try:
            await self._writer.create(VOLUMES, body)
        except AlreadyExists:
            self._journal.drop(job)
            return
        except (Forbidden, Invalid) as error:
            await self._refused(job, body, f"the volume can not be written: {error}", secrets)
            return
        self._journal.drop(job)
        log.info("volume made", namespace=job.claim.namespace, claim=job.claim.name, volume=job.name)
        if self._living(job) is not None:
            message = f"made volume {job.name} by {self._driver.name}"
            self._recorder.event(job.about, CLAIMS, "Normal", "ProvisioningSucceeded", message)

    async def _refused(self, job: Job, body: JSON, why: str, secrets: dict[str, str]) -> None:
        """What a refusal of the volume object means: that will not change by itself, so the storage is of no use."""
        try:
            await self._client.get(VOLUMES, job.name)
        except NotFound:
            await self._delete(job, body["spec"]["csi"]["volumeHandle"], secrets)
            self._journal.drop(job)
            self.tell(job.about, why)
            raise Retry(why) from None
        self._journal.drop(job)  # an earlier attempt had got through

    async def _delete(self, job: Job, handle: str, secrets: dict[str, str]) -> None:
        """Delete what serves nobody; where that fails the job stays, and its next pass gets here again."""
        for left in reversed(range(DELETIONS)):
            try:
                await self._driver.controller.delete_volume(handle, secrets)
            except PluginError as error:
                if not left:
                    why = f"storage {handle} of {job.name}, which is of no use, is still there: {error}"
                    self.tell(job.about, why)
                    raise Retry(why) from error
            else:
                return
