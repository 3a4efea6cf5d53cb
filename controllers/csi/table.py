"""All controllers beside a driver: how each is made, under the names of `names.CACHES`."""

from collections.abc import Callable, Mapping
from typing import Final

from controllers.csi.attacher.controller import Attacher
from controllers.csi.context import SidecarContext
from controllers.runtime import Controller

ROWS: Final[Mapping[str, Callable[[SidecarContext], Controller]]] = {
    "csi-attacher": Attacher,
}
