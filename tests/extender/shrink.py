"""Making a scenario that shows a fault as small as it can be, and a case of it."""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from model.meta import JSON
from tests.extender.oracle import Answer, Scenario

KEPT: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "name", "namespace", "containers"})
"""What no object is without."""
CREATED: Final = "2026-02-03T08:00:00Z"

Path = tuple[str | int, ...]


def shrink(scenario: Scenario, shows: Callable[[Scenario], bool]) -> Scenario:
    """Leave out object after object and field after field, as long as the smaller scenario shows the fault still."""
    while True:
        for smaller in _smaller(scenario):
            if shows(smaller):
                scenario = smaller
                break
        else:
            return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    for position in range(len(scenario.objects)):
        yield Scenario(_without(scenario.objects, (position,)), scenario.pod, scenario.wait_for_drivers)
    for path in _paths(scenario.pod):
        yield Scenario(scenario.objects, _without(scenario.pod, path), scenario.wait_for_drivers)
    for path in _paths(scenario.objects):
        yield Scenario(_without(scenario.objects, path), scenario.pod, scenario.wait_for_drivers)


def _paths(value: Any) -> Iterator[Path]:
    """Everything inside that can be left out, the large before the small."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    yield from ((key,) for key, _ in items if key not in KEPT)
    for key, inner in items:
        yield from ((key, *path) for path in _paths(inner))


def _without(value: Any, path: Path) -> Any:
    changed = copy.copy(value)
    key, *rest = path
    if rest:
        changed[key] = _without(value[key], tuple(rest))
    else:
        del changed[key]
    return changed


def as_case(name: str, why: str, said: Answer) -> JSON:
    """A case for `tests/cases/scheduling` that expects what the scheduler says."""
    result = said.result()
    shown = _with_identities(said.shown)
    return {
        "name": name,
        "why": why,
        "objects": [_as_stored(obj, 1001 + number) for number, obj in enumerate(shown.objects)],
        "pod": _as_stored(shown.pod, 1001 + len(shown.objects)),
        "nodes": shown.nodes,
        "expect": {
            "feasible": result["NodeNames"],
            "failed": {node: re.escape(reason) for node, reason in result["FailedNodes"].items()},
            "unresolvable": {node: re.escape(reason) for node, reason in result["FailedAndUnresolvableNodes"].items()},
            "error": re.escape(_first_error(result["Error"])) if result["Error"] else None,
        },
    }


def _first_error(errors: str) -> str:
    """Without the scheduler's own `running "PLUGIN" filter plugin: `."""
    return errors.split("\n", maxsplit=1)[0].split(": ", maxsplit=1)[1]


def _with_identities(scenario: Scenario) -> Scenario:
    """Short uids made long, wherever they are."""

    def long(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _uid(inner) if key == "uid" and inner else long(inner) for key, inner in value.items()}
        return [long(each) for each in value] if isinstance(value, list) else value

    return Scenario(long(scenario.objects), long(scenario.pod), scenario.wait_for_drivers)


def _uid(short: str) -> str:
    return str(uuid5(NAMESPACE_URL, short))


def _as_stored(obj: JSON, version: int) -> JSON:
    metadata = {key: value for key, value in obj["metadata"].items() if value is not None}
    return {
        **obj,
        "metadata": {
            "uid": _uid(f"{obj['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"),
            **metadata,
            "resourceVersion": str(version),
            "creationTimestamp": CREATED,
        },
    }
