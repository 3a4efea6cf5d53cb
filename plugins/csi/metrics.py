"""How long drivers take for calls: the histogram that all CSI sidecars of Kubernetes have, and our own driver's."""

from typing import Final

from prometheus_client import CollectorRegistry, Histogram

BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600)


class CallMetrics:
    """The calls of one process to one driver."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "csi_sidecar_operations_seconds",
            "Calls to the driver, each attempt counted, by their code.",
            ("driver_name", "method_name", "grpc_status_code"),
            buckets=BUCKETS,
            registry=registry,
        )
        self.driver = "unknown-driver"
        """Its name, once it has told it."""

    def ended(self, method: str, code: str, seconds: float) -> None:
        """A call has ended. The method is as it goes over the wire, the code as gRPC names it."""
        self._seconds.labels(self.driver, method, code).observe(seconds)


class AnswerMetrics:
    """The calls that a driver of our own has answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "lading_csi_answer_seconds",
            "Calls that the driver has answered, by their code.",
            ("method", "code"),
            buckets=BUCKETS,
            registry=registry,
        )

    def answered(self, method: str, code: str, seconds: float) -> None:
        """A call was answered."""
        self._seconds.labels(method, code).observe(seconds)
