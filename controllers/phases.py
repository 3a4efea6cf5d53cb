"""Writing a volume's phase, as the binder and whoever reclaims do."""

from controllers.writes import Writer
from kube.events import EventRecorder
from model.meta import JSON
from model.resources import VOLUMES
from model.volumes import PersistentVolume, VolumePhase


def volume_phase(volume: PersistentVolume, phase: VolumePhase, message: str = "") -> JSON | None:
    """The volume's phase; only Failed has a message."""
    if (volume.status.phase, volume.status.message) == (phase, message):
        return None
    return {"status": {"phase": phase, "message": message or None}}


async def fail(writer: Writer, recorder: EventRecorder, volume: PersistentVolume, reason: str, message: str) -> None:
    """Let the volume be Failed, and say why; nothing if it is Failed already."""
    if volume.status.phase == VolumePhase.FAILED:
        return
    patch = volume_phase(volume, VolumePhase.FAILED, message)
    if patch is not None:
        volume = await writer.patch(VOLUMES, volume, patch, subresource="status")
    recorder.event(volume, VOLUMES, "Warning", reason, message)
