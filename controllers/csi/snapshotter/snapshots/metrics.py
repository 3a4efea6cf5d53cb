"""How long snapshots take to be made, to be ready and to be deleted, under the names that dashboards know.

Times are taken from when this process first saw that there is something to do.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram

from controllers.csi.snapshotter.references import claim_key
from model.snapshots import VolumeSnapshot

BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Operation(StrEnum):
    """What is timed."""

    CREATE = "CreateSnapshot"
    READY = "CreateSnapshotAndReady"
    DELETE = "DeleteSnapshot"


@dataclass(frozen=True)
class _Begun:
    at: float
    driver: str
    kind: str


class Metrics:
    """By the UID of a snapshot. `clock` is monotonic, in seconds."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun: dict[str, dict[Operation, _Begun]] = {}
        self._seconds = Histogram(
            "snapshot_controller_operation_total_seconds",
            "How long an operation on a snapshot took, from when it was first seen.",
            ("driver_name", "operation_name", "snapshot_type", "operation_status"),
            buckets=BUCKETS,
            registry=registry,
        )
        in_flight = Gauge(
            "snapshot_controller_operations_in_flight", "Operations on snapshots that are not over.", registry=registry
        )
        in_flight.set_function(lambda: sum(map(len, self._begun.values())))

    def see(self, snapshot: VolumeSnapshot, driver: str) -> None:
        """Take note of how far it is. `driver` is "" where that is not known yet."""
        going = snapshot.deleting
        wanted = {
            Operation.CREATE: not going and snapshot.status.creation_time is None,
            Operation.READY: not going and not snapshot.status.ready_to_use,
            Operation.DELETE: going,
        }
        begun = self._begun.setdefault(snapshot.uid, {})
        for operation, under_way in wanted.items():
            if under_way:
                first = begun.get(operation)
                at = first.at if first else self._clock()
                begun[operation] = _Begun(at, driver or (first.driver if first else ""), _type(snapshot))
            elif operation in begun:
                over = begun.pop(operation)
                self._end(replace(over, driver=driver or over.driver), operation, "cancel" if going else "success")
        if not begun:
            del self._begun[snapshot.uid]

    def gone(self, snapshot: VolumeSnapshot) -> None:
        """There is no such snapshot any more."""
        for operation, begun in self._begun.pop(snapshot.uid, {}).items():
            self._end(begun, operation, "success" if operation is Operation.DELETE else "cancel")

    def _end(self, begun: _Begun, operation: Operation, status: str) -> None:
        seconds = self._clock() - begun.at
        self._seconds.labels(begun.driver, operation, begun.kind, status).observe(seconds)


def _type(snapshot: VolumeSnapshot) -> str:
    return "dynamic" if claim_key(snapshot) else "pre-provisioned"
