"""The writes that protect a volume and let it go. One a pass, guarded by the version that was looked at."""

from typing import assert_never

import structlog

from controllers.finalizers import put_on, take_off
from controllers.volume_protection.decide import Action, Keep, Nothing, Protect, Release
from controllers.writes import Writer
from model.names import VOLUME_PROTECTION
from model.resources import VOLUMES

log = structlog.get_logger()


async def execute(action: Action, write: Writer) -> None:
    """Carry it out. Raises KubeError."""
    match action:
        case Protect(volume):
            await write.patch(VOLUMES, volume, put_on(volume, VOLUME_PROTECTION))
            log.info("volume protected", volume=volume.name)
        case Release(volume):
            await write.patch(VOLUMES, volume, take_off(volume, VOLUME_PROTECTION))
            log.info("volume let go", volume=volume.name)
        case Keep(volume):
            log.debug("volume kept", volume=volume.name)
        case Nothing():
            pass
        case _:
            assert_never(action)
