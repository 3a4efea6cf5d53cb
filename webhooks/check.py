"""The admission rules over manifests, offline: each as if it were created now, the others being all that is known.

What is absent from the files may well exist in the cluster, so nothing is concluded from absence.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from model.meta import JSON, Object
from model.resources import (
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_DRIVERS,
    CSI_NODES,
    NAMESPACES,
    NODES,
    REFERENCE_GRANTS,
    SNAPSHOT_CLASSES,
    VOLUMES,
    Resource,
)
from model.selectors import Labels
from webhooks.rules.evaluate import Finding, evaluate
from webhooks.rules.facts import Facts, Snapshot
from webhooks.rules.rule import Denial, Operation, Phase, Review, Rule
from webhooks.settings import Settings

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
class Found:
    """A manifest, and where it was: the position of the one that was given, and the path of an item in a List."""

    manifest: JSON
    position: int
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What is to be said of one manifest. `error` is set where it can not be read at all."""

    kind: str
    namespace: str
    name: str
    position: int
    """Of the manifest, among those that were given."""
    items: tuple[str, ...] = ()
    """The path to the object, where the manifest is a List."""
    findings: tuple[Finding, ...] = ()
    error: str = ""

    @property
    def patch(self) -> list[JSON]:
        """What normalizes it: operations to be applied one after another."""
        return [each.effect for each in self.findings if isinstance(each.effect, dict)]

    @property
    def refused(self) -> bool:
        """Whether the API server, with these rules, would not take it."""
        return bool(self.error) or any(isinstance(each.effect, Denial) for each in self.findings)


def check(manifests: Iterable[JSON], settings: Settings | None = None) -> list[Report]:
    """Run the rules over manifests; one report for each of a kind that rules look at, in their order."""
    settings = settings or Settings()
    found = [each for position, manifest in enumerate(manifests) for each in _flat(Found(manifest, position))]
    read = [each for each in map(_read, found) if each is not None]
    facts = Snapshot([each[2] for each in read if isinstance(each, tuple)], complete=False, policy=settings.policy)
    labels = dict(each for one in found for each in _namespace(one.manifest))
    reports = []
    for each in read:
        if isinstance(each, Report):
            reports.append(each)
        else:
            rules = settings.rules_for(labels.get(each[2].namespace, {}))
            reports.append(_report(*each, rules, facts))
    return reports


def _report(found: Found, raw: JSON, subject: Object, rules: Sequence[Rule], facts: Facts) -> Report:
    findings: list[Finding] = []
    for phase in Phase:
        verdict = evaluate(phase, rules, Review(Operation.CREATE, subject, raw), facts)
        findings += [each for each in verdict.findings if each not in findings]
        raw, subject = verdict.raw, msgspec.convert(verdict.raw, type(subject))
    return Report(raw["kind"], subject.namespace, subject.name, found.position, found.items, tuple(findings))


def _read(found: Found) -> Report | tuple[Found, JSON, Object] | None:
    manifest = found.manifest
    resource = READ.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
    if resource is None:
        return None
    raw = _as_decoded(manifest)
    try:
        return found, raw, msgspec.convert(raw, resource.view)
    except msgspec.ValidationError as error:
        metadata = raw.get("metadata")
        names = metadata if isinstance(metadata, dict) else {}
        namespace, name = str(names.get("namespace", "")), str(names.get("name", ""))
        return Report(resource.kind, namespace, name, found.position, found.items, error=str(error))


def _namespace(manifest: JSON) -> Iterator[tuple[str, Labels]]:
    """The labels of a manifest that is a Namespace."""
    if (manifest.get("apiVersion"), manifest.get("kind")) == (NAMESPACES.api_version, NAMESPACES.kind):
        with suppress(msgspec.ValidationError):
            namespace = msgspec.convert(_as_decoded(manifest), NAMESPACES.view)
            yield namespace.name, namespace.labels


def _flat(found: Found) -> Iterator[Found]:
    """The manifest, or those inside of a List."""
    items = found.manifest.get("items")
    if str(found.manifest.get("kind", "")).endswith("List") and isinstance(items, list):
        for place, each in enumerate(items):
            if isinstance(each, dict):
                yield from _flat(Found(each, found.position, (*found.items, "items", str(place))))
    else:
        yield found


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
