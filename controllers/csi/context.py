"""What a controller beside a driver is made from."""

from dataclasses import dataclass

from controllers.csi.secrets import Secrets
from controllers.csi.settings import SidecarSettings
from controllers.runtime import Context
from plugins.csi.driver import Driver


@dataclass(frozen=True)
class SidecarContext:
    """What all controllers have, and the driver."""

    base: Context
    driver: Driver
    secrets: Secrets
    settings: SidecarSettings
