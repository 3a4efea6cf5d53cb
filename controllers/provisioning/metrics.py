"""What the calls to plugins came to."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

OPERATIONS: Final = ("provision", "delete")
RESULTS: Final = ("success", "failed", "exhausted", "in_use", "in_doubt", "unsupported")


class Metrics:
    """Counters of one plugin-provisioner."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "lading_plugin_calls", "Calls to plugins by what they came to.", ("operation", "result"), registry=registry
        )
        self._errors = Counter(
            "volume_operation_errors",
            "Operations that failed, each attempt counted.",
            ("plugin_name", "operation_name"),
            registry=registry,
        )
        for operation in OPERATIONS:
            for result in RESULTS:
                self._calls.labels(operation, result)

    def ended(self, operation: str, plugin: str, result: str) -> None:
        """A call has ended."""
        self._calls.labels(operation, result).inc()
        if result != "success":
            self._errors.labels(plugin or "N/A", operation).inc()
