"""How long snapshots take, as dashboards see it."""

from prometheus_client import CollectorRegistry

from controllers.csi.snapshotter.snapshots.metrics import Metrics
from tests.controllers.csi.snapshotter.views import TOLD, going, snapshot


def test_what_is_under_way_is_timed_and_what_is_given_up_told_apart():
    registry, now = CollectorRegistry(), [0.0]
    metrics = Metrics(registry, lambda: now[0])

    def seconds(operation, status="success", kind="dynamic"):
        labels = {
            "driver_name": "a.csi",
            "operation_name": operation,
            "snapshot_type": kind,
            "operation_status": status,
        }
        return registry.get_sample_value("snapshot_controller_operation_total_seconds_sum", labels)

    def in_flight():
        return registry.get_sample_value("snapshot_controller_operations_in_flight")

    metrics.see(snapshot(), "")
    assert in_flight() == 2
    now[0] = 2.0
    metrics.see(snapshot(status={"creationTime": "2026-01-02T03:04:05Z"}), "a.csi")
    metrics.see(snapshot(status={"creationTime": "2026-01-02T03:04:05Z"}), "a.csi")
    now[0] = 5.0
    metrics.see(snapshot(**TOLD), "a.csi")
    assert (seconds("CreateSnapshot"), seconds("CreateSnapshotAndReady"), in_flight()) == (2.0, 5.0, 0)
    metrics.see(going(), "a.csi")
    now[0] = 6.0
    metrics.gone(going())
    metrics.gone(going())
    assert (seconds("DeleteSnapshot"), in_flight()) == (1.0, 0)
    metrics.see(snapshot(content="kept"), "a.csi")
    metrics.see(snapshot(content="kept", going=True), "a.csi")
    metrics.gone(snapshot(content="kept", going=True))
    assert seconds("CreateSnapshotAndReady", "cancel", "pre-provisioned") == 0.0
    assert in_flight() == 0
