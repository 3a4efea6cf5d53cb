"""Running the table over one request: every rule that concerns it, in order, and what they say together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from model.meta import JSON
from webhooks.rules.facts import Facts, Need
from webhooks.rules.rule import Denial, Effect, Phase, Review, Rule, Warn


@dataclass(frozen=True)
class Finding:
    """What one rule did or said."""

    rule: str
    effect: Effect


@dataclass(frozen=True)
class Verdict:
    """What all rules said, in their order. `patch` turns the object received into `raw`."""

    raw: JSON
    findings: tuple[Finding, ...] = ()

    @property
    def patch(self) -> list[JSON]:
        """The operations of all rules; to be applied one after another."""
        return [each.effect for each in self.findings if isinstance(each.effect, dict)]

    @property
    def warnings(self) -> list[str]:
        """Each warning once."""
        return list(dict.fromkeys(each.effect.message for each in self.findings if isinstance(each.effect, Warn)))

    @property
    def denials(self) -> list[Denial]:
        """All refusals; one is enough."""
        return [each.effect for each in self.findings if isinstance(each.effect, Denial)]

    @property
    def rules(self) -> list[str]:
        """The rules that had something to say."""
        return list(dict.fromkeys(each.rule for each in self.findings))


def evaluate(phase: Phase, rules: Iterable[Rule], review: Review[Any], facts: Facts) -> Verdict:
    """Run the rules of one phase. What is being deleted is let pass untouched."""
    findings: list[Finding] = []
    for rule in _concerned(phase, rules, review):
        effects = tuple(rule.check(review, facts))
        findings.extend(Finding(rule.name, effect) for effect in effects)
        if operations := [effect for effect in effects if isinstance(effect, dict)]:
            review = review.patched(operations)
    return Verdict(review.raw, tuple(findings))


def needs(phase: Phase, rules: Iterable[Rule], review: Review[Any], facts: Facts) -> frozenset[Need]:
    """What must be read from the server before the rules of the phase may run."""
    return frozenset(need for rule in _concerned(phase, rules, review) for need in rule.needs(review, facts))


def _concerned(phase: Phase, rules: Iterable[Rule], review: Review[Any]) -> Iterator[Rule]:
    if review.terminating:
        return
    kind = type(review.subject)
    for rule in rules:
        if rule.resource.view is kind and phase in rule.phases and review.operation in rule.operations:
            yield rule
