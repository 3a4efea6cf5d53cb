"""Carrying an action out: its writes in an order that may be broken off after any of them, then its events.

Each write is guarded by the version that the one before it answered, so the first lost race ends the action.
"""

from collections.abc import Callable
from typing import assert_never

import structlog

from controllers.binding import patches
from controllers.binding.actions import (
    AssignClass,
    Bind,
    Broken,
    ClaimAction,
    HandOver,
    LookAtClaim,
    Nothing,
    Release,
    Said,
    SetPhase,
    Tell,
    TellBoth,
    Unbind,
    Unsettle,
    VolumeAction,
)
from controllers.binding.metrics import Metrics
from controllers.phases import fail, volume_phase
from controllers.reclaim import Reclaim
from controllers.runtime import TerminalError
from controllers.writes import Writer
from kube.client import PatchType
from kube.errors import Conflict, KubeError
from kube.events import EventRecorder
from model import names
from model.meta import JSON
from model.resources import CLAIMS, VOLUMES
from model.volumes import PersistentVolume, PersistentVolumeClaim, VolumePhase

log = structlog.get_logger()


class Executor:
    """The writes and events of the binder."""

    def __init__(
        self,
        writer: Writer,
        recorder: EventRecorder,
        metrics: Metrics,
        *,
        look_at_claim: Callable[[str], None],
        recycle: Callable[[str], None],
    ) -> None:
        """`look_at_claim` is told of a claim that has a volume made for it, `recycle` of a volume to be emptied."""
        self._writer = writer
        self._recorder = recorder
        self._metrics = metrics
        self._look_at_claim = look_at_claim
        self._recycle = recycle

    async def on_claim(self, action: ClaimAction) -> None:
        """Do what was decided about a claim."""
        match action:
            case Nothing():
                pass
            case Bind(claim, volume):
                await self.bind(claim, volume)
            case Unsettle(claim, phase, said):
                claim = await self.claim(claim, patches.unsettled_status(claim, phase), "status")
                self._say_of_claim(claim, said)
            case AssignClass(claim, storage_class):
                await self._assign_class(claim, storage_class)
            case HandOver(claim, provisioner, said):
                await self._hand_over(claim, provisioner, said)
            case Tell(claim, said):
                self._say_of_claim(claim, said)
            case Broken(claim, said):
                self._say_of_claim(claim, said)
                raise TerminalError(said.message)
            case _:
                assert_never(action)

    async def on_volume(self, action: VolumeAction) -> None:
        """Do what was decided about a volume."""
        match action:
            case Nothing():
                pass
            case SetPhase(volume, phase):
                await self.volume(volume, volume_phase(volume, phase), "status")
            case LookAtClaim(key):
                self._look_at_claim(key)
            case TellBoth(volume, about_volume, claim, about_claim):
                self._say_of_volume(volume, about_volume)
                self._say_of_claim(claim, about_claim)
            case Unbind(volume):
                await self.unbind(volume)
            case Release(volume, reclaim):
                await self._release(volume, reclaim)
            case _:
                assert_never(action)

    async def bind(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        """Join the two, by the four writes or those of them that are missing.

        The volume first: what a crash leaves is a volume that nobody but this claim can get, and the claim's next pass
        finds it before all others.
        """
        began = claim.metadata.resource_version
        volume = await self.volume(volume, patches.reserve(volume, claim))
        volume = await self.volume(volume, volume_phase(volume, VolumePhase.BOUND), "status")
        claim = await self.claim(claim, patches.name_volume(claim, volume))
        claim = await self.claim(claim, patches.claim_status(claim, volume), "status")
        self._metrics.ends("provision", claim.uid)
        if claim.metadata.resource_version != began:
            log.info("claim bound", namespace=claim.namespace, claim=claim.name, volume=volume.name)

    async def unbind(self, volume: PersistentVolume) -> None:
        """Give the volume back; the claim it pointed at has another one or is gone."""
        volume = await self.volume(volume, patches.unreserve(volume))
        await self.volume(volume, volume_phase(volume, VolumePhase.AVAILABLE), "status")
        log.info("volume unbound", volume=volume.name)

    async def volume(
        self,
        volume: PersistentVolume,
        patch: JSON | None,
        subresource: str = "",
        content: PatchType = PatchType.STRATEGIC,
    ) -> PersistentVolume:
        """The volume after the write. A patch with finalizers must not be strategic: those add to what is there."""
        if patch is None:
            return volume
        return await self._writer.patch(VOLUMES, volume, patch, subresource=subresource, content=content)

    async def claim(
        self, claim: PersistentVolumeClaim, patch: JSON | None, subresource: str = ""
    ) -> PersistentVolumeClaim:
        """The claim after the write."""
        if patch is None:
            return claim
        return await self._writer.patch(CLAIMS, claim, patch, subresource=subresource, content=PatchType.STRATEGIC)

    async def _assign_class(self, claim: PersistentVolumeClaim, storage_class: str) -> None:
        self._metrics.defaulted.inc()
        try:
            await self.claim(claim, patches.assign_class(storage_class))
        except KubeError:
            self._metrics.defaulting_failed.inc()
            raise
        log.info("default class assigned", namespace=claim.namespace, claim=claim.name, storage_class=storage_class)

    async def _hand_over(self, claim: PersistentVolumeClaim, provisioner: str, said: Said | None) -> None:
        self._metrics.begins("provision", claim.uid, provisioner)
        try:
            claim = await self.claim(claim, patches.ask_provisioner(claim, provisioner))
        except Conflict:
            raise
        except KubeError as error:
            self._say_of_claim(claim, Said("Warning", "ProvisioningFailed", f"can not ask {provisioner!r}: {error}"))
            raise
        self._say_of_claim(claim, said)

    async def _release(self, volume: PersistentVolume, reclaim: Reclaim) -> None:
        if volume.status.phase not in (VolumePhase.RELEASED, VolumePhase.FAILED):
            volume = await self.volume(volume, volume_phase(volume, VolumePhase.RELEASED), "status")
            log.info("volume released", volume=volume.name, reclaim=reclaim.name.lower())
        match reclaim:
            case Reclaim.KEEP:
                pass
            case Reclaim.RECYCLE:
                self._recycle(volume.name)
            case Reclaim.DESTROY:
                self._metrics.begins("delete", volume.uid, volume.annotations.get(names.PROVISIONED_BY, ""))
            case Reclaim.NO_DELETER:
                await self._fail(volume, "VolumeFailedDelete", "no plugin can delete the volume")
            case Reclaim.UNKNOWN_POLICY:
                policy = volume.spec.persistent_volume_reclaim_policy
                await self._fail(volume, "VolumeUnknownReclaimPolicy", f"there is no reclaim policy {policy!r}")
            case _:
                assert_never(reclaim)

    async def _fail(self, volume: PersistentVolume, reason: str, message: str) -> None:
        await fail(self._writer, self._recorder, volume, reason, message)

    def _say_of_claim(self, claim: PersistentVolumeClaim, said: Said | None) -> None:
        if said is not None:
            self._recorder.event(claim, CLAIMS, said.type, said.reason, said.message)

    def _say_of_volume(self, volume: PersistentVolume, said: Said) -> None:
        self._recorder.event(volume, VOLUMES, said.type, said.reason, said.message)
