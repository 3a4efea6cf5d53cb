"""All controllers beside a driver: how each is made, under the names of `names.CACHES`."""

from collections.abc import Callable, Mapping
from typing import Final

from controllers.csi.attacher.controller import Attacher
from controllers.csi.capacity.controller import Capacity
from controllers.csi.context import SidecarContext
from controllers.csi.modifier.controller import Modifier
from controllers.csi.provisioner.controller import Provisioner
from controllers.csi.resizer.controller import CsiResizer
from controllers.csi.snapshotter.contents.controller import Snapshotter
from controllers.csi.snapshotter.snapshots.controller import SnapshotController
from controllers.runtime import Controller

ROWS: Final[Mapping[str, Callable[[SidecarContext], Controller]]] = {
    "csi-provisioner": Provisioner,
    "csi-attacher": Attacher,
    "csi-resizer": CsiResizer,
    "csi-modifier": Modifier,
    "csi-snapshotter": Snapshotter,
    "snapshot-controller": SnapshotController,
    "csi-capacity": Capacity,
}
