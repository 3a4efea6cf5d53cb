"""What is said of manifests, with its place: for people, for programs, for code scanners (SARIF 2.1.0)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from model.meta import JSON
from webhooks.check import Report
from webhooks.manifests import Document, path_of
from webhooks.rules import BY_NAME
from webhooks.rules.patch import described, dotted
from webhooks.rules.rule import Denial, Effect, Warn

UNREADABLE: Final = "unreadable"
"""Stands for a rule where a manifest is no object of its kind."""
PAGE: Final = "docs/admission.md"


class Outcome(StrEnum):
    """What a finding means for its manifest, the worst first."""

    ERROR = "error"
    REFUSED = "refused"
    WARNING = "warning"
    NORMALIZED = "normalized"


LEVELS: Final = {
    Outcome.ERROR: "error",
    Outcome.REFUSED: "error",
    Outcome.WARNING: "warning",
    Outcome.NORMALIZED: "note",
}
"""As SARIF calls them."""


@dataclass(frozen=True)
class Finding:
    """One thing to say."""

    file: str
    document: int
    line: int
    kind: str
    namespace: str
    name: str
    rule: str
    outcome: Outcome
    field: str
    message: str

    @property
    def subject(self) -> str:
        """The object."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def as_line(self) -> str:
        """For people, and for tools that read FILE:LINE."""
        place = f"{self.file}:{self.line}: document {self.document}"
        return f"{place}: {self.outcome}: {self.subject}: {self.message} [{self.rule}]"

    def as_json(self) -> JSON:
        """For programs."""
        return {
            "file": self.file,
            "document": self.document,
            "line": self.line,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "rule": self.rule,
            "outcome": self.outcome.value,
            "field": self.field,
            "message": self.message,
        }


def findings(reports: Iterable[Report], documents: Sequence[Document]) -> list[Finding]:
    """All there is to say; `documents` are the manifests that were checked, in order."""
    return [each for report in reports for each in _of(report, documents[report.position])]


def _of(report: Report, document: Document) -> Iterable[Finding]:
    if report.error:
        found = re.search(r" - at `\$\.?([^`]*)`$", report.error)
        yield _finding(report, document, UNREADABLE, Outcome.ERROR, found[1] if found else "", report.error)
    for each in report.findings:
        yield _finding(report, document, each.rule, *_said(each.effect))


def _finding(report: Report, document: Document, rule: str, outcome: Outcome, field: str, message: str) -> Finding:
    return Finding(
        file=document.source,
        document=document.number,
        line=document.line_of([*report.items, *path_of(field or "metadata.name")]),
        kind=report.kind,
        namespace=report.namespace,
        name=report.name,
        rule=rule,
        outcome=outcome,
        field=field,
        message=message,
    )


def _said(effect: Effect) -> tuple[Outcome, str, str]:
    match effect:
        case Denial(message, field):
            return Outcome.REFUSED, field, message
        case Warn(message, field):
            return Outcome.WARNING, field, message
        case _:
            return Outcome.NORMALIZED, dotted(_place(effect)), f"would {described(effect)}"


def _place(operation: JSON) -> str:
    """Where an operation has something to do with what is written: a key that is renamed stands under its old name."""
    return str(operation.get("from") or operation["path"])


def summary(told: Sequence[Finding], checked: int) -> str:
    """How many, in one line."""
    counted = Counter(each.outcome for each in told)
    parts = [f"{counted[each]} {each}" for each in Outcome if counted[each]]
    return ", ".join([f"{checked} checked", *(parts or ["nothing to say"])])


def sarif(told: Sequence[Finding], version: str) -> JSON:
    """A SARIF log of one run."""
    rules = sorted({each.rule for each in told})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "lading", "version": version, "rules": [_rule(each) for each in rules]}},
                "results": [_result(each, rules.index(each.rule)) for each in told],
                "columnKind": "unicodeCodePoints",
            }
        ],
    }


def _rule(name: str) -> JSON:
    about = BY_NAME[name].about if name in BY_NAME else "The manifest is no object of its kind."
    return {"id": name, "shortDescription": {"text": about}, "help": {"text": f"{PAGE} lists all rules."}}


def _result(finding: Finding, index: int) -> JSON:
    location: JSON = {"artifactLocation": {"uri": finding.file}, "region": {"startLine": finding.line}}
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVELS[finding.outcome],
        "message": {"text": f"{finding.subject}: {finding.message}"},
        "locations": [{"physicalLocation": location, "logicalLocations": [{"name": finding.name, "kind": "object"}]}],
        "partialFingerprints": {"subject/v1": f"{finding.subject} {finding.rule} {finding.field}"},
    }
