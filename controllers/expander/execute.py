"""Saying for whom a growing claim waits: an event, and where a driver took over from an in-tree plugin its name."""

from typing import assert_never

from controllers.expander.decide import Action, LeaveToDriver, LeaveToOthers, NotBound, Nothing
from controllers.runtime import Retry
from controllers.writes import Writer
from kube.events import EventRecorder
from model.names import STORAGE_RESIZER
from model.resources import CLAIMS
from model.volumes import PersistentVolumeClaim

EXTERNAL_EXPANDING = "ExternalExpanding"


async def execute(action: Action, write: Writer, recorder: EventRecorder) -> None:
    """Carry it out. Raises KubeError, and Retry where it is too early."""
    match action:
        case LeaveToDriver(claim, plugin):
            if claim.annotations.get(STORAGE_RESIZER) != plugin.driver:
                await write.patch(CLAIMS, claim, {"metadata": {"annotations": {STORAGE_RESIZER: plugin.driver}}})
            _say(recorder, claim, f"{plugin.name} is served by {plugin.driver}: waiting for its resizer to expand")
        case LeaveToOthers(claim):
            _say(recorder, claim, "waiting for an external controller to expand the claim")
        case NotBound(why):
            raise Retry(why)
        case Nothing():
            pass
        case _:
            assert_never(action)


def _say(recorder: EventRecorder, claim: PersistentVolumeClaim, message: str) -> None:
    recorder.event(claim, CLAIMS, "Normal", EXTERNAL_EXPANDING, message)
