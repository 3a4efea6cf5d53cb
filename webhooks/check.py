"""The admission rules over manifests, offline: each as if it were created now, the others being all that is known.

What is absent from the files may well exist in the cluster, so nothing is concluded from absence.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from model.meta import JSON, Object
from model.resources import (
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_DRIVERS,
    CSI_NODES,
    NODES,
    REFERENCE_GRANTS,
    SNAPSHOT_CLASSES,
    VOLUMES,
    Resource,
)
from webhooks.rules.evaluate import Finding, evaluate
from webhooks.rules.facts import Facts, Snapshot
from webhooks.rules.policy import Policy
from webhooks.rules.rule import Denial, Effect, Operation, Phase, Review, Rule, Warn

READ: Final[Mapping[tuple[str, str], Resource[Any]]] = {
    (each.api_version, each.kind): each
    for each in (
        VOLUMES,
        CLAIMS,
        CLASSES,
        SNAPSHOT_CLASSES,
        NODES,
        CSI_NODES,
        CSI_DRIVERS,
        CAPACITIES,
        REFERENCE_GRANTS,
    )
}
"""The kinds that rules speak of or look at; others are passed over."""

_QUANTITIES: Final = (("spec", "capacity"), ("spec", "resources", "requests"), ("spec", "resources", "limits"))


@dataclass(frozen=True)
class Report:
    """What is to be said of one manifest. `error` is set where it can not be read at all."""

    kind: str
    namespace: str
    name: str
    findings: tuple[Finding, ...] = ()
    error: str = ""

    @property
    def refused(self) -> bool:
        """Whether the API server, with these rules, would not take it."""
        return bool(self.error) or any(isinstance(each.effect, Denial) for each in self.findings)


def check(manifests: Iterable[JSON], rules: Sequence[Rule], policy: Policy | None = None) -> list[Report]:
    """Run the rules over manifests; one report for each of a kind that rules look at, in their order."""
    read = [each for each in map(_read, _flatten(manifests)) if each is not None]
    known = [each[1] for each in read if isinstance(each, tuple)]
    facts = Snapshot(known, complete=False, policy=policy or Policy())
    return [each if isinstance(each, Report) else _report(*each, rules, facts) for each in read]


def describe(effect: Effect) -> str:
    """An effect as a line for people."""
    match effect:
        case Denial(message) | Warn(message):
            return message
        case {"op": "remove", "path": path}:
            return f"removes {path}"
        case {"op": "move", "from": old, "path": path}:
            return f"renames {old} to {path}"
        case _:
            return f"sets {effect['path']} to {orjson.dumps(effect['value']).decode()}"


def _report(raw: JSON, subject: Object, rules: Sequence[Rule], facts: Facts) -> Report:
    findings: list[Finding] = []
    for phase in Phase:
        verdict = evaluate(phase, rules, Review(Operation.CREATE, subject, raw), facts)
        findings += [each for each in verdict.findings if each not in findings]
        raw, subject = verdict.raw, msgspec.convert(verdict.raw, type(subject))
    return Report(raw["kind"], subject.namespace, subject.name, tuple(findings))


def _read(manifest: JSON) -> Report | tuple[JSON, Object] | None:
    resource = READ.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
    if resource is None:
        return None
    raw = _as_decoded(manifest)
    try:
        return raw, msgspec.convert(raw, resource.view)
    except msgspec.ValidationError as error:
        metadata = raw.get("metadata")
        names = metadata if isinstance(metadata, dict) else {}
        return Report(resource.kind, str(names.get("namespace", "")), str(names.get("name", "")), error=str(error))


def _flatten(manifests: Iterable[JSON]) -> Iterator[JSON]:
    """The manifests, those inside of Lists too."""
    for manifest in manifests:
        items = manifest.get("items")
        if str(manifest.get("kind", "")).endswith("List") and isinstance(items, list):
            yield from _flatten(each for each in items if isinstance(each, dict))
        else:
            yield manifest


def _as_decoded(manifest: JSON) -> JSON:
    """A copy as the API server reads it: null is absent, and a quantity may be written as a number."""
    raw: JSON = _without_nulls(manifest)
    for path in _QUANTITIES:
        holder: Any = raw
        for key in path:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            numbers = {key: str(each) for key, each in holder.items() if isinstance(each, int | float)}
            holder.update(numbers)
    return raw


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value
