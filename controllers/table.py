"""All controllers: one row each, under the names of `controllers.NAMES`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from controllers.binding import controller as binding
from controllers.claim_protection import controller as claim_protection
from controllers.ephemeral import controller as ephemeral
from controllers.expander import controller as expander
from controllers.provisioning import controller as provisioning
from controllers.runtime import Context, Controller
from controllers.volume_protection import controller as volume_protection
from model.resources import Resource


@dataclass(frozen=True)
class Row:
    """A controller that can be selected."""

    name: str
    caches: tuple[Resource[Any], ...]
    """What it reads."""
    make: Callable[[Context], Controller]


_ROWS: Final[tuple[Row, ...]] = (
    Row("persistentvolume-binder-controller", binding.CACHES, binding.Binder),
    Row("persistentvolumeclaim-protection-controller", claim_protection.CACHES, claim_protection.ClaimProtection),
    Row("persistentvolume-protection-controller", volume_protection.CACHES, volume_protection.VolumeProtection),
    Row("persistentvolume-expander-controller", expander.CACHES, expander.Expander),
    Row("ephemeral-volume-controller", ephemeral.CACHES, ephemeral.Ephemeral),
    Row("plugin-provisioner", provisioning.CACHES, provisioning.PluginProvisioner),
)
ROWS: Final = {row.name: row for row in _ROWS}
