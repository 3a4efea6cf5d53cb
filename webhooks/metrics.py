"""What the webhooks count. Labels come from closed sets; every rule's series starts at zero."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram

from webhooks.rules.evaluate import Verdict
from webhooks.rules.rule import Denial, Effect, Phase, Rule, Warn


class WebhookMetrics:
    """Reviews by outcome and time, and what each rule did."""

    def __init__(self, registry: CollectorRegistry, rules: Iterable[Rule]) -> None:
        self._verdicts = Counter(
            "lading_webhooks_rule_verdicts_total", "What rules did", ["rule", "verdict"], registry=registry
        )
        self._reviews = Counter(
            "lading_webhooks_reviews_total", "Reviews answered", ["phase", "result"], registry=registry
        )
        self._seconds = Histogram(
            "lading_webhooks_review_seconds",
            "Time from a review's first byte to its verdict",
            ["phase"],
            registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )
        for rule in rules:
            for verdict in ("patched", "warned", "denied"):
                self._verdicts.labels(rule.name, verdict)
        for phase in Phase:
            for result in ("allowed", "patched", "denied", "failed"):
                self._reviews.labels(phase, result)

    @contextmanager
    def review(self, phase: Phase) -> Iterator[Callable[[Verdict | None], None]]:
        """Count one review, as failed unless the function that this yields is told the verdict."""
        told: list[Verdict | None] = []
        try:
            with self._seconds.labels(phase).time():
                yield told.append
        finally:
            self._reviews.labels(phase, _result(told[0]) if told else "failed").inc()
        for rule, did in {(each.rule, _did(each.effect)) for verdict in told if verdict for each in verdict.findings}:
            self._verdicts.labels(rule, did).inc()


def _result(verdict: Verdict | None) -> str:
    if verdict is None:
        return "allowed"
    return "denied" if verdict.denials else "patched" if verdict.patch else "allowed"


def _did(effect: Effect) -> str:
    match effect:
        case Denial():
            return "denied"
        case Warn():
            return "warned"
        case _:
            return "patched"
