"""What the extender measures of itself. Labels are from closed sets, and every series starts at zero."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

VERBS: Final = ("filter", "prioritize", "preempt", "bind", "explain")
RESULTS: Final = ("success", "error", "unavailable", "invalid")
VERDICTS: Final = ("feasible", "failed", "unresolvable")
PHASES: Final = ("receive", "read", "judge", "answer")
"""Of filter and prioritize: the body arrives, is decoded, is judged, and the answer is encoded."""
PHASED: Final = ("filter", "prioritize")

_FASTER: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
"""Seconds: of a part of deciding."""
_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0)
"""Seconds: deciding takes milliseconds, binding waits for storage."""


class Metrics:
    """The extender's series in one registry."""

    def __init__(self, registry: CollectorRegistry, rules: Collection[str]) -> None:
        """`rules` are the names of the filters."""
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
        self._phases = Histogram(
            "lading_extender_phase_seconds",
            "How long the parts of a call took.",
            ("verb", "phase"),
            registry=registry,
            buckets=_FASTER,
        )
        self._rejected = Counter(
            "lading_extender_rejected_nodes", "Nodes rejected, by the filter that does.", ("rule",), registry=registry
        )
        self.ledger_claims = Gauge(
            "lading_extender_ledger_claims", "Claims whose volume no capacity report counts yet.", registry=registry
        )
        self.ledger_age = Gauge(
            "lading_extender_ledger_age_seconds", "Since when the first of them is made.", registry=registry
        )
        self.attempts = Gauge("lading_extender_bind_attempts", "Pods that are being bound.", registry=registry)
        for verb in VERBS:
            self._seconds.labels(verb)
            for result in RESULTS:
                self._requests.labels(verb, result)
        for verdict in VERDICTS:
            self._nodes.labels(verdict)
        for rule in rules:
            self._rejected.labels(rule)
        # Looking a series up by its labels costs more than counting.
        self._phase = {(verb, phase): self._phases.labels(verb, phase) for verb in PHASED for phase in PHASES}

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

    @contextmanager
    def phase(self, verb: str, phase: str) -> Iterator[None]:
        """Time a part of a call that has parts."""
        began = perf_counter()
        yield
        if verb in PHASED:
            self._phase[verb, phase].observe(perf_counter() - began)

    def judged(self, feasible: int, failed: int, unresolvable: int, rules: Mapping[str, int]) -> None:
        """Count the verdicts of one filter call; `rules` say how many nodes which filter rejects."""
        for verdict, count in zip(VERDICTS, (feasible, failed, unresolvable), strict=True):
            self._nodes.labels(verdict).inc(count)
        for rule, count in rules.items():
            self._rejected.labels(rule).inc(count)
