"""What the extender measures of itself. Labels are from closed sets, and every series starts at zero."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

VERBS: Final = ("filter", "prioritize", "preempt", "bind", "explain")
RESULTS: Final = ("success", "error", "unavailable", "invalid")
VERDICTS: Final = ("feasible", "failed", "unresolvable")

_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0)
"""Seconds: deciding takes milliseconds, binding waits for storage."""


class Metrics:
    """The extender's series in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "lading_extender_requests", "Calls by verb and result.", ("verb", "result"), registry=registry
        )
        self._seconds = Histogram(
            "lading_extender_request_seconds", "How long calls took.", ("verb",), registry=registry, buckets=_FAST
        )
        self._nodes = Counter("lading_extender_nodes", "Nodes judged, by verdict.", ("verdict",), registry=registry)
        self.healed = Counter(
            "lading_extender_selected_nodes_cleared", "Claims freed from a node that is gone.", registry=registry
        )
        self.attempts = Gauge("lading_extender_bind_attempts", "Pods that are being bound.", registry=registry)
        for verb in VERBS:
            self._seconds.labels(verb)
            for result in RESULTS:
                self._requests.labels(verb, result)
        for verdict in VERDICTS:
            self._nodes.labels(verdict)

    @contextmanager
    def call(self, verb: str) -> Iterator[None]:
        """Time a call."""
        began = perf_counter()
        try:
            yield
        finally:
            self._seconds.labels(verb).observe(perf_counter() - began)

    def result(self, verb: str, result: str) -> None:
        """Count a call's result."""
        self._requests.labels(verb, result).inc()

    def judged(self, feasible: int, failed: int, unresolvable: int) -> None:
        """Count the verdicts of one filter call."""
        for verdict, count in zip(VERDICTS, (feasible, failed, unresolvable), strict=True):
            self._nodes.labels(verdict).inc(count)
